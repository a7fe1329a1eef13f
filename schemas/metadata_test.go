package schemas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignorePos compares what metadata says, wherever it says so.
var ignorePos = cmp.Options{cmpopts.IgnoreTypes(Pos{}), cmpopts.IgnoreUnexported(Metadata{}, Param{})}

func TestParseMetadata(t *testing.T) {
	src := `
name: trace thing
description: &d Traces things
homepageURL: https://example.org
documentationURL: https://example.org/doc
sourceURL: https://example.org/src
annotations:
  org.example.Vendor: Me
  Enable-Containers-DataSource: true
dataSources:
  Open:
    annotations: {fetch-interval: 1s, env.fields.node: NODE}
    tags: [a, b]
    fields:
      proc.Comm:
        annotations:
          description: *d
          template: comm
          columns.maxWidth: 16
          columns.hidden: true
        tags: one
      nothing:
params:
  ebpf:
    targ_PID:
      key: pid
      defaultValue: 0
      description: "the process"
      isMandatory: false
      possibleValues: [1, 2]
  wasm:
    depth: {key: depth, typeHint: int, alternativeKey: deep, title: Depth, valueHint: n, alias: d, tags: [x]}
  custom:
    mode:
      defaultValue: fast
      values:
        fast: {patch: {programs: {a: {attach_to: b}}}}
        slow:
      patch: {annotations: {k: v}}
paramDefaults:
  operator.oci.ebpf.Map-Fetch-Interval: 2s
  operator: {sort: {sort: -cpuUsage}}
operator:
  ebpf: {emitstats: true}
  process.fields: [pid, comm]
programs:
  Ig_execve:
    attach_to: syscalls/sys_enter_execve
    optional: true
    alternatives: [a, b]
    when: kernel >= 5.8
  profiler:
    perf: {type: software, config: count_sw_cpu_clock, sampleType: sample_raw}
    sampler: {frequency: 99}
  later.attach_to: gadget_program_disabled
`
	want := &Metadata{
		Name: "trace thing", Description: "Traces things", HomepageURL: "https://example.org",
		DocumentationURL: "https://example.org/doc", SourceURL: "https://example.org/src",
		Annotations: map[string]string{"org.example.Vendor": "Me", AnnotationContainers: "true"},
		DataSources: map[string]DataSource{"open": {
			Name: "Open", Tags: []string{"a", "b"},
			Annotations: map[string]string{"fetch-interval": "1s", "env.fields.node": "NODE"},
			Fields: map[string]Field{
				"proc.comm": {Name: "proc.Comm", Tags: []string{"one"}, Annotations: map[string]string{
					"description": "Traces things", "template": "comm", "columns.maxwidth": "16", "columns.hidden": "true"}},
				"nothing": {Name: "nothing", Annotations: map[string]string{}},
			},
		}},
		Params: Params{
			EBPF:   map[string]Param{"targ_PID": {Key: "pid", DefaultValue: "0", Description: "the process", PossibleValues: []string{"1", "2"}}},
			WASM:   map[string]Param{"depth": {Key: "depth", Type: "int", AlternativeKey: "deep", Title: "Depth", ValueHint: "n", Alias: "d", Tags: []string{"x"}}},
			Custom: map[string]Param{"mode": {DefaultValue: "fast", PossibleValues: []string{"fast", "slow"}}},
		},
		ParamDefaults: map[string]string{"operator.oci.ebpf.map-fetch-interval": "2s", "operator.sort.sort": "-cpuUsage"},
		Operator:      map[string]string{"ebpf.emitstats": "true", "process.fields": "pid,comm"},
		Programs: map[string]Program{
			"ig_execve": {AttachTo: "syscalls/sys_enter_execve", Optional: true, Alternatives: []string{"a", "b"}, When: "kernel >= 5.8"},
			"profiler":  {Perf: map[string]string{"type": "software", "config": "count_sw_cpu_clock", "sampletype": "sample_raw"}, Frequency: 99},
			"later":     {AttachTo: ProgramDisabled},
		},
	}
	got, problems, err := ParseMetadata("gadget.yaml", []byte(src))
	if err != nil || len(problems) > 0 {
		t.Fatalf("err %v, problems %v", err, problems)
	}
	if diff := cmp.Diff(want, got, ignorePos); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := got.DataSources["open"].Fields["proc.comm"].Pos, (Pos{"gadget.yaml", 15, 7}); got != want {
		t.Errorf("position %v, want %v", got, want)
	}
}

