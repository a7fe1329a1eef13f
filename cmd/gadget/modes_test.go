package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
)

func sourceWith(name, supported, byDefault string) *plan.Source {
	annotations := map[string]string{}
	if supported != "" {
		annotations["cli.supported-output-modes"] = supported
	}
	if byDefault != "" {
		annotations["cli.default-output-mode"] = byDefault
	}
	return &plan.Source{Name: name, Layout: &event.Layout{Name: name, Annotations: annotations}}
}

func TestModesOf(t *testing.T) {
	for _, tt := range []struct {
		name, supported, byDefault string
		want                       []string
		shown                      bool
	}{
		{"nothing said", "", "", outputFormats, true},
		{"more", "columns, histogram", "", []string{"columns", "json", "jsonl", "jsonpretty", "yaml", "none", "histogram"}, true},
		{"without columns", "advise,json", "", []string{"advise", "json", "jsonl", "jsonpretty", "yaml", "none"}, true},
		{"another default", "", "json", []string{"json", "columns", "jsonl", "jsonpretty", "yaml", "none"}, true},
		{"a default of its own", "", "histogram", []string{"histogram", "columns", "json", "jsonl", "jsonpretty", "yaml", "none"}, true},
		{"hidden", "", "none", outputFormats, false},
		{"hidden, without columns", "json", "none", []string{"json", "jsonl", "jsonpretty", "yaml", "none"}, false},
		{"what is not written", "columns,pcap-ng", "pcap-ng", outputFormats, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			modes, shown := modesOf(sourceWith("s", tt.supported, tt.byDefault))
			if diff := cmp.Diff(tt.want, modes); diff != "" || shown != tt.shown {
				t.Errorf("shown %v, want %v; modes (-want +got):\n%s", shown, tt.shown, diff)
			}
		})
	}
}

// A mode without a name counts for the data sources that have it and are shown.
func TestMode(t *testing.T) {
	plain, hidden, drawn := sourceWith("plain", "", ""), sourceWith("hidden", "", "none"), sourceWith("drawn", "histogram", "")
	all, secret := &gadget{plan: &plan.Plan{Sources: []*plan.Source{plain, hidden, drawn}}}, &gadget{plan: &plan.Plan{Sources: []*plan.Source{hidden}}}
	for _, tt := range []struct {
		flag string
		g    *gadget
		want map[string]string
	}{
		{"", all, map[string]string{"plain": "columns", "hidden": "none", "drawn": "histogram"}},
		{"json", all, map[string]string{"plain": "json", "hidden": "none", "drawn": "json"}},
		{"columns", all, map[string]string{"plain": "columns", "hidden": "none", "drawn": "histogram"}},
		{"histogram", all, map[string]string{"plain": "columns", "hidden": "none", "drawn": "histogram"}},
		{"none", all, map[string]string{"plain": "none", "hidden": "none", "drawn": "none"}},
		{"hidden:json,yaml", all, map[string]string{"plain": "yaml", "hidden": "json", "drawn": "yaml"}},
		{"", secret, map[string]string{"hidden": "none"}},
		{"json", secret, map[string]string{"hidden": "json"}},
	} {
		o := &showOptions{output: perSource{separator: ","}, allHidden: tt.g.allHidden()}
		if err := o.output.Set(tt.flag); err != nil {
			t.Fatal(err)
		}
		for _, s := range tt.g.plan.Sources {
			if got := o.mode(s); got != tt.want[s.Name] {
				t.Errorf("-o %q shows %s as %s, want %s", tt.flag, s.Name, got, tt.want[s.Name])
			}
		}
	}
}

func TestAnnotations(t *testing.T) {
	var l annotations
	for _, s := range []string{"a:k=v", "a.f.g:columns.width=3,b:cli.supported-output-modes=x,y,b.f:d=one, two: three", "b:e="} {
		if err := l.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	want := annotations{
		{"a", "", "k", "v"}, {"a", "f.g", "columns.width", "3"}, {"b", "", "cli.supported-output-modes", "x,y"},
		{"b", "f", "d", "one, two: three"}, {"b", "", "e", ""},
	}
	if diff := cmp.Diff(want, l, cmp.AllowUnexported(annotation{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range []string{"", "a", "a:b", "a=b", "x,a:k=v", ":k=v"} {
		if err := new(annotations).Set(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}

func TestTextList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, []byte("c\n d, e\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var split, whole []string
	for _, s := range []string{"a, b", "@" + file} {
		if err := words(&split).Set(s); err != nil {
			t.Error(err)
		}
		if err := texts(&whole).Set(s); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, split); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a, b", "c\n d, e"}, whole); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if err := words(&split).Set(""); err != nil || len(split) != 0 {
		t.Errorf("nothing leaves %v, %v", split, err)
	}
}
