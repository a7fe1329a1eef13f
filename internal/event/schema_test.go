package event

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileSchema compiles a schema with a library that knows nothing of ours.
func compileSchema(t *testing.T, s *Schema) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("event.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("event.json")
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return compiled
}

// What is said of a struct lands at the object that it is in JSON.
func TestSchemaGroups(t *testing.T) {
	l := &Layout{
		Fields: []Field{{Name: "a.b.c", Kind: Uint8, Size: 1, Description: "leaf"}},
		Groups: map[string]string{"a.b": "twig", "nowhere.else": "nothing"},
	}
	s := NewSchema(l, JSONOptions{})
	if got := s.at("a.b").Description; got != "twig" {
		t.Errorf("a.b is %q", got)
	}
	if s.at("a").Description != "" || len(s.Properties) != 1 {
		t.Errorf("more is described than there is: %+v", s.at("a"))
	}
}

// FuzzSchema checks that the schema of any layout is one, and that the JSON of any
// records of it is what the schema says.
func FuzzSchema(f *testing.F) {
	f.Add(uint64(1), "a,b,c d", []byte("some text\x00 with \x1b[2J \xff and \xe6\x97\xa5\xe6\x9c\xac, \xe2\x80\xae"))
	f.Add(uint64(2), "proc,comm,é,\x1b,: #", bytes.Repeat([]byte{0, 1, 2, 0xff, 0x80}, 60))
	f.Fuzz(func(t *testing.T, seed uint64, names string, data []byte) {
		if len(names) > 50 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		l, recs := randomLayout(r, names), randomRecords(r, data)
		o := JSONOptions{Lines: seed%2 == 0}
		schema, text := compileSchema(t, NewSchema(l, o)), encode(NewJSON(l, testEnv, o), recs...)
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		for d.More() {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			if err := schema.Validate(v); err != nil {
				t.Errorf("%v in %s", err, text)
			}
		}
	})
}

// TestSchemaRefuses checks that a schema says no to what is no event.
func TestSchemaRefuses(t *testing.T) {
	l := &Layout{Fields: []Field{
		{Name: "pid", Kind: Uint32, Size: 4}, {Name: "comm", Kind: CString, Size: 16}, {Name: "hash", Kind: Bytes, Size: 2},
		{Name: "slots", Kind: Int8, Size: 3, Count: 3},
	}}
	schema := compileSchema(t, NewSchema(l, JSONOptions{}))
	good := `{"pid":4294967295,"comm":"sh","hash":"00ff","slots":[-128,127,0]}`
	for _, change := range [][2]string{
		{"", ""}, {"4294967295", "4294967296"}, {"4294967295", "-1"}, {"4294967295", `"1"`}, {`"comm":"sh",`, ""}, {`"sh"`, "1"},
		{"00ff", "0x"}, {"-128", "-129"}, {",0]", ",0,0]"}, {`"pid"`, `"tid":1,"pid"`},
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(good, change[0], change[1], 1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); (err == nil) != (change[0] == "") {
			t.Errorf("%q for %q: %v", change[1], change[0], err)
		}
	}
}