func TestMetadataProblems(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"top level", "name: x\ndatasource:\n  a: {}\n", `2:1: error: unknown key "datasource" in gadget.yaml (did you mean "datasources"?)`},
		{"nothing near", "colour: {}\n", `1:1: error: unknown key "colour" in gadget.yaml (known are name, description,`},
		{"parameter key", "params:\n  ebpf:\n    a:\n      defaultvalue: 1\n      desciption: x\n", `5:7: error: unknown key "desciption" in parameter "a" (did you mean "description"?)`},
		{"parameter section", "params:\n  epbf: {}\n", `2:3: error: unknown key "epbf" in params (did you mean "ebpf"?)`},
		{"patch outside custom", "params:\n  ebpf:\n    a: {patch: {}}\n", `unknown key "patch" in parameter "a"`},
		{"parameter type", "params: {wasm: {a: {type: uint33}}}\n", `unknown parameter type "uint33" (did you mean "uint32"?)`},
		{"annotation typo", "datasources:\n  a:\n    fields:\n      f:\n        annotations:\n          columns.widht: 3\n", `6:11: warning: annotation "columns.widht" of field "f" has no effect (did you mean "columns.width"?)`},
		{"annotation prefix", "datasources: {a: {fields: {f: {annotations: {hidden: true}}}}}\n", `has no effect (did you mean "columns.hidden"?)`},
		{"source annotation", "datasources: {a: {annotations: {fetch-intervall: 1s}}}\n", `warning: annotation "fetch-intervall" of data source "a" has no effect (did you mean "fetch-interval"?)`},
		{"image annotation", "annotations: {enable-container-datasource: true}\n", `warning: annotation "enable-container-datasource" has no effect (did you mean "enable-containers-datasource"?)`},
		{"nested annotation", "datasources: {a: {fields: {f: {annotations: {columns: {width: 3}}}}}}\n", `error: annotation "columns" of field "f" must be text, not a map (write it as "columns.width")`},
		{"nested field", "datasources: {a: {fields: {proc: {comm: {annotations: {}}}}}}\n", `error: unknown key "comm" in field "proc" (write fields of a struct as "proc.comm")`},
		{"field key", "datasources: {a: {fields: {f: {anotations: {}}}}}\n", `unknown key "anotations" in field "f" (did you mean "annotations"?)`},
		{"source key", "datasources: {a: {field: {}}}\n", `unknown key "field" in data source "a" (did you mean "fields"?)`},
		{"template", "datasources: {a: {fields: {f: {annotations: {template: timestmp}}}}}\n", `error: unknown template "timestmp" (did you mean "timestamp"?)`},
		{"template value", "datasources: {a: {fields: {f: {annotations: {template: zzz}}}}}\n", `unknown template "zzz" (there are bytes, `},
		{"alignment", "datasources: {a: {fields: {f: {annotations: {columns.alignment: centre}}}}}\n", `error: annotation "columns.alignment" of field "f" must be one of "left", "right", not "centre"`},
		{"bool", "datasources: {a: {fields: {f: {annotations: {json.skip: maybe}}}}}\n", `must be true or false, not "maybe"`},
		{"program key", "programs: {p: {attachto: x}}\n", `unknown key "attachto" in program "p" (did you mean "attach_to"?)`},
		{"period", "programs: {p: {sampler: {period: x}}}\n", `period of program "p" must be a number above 0, not "x"`},
		{"frequency", "programs: {p: {sampler: {frequency: 0}}}\n", `frequency of program "p" must be a number above 0, not "0"`},
		{"perf key", "programs: {p: {perf: {typ: software}}}\n", `unknown key "typ" in perf of program "p" (did you mean "type"?)`},
		{"optional", "programs: {p: {optional: perhaps}}\n", `optional of program "p" must be true or false, not "perhaps"`},
		{"duplicate", "name: a\nname: b\n", `2:1: error: key "name" is in gadget.yaml twice, first in line 1`},
		{"duplicate by case", "datasources:\n  a:\n    fields:\n      F: {}\n      f: {}\n", `5:7: error: key "f" is in the fields of data source "a" twice, first in line 4`},
		{"map for text", "name: {a: b}\n", `1:7: error: name must be text, not a map`},
		{"list for map", "datasources: [a]\n", `1:14: error: datasources must be a map of keys and values, not a list`},
		{"text for file", "just text\n", `1:1: error: gadget.yaml must be a map of keys and values, not a single value`},
		{"legacy", "gadgetParams: {iface: {key: iface}}\n", `1:1: warning: gadgetParams is a key of old files and has no effect`},
		{"older legacy", "structs: {event: {fields: [{name: pid}]}}\n", `1:1: warning: structs is a key of old files and has no effect (remove it)`},
		{"documents", "name: a\n---\nname: b\n", `3:1: warning: only the first document`},
		{"broken document", "name: a\n---\nb: c: d\n", `1:1: warning: only the first document of the file is read, and the rest is broken (g.yaml:3:5: error: a second`},
		{"map key", "datasources: {[a]: b}\n", `a key in datasources must be text, not a list`},
		{"bad merge", "name: x\nprograms:\n  p:\n    <<: text\n", `what is merged into program "p" must be a map`},
		{"patch", "params: {custom: {a: {patch: text}}}\n", `patch of parameter "a" must be a map of keys and values`},
		{"custom value", "params: {custom: {a: {values: {v: {path: {}}}}}}\n", `unknown key "path" in value "v" of parameter "a" (did you mean "patch"?)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			md, problems, err := ParseMetadata("g.yaml", []byte(c.src))
			if err != nil || md == nil {
				t.Fatalf("refused: %v", err)
			}
			if len(problems) != 1 {
				t.Fatalf("want one problem, got %v", problems)
			}
			if got := problems[0].String(); !strings.HasPrefix(got, "g.yaml:") || !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMetadataFree(t *testing.T) {
	for _, src := range []string{
		"", "# nothing\n", "---\n", "~\n",
		"datasources: {a: {fields: {f: {annotations: {views.foo: 1, my.own: x, flamegraph.root: y, logs.code: z}}}}}\n",
		"datasources: {a: {annotations: {flamegraph.x: 1, kind: b, env.fields.hidden: X}}}\n",
		"DATASOURCES: {a: {FIELDS: {F: {ANNOTATIONS: {COLUMNS.WIDTH: type}}}}}\n",
		"ebpfParams: {targ_pid: {key: pid}}\n",
		"params.ebpf: {targ_pid: {key: pid}}\nparams: {wasm: {x: {key: x}}}\n",
		"operator.ebpf.emitstats: true\n",
		"params: &p {ebpf: {a: &a {key: a}, b: {<<: *a, description: d}}}\n",
		"datasources: {a: {fields: {f: }}}\n",
	} {
		if _, problems, err := ParseMetadata("g", []byte(src)); err != nil || len(problems) > 0 {
			t.Errorf("%q: err %v, problems %v", src, err, problems)
		}
	}
}

func TestLegacyAndMerge(t *testing.T) {
	md, problems, err := ParseMetadata("g", []byte(`
ebpfParams: {targ_pid: {key: pid}}
params:
  ebpf:
    a: &a {key: a, description: old}
    b: {description: new, <<: *a}
    c: {<<: [{key: c}, *a]}
`))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want := map[string]Param{
		"targ_pid": {Key: "pid"},
		"a":        {Key: "a", Description: "old"},
		"b":        {Key: "a", Description: "new"},
		"c":        {Key: "c", Description: "old"},
	}
	if diff := cmp.Diff(want, md.Params.EBPF, ignorePos); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSyntaxErrors(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += strings.ReplaceAll(string(c)+": &"+string(c)+" [*P,*P,*P,*P,*P,*P,*P,*P,*P,*P]\n", "P", string(c-1))
	}
	for _, c := range []struct{ src, want string }{
		{"a: b: c\n", `f:1:5: error: a second "key: value" where only a value may stand`},
		{"x: 1\n\n\ny: z: 2\n", `f:4:5: error: a second "key: value"`},
		{"x: 1\ny:\n\tz: 1\n", "f:3:1: error: a tab in the indentation (indent with spaces)"},
		{"a: [1, 2\nb: 3\n", "f:1:8: error: a list that begins with [ is not closed"},
		{"a: {b: 1\n", "f:1:8: error: a map that begins with { is not closed"},
		{"a: 1\nb: \"abc\nc: 1\n", "f:2:4: error: a quoted text is not closed"},
		{"programs:\n  p:\n    when: !symbol(\"x\")\n", "f:3:19: error: a value begins with !, which makes it a tag"},
		{"a:\n  - x\n b: 1\n", "f:3:2: error: the indentation fits no key above"},
		{"a: @x\n", "f:1:4: error: a value cannot begin with this character (put the value in quotes)"},
		{"x: ä\ny: [ä, *nope]\n", "f:2:8: error: an alias to an anchor that is not defined before"},
		{"a: \"\\q\"\n", "f:1:5: error: an unknown escape"},
		{"x: 1\nfoo\nb: 1\n", `f:2:1: error: a key without ":"`},
		{"- b\na: 1\n", "f:2:2: error: a list goes on"},
		{"a: \xff\n", "f:1:4: error: a byte that is not UTF-8 text"},
		{"a: \x01\n", "f:1:4: error: a control character"},
		{"x: 1\n%foo\n", "f:2:2: error: this is not YAML: "},
		{"a: &a [*a]\n", "f:1:8: error: nested more than 64 levels deep, or an alias inside"},
		{"a: &a {<<: *a}\n", "nested more than 64 levels deep"},
		{strings.Repeat("[", 20000), "error: nested too deep"},
		{strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested more than 64"},
		{bomb, "aliases make the file too large"},
		{strings.Repeat("#", MaxFile+1), "f: error: the file has 1048577 bytes"},
	} {
		md, _, err := ParseMetadata("f", []byte(c.src))
		if err == nil || md != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: got %v, want %s", c.src, err, c.want)
		}
	}
}

func FuzzParseMetadata(f *testing.F) {
	for _, s := range []string{
		"name: x\nparams: {ebpf: {a: {key: a}}}\n", "a: &a {<<: *a}\n", "? [a]\n: b\n", "datasources: {a: {fields: {f: {annotations: {columns.width: 3}}}}}",
		"params.custom.a.patch: {b: [c]}\n", "operator: {a: [b, {c: d}]}\n", "!!binary x: !!map y\n", "a: |\n b\n...\n%YAML 1.1\n---\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		md, problems, err := ParseMetadata("f", []byte(src))
		if (md == nil) != (err != nil) {
			t.Fatalf("metadata %v with error %v", md, err)
		}
		for _, p := range problems {
			if p.Message == "" || p.Pos.File != "f" || p.Pos.Line < 1 {
				t.Fatalf("problem without message or place: %+v", p)
			}
		}
		if err != nil && strings.Contains(err.Error(), "yaml.") {
			t.Fatalf("a name of the parser in: %v", err)
		}
	})
}
