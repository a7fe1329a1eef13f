package schemas

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const patchSource = `
name: base
datasources:
  open:
    annotations: {fetch-interval: 1s}
    fields:
      proc.comm: {annotations: {columns.width: 10, description: Who}}
params:
  ebpf:
    targ_pid: {key: pid, description: Process}
  custom:
    Level:
      defaultValue: low
      values:
        low:
        High:
          patch:
            dataSources.open.fields:
              Proc.Comm: {annotations: {columns.width: "{{if eq (call .getParamValue \"custom.size\") \"big\"}}40{{else}}20{{end}}"}}
            paramDefaults: {operator.oci.ebpf.pid: 7}
            params: {ebpf: {targ_pid: {defaultValue: 9}}}
      patch:
        programs: {a: {attach_to: low}}
    size:
      patch:
        name: '{{call .getConfig "NAME"}}-{{call .getParamValue "custom.size"}}'
        description: '{{call .getConfig "datasources.open.fields.proc.comm.annotations.columns.width"}}{{call .getConfig "datasources.none"}}'
        programs: {a: {attach_to: size}}
    idle: {description: neither patch nor values}
`

// values finds parameters as a run does.
func values(of map[string]string) func(string) (string, error) {
	return func(name string) (string, error) {
		if v, ok := of[name]; ok {
			return v, nil
		}
		return "", fmt.Errorf("there is no parameter %q", name)
	}
}

func TestPatched(t *testing.T) {
	md, problems, err := ParseMetadata("gadget.yaml", []byte(patchSource))
	if err != nil || len(problems) != 1 || problems[0].Message != `parameter "idle" of params.custom changes nothing and is none` {
		t.Fatal(err, problems)
	}
	got, problems, err := md.Patched(map[string]string{"level": "high", "size": "big"}, values(map[string]string{"custom.size": "big"}))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want, _, _ := ParseMetadata("gadget.yaml", []byte(patchSource))
	want.Name, want.Description = "base-big", "10"
	comm := want.DataSources["open"].Fields["proc.comm"]
	comm.Annotations["columns.width"] = "40"
	want.ParamDefaults["operator.oci.ebpf.pid"] = "7"
	want.Params.EBPF["targ_pid"] = Param{Key: "pid", Description: "Process", DefaultValue: "9"}
	want.Programs["a"] = Program{AttachTo: "size"}
	if diff := cmp.Diff(want, got, ignorePos); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if md.Name != "base" || len(md.ParamDefaults) > 0 {
		t.Errorf("the metadata itself has changed: %+v", md)
	}

	// The later of two patches wins, whatever the order of their names; a value
	// without a patch takes that of the parameter.
	got, _, err = md.Patched(map[string]string{"level": "low"}, values(nil))
	if err != nil || got.Programs["a"].AttachTo != "low" || got.Name != "base" {
		t.Errorf("low: %+v, %v", got.Programs, err)
	}
	custom := md.Params.Custom
	if level, size, idle := custom["level"], custom["size"], custom["idle"]; !level.Patches() || !size.Patches() || idle.Patches() {
		t.Errorf("level %v, size %v, idle %v: want the first two to patch", level.Patches(), size.Patches(), idle.Patches())
	}
}

// Nobody has read gadget.yaml when it has no parameters to patch with.
func TestPatchedNothing(t *testing.T) {
	for _, md := range []*Metadata{{}, newMetadata("x")} {
		got, problems, err := md.Patched(map[string]string{"a": "b"}, values(nil))
		if err != nil || problems != nil || got == nil {
			t.Errorf("got %v, %v, %v", got, problems, err)
		}
	}
}

func TestPatchErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown parameter", `{{call .getParamValue "custom.b"}}`, `there is no parameter "custom.b"`},
		{"unknown function", `{{call .getParam "custom.b"}}`, `map has no entry for key "getParam"`},
		{"syntax", `{{call .getParamValue`, "unclosed action"},
		{"loop", `{{range 1000000000}}x{{end}}`, `cannot use "range"`},
		{"loop in a branch", `{{if true}}{{with 1}}{{range 9}}x{{end}}{{end}}{{end}}`, `cannot use "range"`},
		{"recursion", `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "cannot define others"},
		{"itself", `{{template ""}}`, `cannot use "template"`},
		{"doubling", `{{$a := "0123456789abcdef"}}` + strings.Repeat(`{{$a = print $a $a}}`, 40), "more than 65536 bytes"},
		{"escaping", `{{$a := "<<<<<<<<<<<<<<<<"}}` + strings.Repeat(`{{$a = html $a $a}}`, 40), "more than 65536 bytes"},
		{"width", `{{printf "%1000000d" 1}}`, "a width above 999"},
		{"star", `{{printf "%*d" 1000000 1}}`, "a width above 999"},
		{"output", `{{$a := printf "%999d" 1}}` + strings.Repeat(`{{$a}}`, 100), "more than 65536 bytes"},
		{"long", `{{1}}` + strings.Repeat("x", 5000), "more than the 4096"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := "params:\n  custom:\n    a:\n      patch:\n        name: '" + c.text + "'\n"
			md, problems, err := ParseMetadata("gadget.yaml", []byte(src))
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			_, _, err = md.Patched(map[string]string{"a": "v"}, values(map[string]string{"custom.a": "v"}))
			want := `gadget.yaml:5:15: error: patch of parameter "a" for the value "v": `
			if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s…%s", err, want, c.want)
			}
			var p Problem
			if !errors.As(err, &p) {
				t.Errorf("%T is no problem with a place", err)
			}
		})
	}
}

// Time is bounded over all templates together.
func TestPatchTime(t *testing.T) {
	x := newExpander(values(nil), nil, time.Now().Add(-time.Second))
	if _, err := x.expand("{{1}}"); err == nil || !strings.Contains(err.Error(), "longer than 1s") {
		t.Errorf("before a template: %v", err)
	}
	if _, err := x.bound(fmt.Sprint, nil); err == nil {
		t.Error("within a template: no error")
	}
}

// Mistakes in patches show when the file is checked, but not those that only the
// text of a template can have.
func TestPatchProblems(t *testing.T) {
	const src = `params:
  custom:
    a:
      patch:
        paramDefault: {}
        datasources: {x: {fields: {f: {annotations: {columns.width: wide, columns.hex: "{{1}}"}}}}}
        params: {custom: {a: {patch: {name: b}}}}
`
	_, problems, err := ParseMetadata("f", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`f:5:9: error: unknown key "paramDefault" in gadget.yaml (did you mean "paramDefaults"?)`,
		`f:6:69: error: annotation "columns.width" of field "f" must be a number, or "type" for the width of the type, not "wide"`,
		`f:7:18: error: a patch cannot change params.custom`,
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// What a template has made is checked when it is known.
	md, _, _ := ParseMetadata("f", []byte("params: {custom: {a: {patch: {datasources: {x: {fields: {f: {annotations: {columns.hex: '{{1}}'}}}}}}}}}"))
	_, problems, err = md.Patched(map[string]string{"a": ""}, values(nil))
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Message, `must be true or false, not "1"`) {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

func TestAnnotate(t *testing.T) {
	md, _, _ := ParseMetadata("gadget.yaml", []byte(patchSource))
	for _, a := range [][4]string{
		{"Open", "", "Fetch-Interval", "2s"}, {"open", "Proc.Comm", "columns.width", "5"},
		{"open", "fname", "my.own", "anything"}, {"other", "", "cli.default-output-mode", "json"},
	} {
		if err := md.Annotate(a[0], a[1], a[2], a[3]); err != nil {
			t.Error(err)
		}
	}
	want, _, _ := ParseMetadata("gadget.yaml", []byte(patchSource))
	open := want.DataSources["open"]
	open.Annotations["fetch-interval"] = "2s"
	open.Fields["proc.comm"].Annotations["columns.width"] = "5"
	open.Fields["fname"] = Field{Name: "fname", Annotations: map[string]string{"my.own": "anything"}}
	want.DataSources["other"] = DataSource{Name: "other", Fields: map[string]Field{}, Annotations: map[string]string{"cli.default-output-mode": "json"}}
	if diff := cmp.Diff(want, md, ignorePos); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range []struct{ field, key, value, want string }{
		{"f", "columns.width", "wide", `annotation "columns.width" of field "f" must be a number`},
		{"f", "template", "pidd", `unknown template "pidd" (did you mean "pid"?)`},
		{"", "cli.clear-screen-before", "yes", `annotation "cli.clear-screen-before" of data source "open" must be true or false, not "yes"`},
	} {
		if err := md.Annotate("open", c.field, c.key, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: error %v, want %s", c.key, c.value, err, c.want)
		}
	}
	if err := (&Metadata{}).Annotate("a", "b", "c", "d"); err != nil {
		t.Error(err)
	}
}

func FuzzPatched(f *testing.F) {
	for _, s := range []string{"{{1}}", `{{call .getConfig "params.custom.a.patch.name"}}`, `{{printf "%d" 3 | html}}`, "{{/* */}}", "{{if}}", "{{with $x := 1}}{{$x}}{{end}}"} {
		f.Add("{name: '" + strings.ReplaceAll(s, "'", "''") + "'}")
	}
	f.Add("{datasources: {a: {fields: {b: {annotations: {columns.width: '{{7}}'}}}}}}")
	f.Fuzz(func(t *testing.T, patch string) {
		md, _, err := ParseMetadata("f", []byte("params: {custom: {a: {patch: "+patch+"}}}"))
		if err != nil {
			return
		}
		start := time.Now()
		got, _, err := md.Patched(map[string]string{"a": "b"}, values(map[string]string{"custom.a": "b"}))
		if (got == nil) != (err != nil) {
			t.Fatalf("metadata %v with error %v", got, err)
		}
		if took := time.Since(start); took > 3*patchTime {
			t.Fatalf("took %s", took)
		}
	})
}
