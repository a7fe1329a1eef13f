package gadgettest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gadget-bpf/gadget/internal/event"
)

// CheckSchema fails the test for each line of a data source's JSON that its schema
// does not allow.
func CheckSchema(t testing.TB, l *event.Layout, o event.JSONOptions, text []byte) {
	t.Helper()
	schema, err := json.Marshal(event.NewSchema(l, o))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("events.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("events.json")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = compiled.Validate(v)
		}
		if err != nil {
			t.Fatalf("%s: %v: %.2000s", l.Name, err, line)
		}
	}
}
