package view

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func TestSafe(t *testing.T) {
	const nasty = "a\x1b[2J\u202eb\nc\td"
	if got, want := Safe(nasty), `a\x1b[2J\u202eb\nc\td`; got != want {
		t.Errorf("Safe(%q) = %q, want %q", nasty, got, want)
	}
	if got, want := SafeText(nasty), "a\\x1b[2J\\u202eb\nc\td"; got != want {
		t.Errorf("SafeText(%q) = %q, want %q", nasty, got, want)
	}
}

func TestTable(t *testing.T) {
	table := Table{Titles: []string{"name", "size"}, Right: map[int]bool{1: true}}
	table.Row("größe", "1")
	table.Row("a\x1bb", "1234567")
	table.Row("only")
	tests := []struct {
		name string
		term Terminal
		want string
	}{
		{"pipe", Terminal{}, "NAME       SIZE\n" + "größe         1\n" + "a\\x1bb  1234567\n" + "only\n"},
		{"narrow", Terminal{Width: 10}, "NAME     …\n" + "größe    …\n" + "a\\x1bb  1…\n" + "only\n"},
		{"colour", Terminal{Color: true}, "\x1b[1mNAME       SIZE\x1b[0m\n" + "größe         1\n" + "a\\x1bb  1234567\n" + "only\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := table.Write(&b, tt.term); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		name, color string
		env         map[string]string
		want        bool
	}{
		{"a file", "auto", nil, false},
		{"forced", "always", nil, true},
		{"forced against NO_COLOR", "always", map[string]string{"NO_COLOR": "1"}, true},
		{"CLICOLOR_FORCE", "auto", map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{"CLICOLOR_FORCE=0", "auto", map[string]string{"CLICOLOR_FORCE": "0"}, false},
		{"NO_COLOR wins", "auto", map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
		{"never", "never", map[string]string{"CLICOLOR_FORCE": "1"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Detect(io.Discard, tt.color, func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok })
			if got.Color != tt.want || got.Width != 0 {
				t.Errorf("got %+v, want colour %v and no width", got, tt.want)
			}
		})
	}
}

// yamlTwin has every shape that results have.
type yamlTwin struct {
	Name  string            `json:"name"`
	N     uint64            `json:"n"`
	Yes   bool              `json:"yes"`
	None  []string          `json:"none"`
	Empty map[string]int    `json:"empty"`
	List  []string          `json:"list"`
	Deep  []map[string]any  `json:"deep"`
	Map   map[string]string `json:"map"`
}

func TestWriteYAML(t *testing.T) {
	value := yamlTwin{
		Name: "plain text", N: 1<<64 - 1, Yes: true, None: []string{}, Empty: map[string]int{},
		List: []string{"true", "1e3", "- x", "a: b", "", " lead", "~", "#c", "line\nline", "é", "null", "No", "0x1f", "sha256:12"},
		Deep: []map[string]any{{"a": 1, "b": []int{1, 2}}, {"c": map[string]any{"d": nil}}, {}},
		Map:  map[string]string{"key with: colon": "v", "yes": "w"},
	}
	var b bytes.Buffer
	if err := WriteYAML(&b, value); err != nil {
		t.Fatal(err)
	}
	sameAsJSON(t, value, b.Bytes())
	if want := "name: plain text\n\"n\": 18446744073709551615\n"; !strings.HasPrefix(b.String(), want) {
		t.Errorf("got\n%s\nwant it to begin\n%s", b.String(), want)
	}
}

func FuzzWriteYAML(f *testing.F) {
	for _, s := range []string{"a", "1", "y", "-", "? x", "a #b", "\x00", "\u0085", "\ufeff", "'", `"`, "\\", "!x", "%", "@", "`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			t.Skip("JSON has no bytes that are not UTF-8")
		}
		value := map[string]any{"k": s, "l": []any{s, map[string]any{"k": s}}}
		var b bytes.Buffer
		if err := WriteYAML(&b, value); err != nil {
			t.Fatal(err)
		}
		sameAsJSON(t, value, b.Bytes())
	})
}

// sameAsJSON fails unless the YAML text says the same as the JSON form of value.
func sameAsJSON(t *testing.T, value any, text []byte) {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := yaml.Unmarshal(raw, &want); err != nil {
		t.Skipf("JSON that is no YAML: %v", err)
	}
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-JSON +YAML)\n%s\n%s", diff, text)
	}
}
