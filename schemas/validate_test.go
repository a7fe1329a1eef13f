package schemas

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAgreement holds parsers and schemas against the same files: what is under
// good pleases both, what is under bad displeases both.
func TestAgreement(t *testing.T) {
	for _, name := range SchemaNames() {
		for _, verdict := range []string{"good", "bad"} {
			file := filepath.Join("testdata", string(name)+"."+verdict+".txt")
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cases := bytes.Split(src, []byte("=====\n"))
			if len(cases) < 5 {
				t.Errorf("%s has only %d files", file, len(cases))
			}
			for _, c := range cases {
				want := verdict == "good"
				problems, err := parserProblems(name, "f", c)
				if err != nil {
					t.Errorf("%s: %v\n%s", file, err, c)
				}
				if got := Refusal(problems, false) == nil; got != want {
					t.Errorf("%s: the parser finds it %v: %v\n%s", file, got, problems, c)
				}
				found := schemaProblems(name, "f", c)
				if got := len(found) == 0; got != want {
					t.Errorf("%s: the schema finds it %v: %v\n%s", file, got, found, c)
				}
				for _, p := range found {
					if p.Pos.Line < 1 || strings.Contains(p.Message, "jsonschema") {
						t.Errorf("%s: a problem without a place or in foreign words: %+v", file, p)
					}
				}
			}
		}
	}
}

func TestSchemaPlaces(t *testing.T) {
	src := "name: x\nParams:\n  ebpf:\n    a:\n      kee: b\nprograms.p.sampler: {frequency: none}\n"
	var got []string
	for _, p := range schemaProblems(GadgetSchema, "g", []byte(src)) {
		got = append(got, p.String())
	}
	slices.Sort(got)
	want := []string{
		`g:5:7: error: unknown key "kee" in params.ebpf.a`,
		`g:6:22: error: programs.p.sampler.frequency: 'none' does not match pattern '^0*[1-9][0-9]*$'`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name SchemaName
		src  string
		want []string
	}{
		{GadgetSchema, "name: [a]\ndatasource: {}\n", []string{
			"f:1:7: error: name must be text, not a list",
			`f:2:1: error: unknown key "datasource" in gadget.yaml (did you mean "datasources"?)`}},
		{GadgetSchema, "a: b: c", []string{`f:1:5: error: a second "key: value" where only a value may stand (put the value in quotes, or check the indentation)`}},
		{GadgetSchema, "name: a\n", nil},
		{BuildSchema, "ebpfsrc: a.c\n", []string{`f:1:1: error: unknown key "ebpfsrc" in build.yaml (known are ebpfsource, metadata, wasm)`}},
		{"nonsense", "", []string{`f: error: there is no schema "nonsense"`}},
	} {
		var got []string
		for _, p := range Validate(c.name, "f", []byte(c.src)) {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.src, diff)
		}
	}
}

// TestSchemaKeys keeps the key tables of the parser and the schemas together.
func TestSchemaKeys(t *testing.T) {
	for name, keys := range map[SchemaName]map[string][]string{
		GadgetSchema: {
			"properties":                                                  slices.Concat(metadataKeys, deadKeys),
			"properties/params/properties":                                sectionKeys,
			"$defs/datasource/properties":                                 sourceKeys,
			"$defs/field/properties":                                      fieldKeys,
			"$defs/param/properties":                                      paramKeys,
			"$defs/customParam/properties":                                customParamKeys,
			"$defs/program/properties":                                    programKeys,
			"$defs/program/properties/perf/properties":                    perfKeys,
			"$defs/program/properties/sampler/properties":                 samplerKeys,
			"$defs/field/properties/annotations/properties/template/enum": Templates(),
			"$defs/paramType/enum":                                        append([]string{"", "<nil>"}, paramTypes...),
		},
		BuildSchema:        {"properties": buildKeys},
		InstanceSpecSchema: {"properties": instanceKeys},
	} {
		var doc any
		if err := json.Unmarshal(Schema(name), &doc); err != nil {
			t.Fatal(err)
		}
		for path, want := range keys {
			got := at(doc, strings.Split(path, "/"))
			want = slices.Sorted(slices.Values(want))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-parser +schema):\n%s", name, path, diff)
			}
		}
	}
	if Schema("none") != nil {
		t.Error("a schema for an unknown name")
	}
}

// at returns the sorted keys of the object, or elements of the list, at path.
func at(doc any, path []string) []string {
	for _, p := range path {
		doc = doc.(map[string]any)[p]
	}
	if list, ok := doc.([]any); ok {
		var out []string
		for _, v := range list {
			if s, ok := v.(string); ok {
				out = append(out, s)
			} else {
				out = append(out, "<nil>")
			}
		}
		slices.Sort(out)
		return out
	}
	return slices.Sorted(maps.Keys(doc.(map[string]any)))
}

func FuzzValidate(f *testing.F) {
	for _, name := range SchemaNames() {
		f.Add(string(name), "name: x\nrun: {a: [1.5, .inf, 0x10, 2001-01-01]}\nparams.ebpf.a: {key: [x]}\n")
	}
	f.Fuzz(func(t *testing.T, name, src string) {
		for _, p := range Validate(SchemaName(name), "f", []byte(src)) {
			if p.Message == "" || p.Pos.File != "f" {
				t.Fatalf("problem without message or file: %+v", p)
			}
		}
	})
}
