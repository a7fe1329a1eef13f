package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func TestYAML(t *testing.T) {
	b := small()
	want := `---
a:
  a: "q\"\\\n\u0001` + "\ufffd" + `\u202e"
  b:
    c: true
    d: 200
both:
  kid: 1
bytes: "00abff"
list: [1,2,65535]
octets: [7,8]
twice: 1
z: -3
`
	if diff := cmp.Diff(want+want, encode(NewYAML(&b.layout, nil), b.record(), b.record())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := encode(NewYAML(&Layout{}, nil), &Record{}); got != "---\n{}\n" {
		t.Errorf("no fields: %q", got)
	}
}

// readBack checks that a YAML document says what the JSON of the same record does.
func readBack(t *testing.T, l *Layout, rec *Record) {
	t.Helper()
	var fromJSON, fromYAML any
	line := encode(NewJSON(l, testEnv, JSONOptions{Lines: true}), rec)
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&fromJSON); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	text := encode(NewYAML(l, testEnv), rec)
	if err := yaml.Unmarshal([]byte(text), &fromYAML); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	// Both through JSON again: numbers get one form.
	if diff := cmp.Diff(normal(t, fromJSON), normal(t, fromYAML)); diff != "" {
		t.Errorf("-json +yaml\n%s\n%s", diff, text)
	}
}

func normal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var floats any
	if err := json.Unmarshal(text, &floats); err != nil {
		t.Fatal(err)
	}
	text, err = json.Marshal(floats)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestYAMLReadsBack(t *testing.T) {
	open := traceOpen()
	readBack(t, &open.layout, open.record())
	for _, text := range []string{
		"", "plain", "two words", " lead", "trail ", "a: b", "a #b", "#c", "- x", "? x", "null", "~", "True", "YES", "oN",
		"n", "0x1f", "1_000", "1e3", ".inf", ".NaN", "-.inf", "12:30:45", "2026-11-22", "2026-11-22T04:17:49.668141664Z",
		"<<", "=", "!tag", "&a", "*a", "|", ">", "%d", "@x", "`x", "{}", "[]", "a,b", "'q'", `"q"`, `back\slash`, "tab\there",
		"line\nfeed", "\r\n", "\x00", "nel\u0085", "\u2028\u2029", "\ufeff", "\ufffe\uffff", "\U000e0001", "日本", "😀", "\xff\xfe",
		"---", "...", "/dev/null", "O_RDONLY|O_CLOEXEC", "e+1", "y", "0o17", "+1", "a\x7f", "infinity", "nan",
	} {
		b := &builder{layout: Layout{}}
		b.add("v", RestString, 0, "")
		b.raw = append(b.raw, text...)
		b.add("key."+text, Uint8, 0, 0)
		readBack(t, &b.layout, b.record())
	}
}

func TestYAMLLongKey(t *testing.T) {
	long := strings.Repeat("k", 1500)
	b := &builder{}
	b.add("a."+long, Uint8, 1, 1)
	b.add(long+".b."+long, Uint8, 1, 2)
	readBack(t, &b.layout, b.record())
	if text := encode(NewYAML(&b.layout, nil), b.record()); !bytes.Contains([]byte(text), []byte("? "+long)) {
		t.Error(text)
	}
}
