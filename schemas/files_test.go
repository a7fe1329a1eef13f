package schemas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNearest(t *testing.T) {
	fields := []string{"proc.comm", "proc.pid", "fname", "timestamp", "error", "k8s.podName"}
	for _, c := range []struct{ name, want string }{
		{"fnam", "fname"},
		{"FNAME", "fname"},
		{"timestmap", "timestamp"},
		{"proc.cmm", "proc.comm"},
		{"poc.comm", "proc.comm"},
		{"comm", "proc.comm"},
		{"podname", "k8s.podName"},
		{"errno", "error"},
		{"x", ""},
		{"", ""},
		{"pid", "proc.pid"},
		{"completely", ""},
		{strings.Repeat("fname", 1000), ""},
	} {
		if got := Nearest(c.name, fields); got != c.want {
			t.Errorf("Nearest(%.20q) = %q, want %q", c.name, got, c.want)
		}
	}
	if got := Nearest("logs.code", []string{"logs.body"}); got != "" {
		t.Errorf("two of four letters are not near, got %q", got)
	}
	if got := DidYouMean("tiemout", []string{"output", "timeout"}); got != `did you mean "timeout"?` {
		t.Errorf("got %q", got)
	}
}

func TestParseBuild(t *testing.T) {
	b, problems, err := ParseBuild("build.yaml", []byte("EBPFsource: src/x.bpf.c\nwasm: go/program.go\n"))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want := Build{
		EBPFSource: "src/x.bpf.c", EBPFSourcePos: Pos{"build.yaml", 1, 13},
		WASM: "go/program.go", WASMPos: Pos{"build.yaml", 2, 7},
		Metadata: DefaultMetadataFile,
	}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b, _, err := ParseBuild("b", nil); err != nil || b != DefaultBuild() {
		t.Errorf("empty file: %+v, %v", b, err)
	}
	_, problems, _ = ParseBuild("b", []byte("ebpfsorce: a.c\n"))
	if got := Refusal(problems, false); got == nil || got.Error() != `b:1:1: error: unknown key "ebpfsorce" in build.yaml (did you mean "ebpfsource"?)` {
		t.Errorf("got %v", got)
	}
	if _, _, err := ParseBuild("b", []byte("a: b: c")); err == nil {
		t.Error("broken YAML was taken")
	}
}

func TestParseInstances(t *testing.T) {
	got, problems, err := ParseInstances("f", []byte(`# runs
---
apiVersion: 1
kind: instance-spec
image: trace_open
id: 0123456789abcdef0123456789abcdef
name: opens
tags: [a, b]
nodes: [n]
paramValues: {operator.oci.ebpf.Failed: true, pid: 12}
---
apiVersion: 1
kind: instance-spec
image: trace_exec
`))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want := []Instance{
		{Image: "trace_open", ID: "0123456789abcdef0123456789abcdef", Name: "opens", Tags: []string{"a", "b"}, Nodes: []string{"n"},
			ParamValues: map[string]string{"operator.oci.ebpf.Failed": "true", "pid": "12"}},
		{Image: "trace_exec", ParamValues: map[string]string{}},
	}
	if diff := cmp.Diff(want, got, ignorePos); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for src, want := range map[string]string{
		"":                              "f: error: the file has no instance-spec",
		"kind: instance-spec\nimage: x": "f:1:1: error: the instance-spec has no apiVersion",
		"apiVersion: 1\nkind: instance-spec\nimage: x\nname: A B":    `f:4:7: error: name must be 1 to 32 of a-z 0-9 - _, not "A B"`,
		"apiVersion: 1\nkind: instance-spec\nimage: x\nparams: {}":   `unknown key "params" in the instance-spec`,
		"apiVersion: 1\nkind: instance-specs\nimage: x\n":            `kind must be instance-spec, not "instance-specs"`,
		"apiVersion: 1\nkind: instance-spec\nimage: x\nid: \"12\"\n": `id must be 32 digits of 0-9 a-f, not "12"`,
	} {
		_, problems, err := ParseInstances("f", []byte(src))
		if refusal := Refusal(problems, false); err != nil || refusal == nil || !strings.Contains(refusal.Error(), want) {
			t.Errorf("%q: got %v %v, want %s", src, refusal, err, want)
		}
	}
	if _, _, err := ParseInstances("f", []byte("a: 1\n---\nb: c: d\n")); err == nil || !strings.HasPrefix(err.Error(), "f:3:5: error") {
		t.Errorf("broken second document: %v", err)
	}
}

