package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/schemas"
)

// node is a part of a JSON Schema.
type node struct {
	Ref         string          `json:"$ref"`
	Description string          `json:"description"`
	Deprecated  bool            `json:"deprecated"`
	Enum        []any           `json:"enum"`
	Properties  map[string]node `json:"properties"`
	Additional  json.RawMessage `json:"additionalProperties"`
	Defs        map[string]node `json:"$defs"`
}

// values are what stands for the values of a definition.
var values = map[string]string{
	"text": "text", "list": "list of texts", "texts": "texts by name", "flag": "true, false", "positive": "number, 1 or more",
	"whole": "number", "width": "number, `type`", "interval": "time: 500ms, 2s, 0", "paramType": "bool, string, uint32, …",
}

// keyTable lists all keys below a node, a row each.
func keyTable(t *testing.T, b *bytes.Buffer, defs map[string]node, path string, n node) {
	if name, ok := strings.CutPrefix(n.Ref, "#/$defs/"); ok && values[name] == "" {
		about := n.Description
		if n = defs[name]; n.Description == "" {
			n.Description = about
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.Properties)) {
		child := n.Properties[key]
		if child.Deprecated {
			continue
		}
		full := strings.TrimPrefix(path+"."+key, ".")
		row(t, b, defs, full, child)
		keyTable(t, b, defs, full, child)
	}
	var more node
	if json.Unmarshal(n.Additional, &more) == nil && (more.Ref != "" || more.Properties != nil) && values[strings.TrimPrefix(more.Ref, "#/$defs/")] == "" {
		keyTable(t, b, defs, path+".NAME", more)
	}
}

func row(t *testing.T, b *bytes.Buffer, defs map[string]node, path string, n node) {
	kind := values[strings.TrimPrefix(n.Ref, "#/$defs/")]
	if len(n.Enum) > 0 {
		var words []string
		for _, v := range n.Enum {
			if s, ok := v.(string); ok && s != "" {
				words = append(words, "`"+s+"`")
			}
		}
		kind = strings.Join(words, " ")
	}
	if kind == "" {
		return // what is below it says enough
	}
	if n.Description == "" {
		t.Errorf("%s has no description in the JSON Schema", path)
	}
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", path, kind, n.Description)
}

// TestSchema checks that the list of keys in gadget-yaml.md is that of the schema.
func TestSchema(t *testing.T) {
	const page, begin, end = "gadget-yaml.md", "<!-- keys -->\n", "<!-- end of keys -->\n"
	var root node
	if err := json.Unmarshal(schemas.Schema(schemas.GadgetSchema), &root); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("| key | value | |\n| --- | --- | --- |\n")
	keyTable(t, &b, root.Defs, "", root)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no marks %q and %q", page, begin, end)
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is not what the JSON Schema says: run make docs", page)
	}
}
