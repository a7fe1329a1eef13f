package schemas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func TestInsert(t *testing.T) {
	add := func(path, value string) Addition { return Addition{strings.Split(path, "/"), value} }
	for _, tt := range []struct {
		name, src string
		additions []Addition
		want      string
	}{
		{"empty", "", []Addition{add("a/b", "c"), add("a/d", "yes"), add("e", "1: 2")}, "a:\n  b: c\n  d: \"yes\"\ne: '1: 2'\n"},
		{"only a comment", "# mine\n", []Addition{add("a", "b")}, "# mine\na: b\n"},
		{"no line break at the end", "a: b", []Addition{add("c", "d")}, "a: b\nc: d\n"},
		{"there already, in other letters", "Name: x\n", []Addition{add("name", "y")}, "Name: x\n"},
		{"a key without a value", "fields:\n# about z\nz: 1\n", []Addition{add("fields/a/b", "c")}, "fields:\n  a:\n    b: c\n# about z\nz: 1\n"},
		{"comments, blank lines, order, unknown keys",
			"# top\nz: {x: 1}  # flow\n\nsources:\n    # first\n    exec:\n        fields:\n            a: {}\n\n            # about b\n            b: |\n              text\n\n              more\n    # after\n\n# about unknown\nunknown: [1, 2]\n",
			[]Addition{add("sources/exec/fields/c/d", "e"), add("sources/open", "f"), add("unknown2", "g")},
			"# top\nz: {x: 1}  # flow\n\nsources:\n    # first\n    exec:\n        fields:\n            a: {}\n\n            # about b\n            b: |\n              text\n\n              more\n            c:\n                d: e\n    open: f\n    # after\n\n# about unknown\nunknown: [1, 2]\nunknown2: g\n"},
		{"windows", "a:\r\n  b: c\r\n", []Addition{add("a/d", "e")}, "a:\r\n  b: c\r\n  d: e\n"},
		{"end of document", "a: b\n...\n", []Addition{add("c", "d")}, "a: b\nc: d\n...\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Insert("gadget.yaml", []byte(tt.src), tt.additions)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, tt := range []struct{ src, want string }{
		{"a: {b: c}\n", `gadget.yaml:1:4: error: "d" cannot be added to a map in braces (write it with one key a line)`},
		{"a: text\n", `gadget.yaml:1:4: error: a is a single value, not a map of keys and values`},
		{"- a\n", `gadget.yaml:1:1: error: the file is no map of keys and values`},
	} {
		if _, err := Insert("gadget.yaml", []byte(tt.src), []Addition{add("a/d", "e")}); err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.src, err, tt.want)
		}
	}
}

// FuzzInsert checks that whatever is added is there afterwards, with all that was
// there before, or else nothing is changed.
func FuzzInsert(f *testing.F) {
	f.Add("a:\n  b: c\n# x\nd: |\n  text\n", "a", "z", "value")
	f.Add("a: &x {b: c}\n<<: *x\n", "a", "b", "")
	f.Add("? a\n: b\n\"q\": 'r\n s'\n", "q", "z", "\x00")
	f.Fuzz(func(t *testing.T, src, key, sub, value string) {
		got, err := Insert("f", []byte(src), []Addition{{[]string{key, sub}, value}})
		if err != nil {
			return
		}
		var before, after any
		if yaml.Unmarshal([]byte(src), &before) != nil {
			return
		}
		if err := yaml.Unmarshal(got, &after); err != nil {
			t.Fatalf("%v in %q", err, got)
		}
		if !within(before, after) {
			t.Errorf("%q became %q", src, got)
		}
	})
}