func TestParseConfig(t *testing.T) {
	c, problems, err := ParseConfig("c.yaml", []byte("verbose: true\nrun:\n  output: json\n  container: [web, db]\n  none:\nother: x\n"))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want := []ConfigEntry{
		{"verbose", "true", Pos{"c.yaml", 1, 1}},
		{"run.output", "json", Pos{"c.yaml", 3, 3}},
		{"run.container", "web", Pos{"c.yaml", 4, 3}},
		{"run.container", "db", Pos{"c.yaml", 4, 3}},
		{"other", "x", Pos{"c.yaml", 6, 1}},
	}
	if diff := cmp.Diff(want, c.Entries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := c.Check([]string{"verbose", "run.output", "run.container", "other"}); got != nil {
		t.Errorf("all keys are known, got %v", got)
	}
	got := Refusal(c.Check([]string{"verbose", "run.outputs", "run.containers", "run.other"}), false).Error()
	wantText := `c.yaml:3:3: error: unknown key "run.output" in the configuration (did you mean "run.outputs"?)
c.yaml:4:3: error: unknown key "run.container" in the configuration (did you mean "run.containers"?)
c.yaml:6:1: error: unknown key "other" in the configuration (did you mean "run.other"?)`
	if diff := cmp.Diff(wantText, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, problems, _ := ParseConfig("c", []byte("run: {a: {b: c}}\n")); Refusal(problems, false) == nil {
		t.Error("a map below a map was taken")
	}
}

func TestProblemText(t *testing.T) {
	p := Problem{Error, Pos{"a.yaml", 3, 7}, "unknown key", "look"}
	if got, want := p.String(), "a.yaml:3:7: error: unknown key (look)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (Problem{Message: "odd"}).String(), "warning: odd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Pos{Line: 3}).String(); got != "3" {
		t.Errorf("got %q", got)
	}
	if Refusal([]Problem{{Message: "odd"}}, false) != nil {
		t.Error("a warning refused")
	}
	if Refusal([]Problem{{Message: "odd"}}, true) == nil {
		t.Error("strict let a warning pass")
	}
}

func TestTemplates(t *testing.T) {
	if Template("nothing") != nil {
		t.Error("a template that does not exist")
	}
	for _, name := range Templates() {
		for key, value := range Template(name) {
			rule, known := fieldAnnotations[key]
			if !known || rule.check != nil && !rule.check(value) {
				t.Errorf("template %s sets %s to %q, which a gadget.yaml could not", name, key, value)
			}
		}
	}
	changed := Template("pid")
	changed["columns.hidden"] = "true"
	if _, hidden := Template("pid")["columns.hidden"]; hidden {
		t.Error("a caller can change a template")
	}
}

func FuzzParseOthers(f *testing.F) {
	f.Add("apiVersion: 1\nkind: instance-spec\nimage: x\n---\n")
	f.Add("run: {a: [b, c]}\n")
	f.Add("wasm: x\n")
	f.Fuzz(func(t *testing.T, src string) {
		for _, name := range []SchemaName{BuildSchema, InstanceSpecSchema, ConfigSchema} {
			problems, err := parserProblems(name, "f", []byte(src))
			for _, p := range problems {
				if p.Message == "" || p.Pos.File != "f" {
					t.Fatalf("problem without message or file: %+v", p)
				}
			}
			if err != nil && strings.Contains(err.Error(), "yaml.") {
				t.Fatalf("a name of the parser in: %v", err)
			}
		}
	})
}

func TestParseTests(t *testing.T) {
	tests, problems, err := ParseTests("t.yaml", []byte(`tests:
- name: one
  params: {failed: true, n: 3}
  host: false
  container: web
  filter: fd > 3
  setup: before
  workload: while
  timeout: 1.5s
  ordered: true
  expect:
  - source: open
    event: {proc: {comm: sh, pid: 7}, fd: '>3', ok: true}
    count: 2..
  - event: {}
    count: 0
- name: two
  expect: [{event: {a: "b"}}]
`))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want := []Test{
		{Name: "one", Params: map[string]string{"failed": "true", "n": "3"}, Container: "web", Filter: "fd > 3", Setup: "before",
			Workload: "while", Timeout: 1500 * time.Millisecond, Ordered: true, Pos: Pos{"t.yaml", 2, 3}, Expect: []Expectation{
				{Source: "open", Event: map[string]string{"proc.comm": "sh", "proc.pid": "7", "fd": ">3", "ok": "true"}, Min: 2, Max: -1, Pos: Pos{"t.yaml", 12, 5}},
				{Event: map[string]string{}, Min: 0, Max: 0, Pos: Pos{"t.yaml", 15, 5}},
			}},
		{Name: "two", Params: map[string]string{}, Host: true, Timeout: DefaultTestTimeout, Pos: Pos{"t.yaml", 17, 3},
			Expect: []Expectation{{Event: map[string]string{"a": "b"}, Min: 1, Max: -1, Pos: Pos{"t.yaml", 18, 12}}}},
	}
	if diff := cmp.Diff(want, tests); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for src, want := range map[string]string{
		"":                        "the file has no tests",
		"tests: {}":               "tests must be a list, not a map",
		"tests: [{name: x}]":      "the test expects nothing",
		"tests: [{expect: [{}]}]": "the test has no name",
		"test: []":                `did you mean "tests"?`,
		"tests: [{name: x, expect: [{event: {a: ~[}}]}]":   "",
		"tests: [{name: x, expect: [{event: {a: '~['}}]}]": `"[" is no regular expression`,
		"tests: [{name: x, timeout: soon, expect: [{}]}]":  `timeout must be a time such as 5s, not "soon"`,
		"tests: [{name: x, expect: [{count: few}]}]":       "count must be a number, or a range",
	} {
		_, problems, err := ParseTests("t.yaml", []byte(src))
		text := fmt.Sprint(problems, err)
		if want != "" && !strings.Contains(text, want) {
			t.Errorf("%q: %s, want %s", src, text, want)
		}
	}
}
