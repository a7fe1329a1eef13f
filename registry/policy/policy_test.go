package policy

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/schemas"
)

const text = `policy:
- images: ghcr.io/acme/evil
  allow: never
- images: [ghcr.io/acme/*, "localhost:5000/*"]
  keys: [a.pub, b.pub]
- images: trace_open:v1
  allow: always
- images: me/tool@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  allow: always
`

func parse(t *testing.T, text string) (*Policy, []schemas.Problem) {
	t.Helper()
	config, problems, err := schemas.ParseConfig("config.yaml", []byte(text))
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return New(*config.Policy)
}

func TestDecide(t *testing.T) {
	p, problems := parse(t, text)
	if problems != nil {
		t.Fatal(problems)
	}
	empty, other := digest.FromString(""), digest.FromString("other")
	tests := []struct {
		name string
		d    digest.Digest
		want string
		line int
	}{
		{"ghcr.io/acme/evil:v3", other, "never", 2}, // the first rule that fits
		{"ghcr.io/acme/tool:v1", other, "signed", 4},
		{"ghcr.io/acme/deep/tool", other, "signed", 4},
		{"ghcr.io/acme-evil/tool", other, "never", 1},
		{"localhost:5000/x", other, "signed", 4},
		{"trace_open:v1", other, "always", 6},
		{"trace_open", other, "never", 1},
		{"trace_open@" + other.String(), other, "never", 1},
		{"me/tool", empty, "always", 8},
		{"me/tool:v7", empty, "always", 8},
		{"me/tool", other, "never", 1},
		{"you/tool", empty, "never", 1},
		{"", other, "never", 1},
	}
	for _, tt := range tests {
		var ref registry.Reference
		if tt.name != "" {
			var err error
			if ref, err = registry.ParseReference(tt.name); err != nil {
				t.Fatal(err)
			}
		}
		v := p.Decide(ref, tt.d)
		if v.Allow != tt.want || v.Pos.Line != tt.line || v.Fits != (tt.line > 1) {
			t.Errorf("%s: %+v, want %s by line %d", tt.name, v, tt.want, tt.line)
		}
		if v.Allow == "signed" && strings.Join(v.Keys, " ") != "a.pub b.pub" {
			t.Errorf("%s: keys %v", tt.name, v.Keys)
		}
	}
	if got := strings.Join(p.Keys(), " "); got != "a.pub b.pub" {
		t.Errorf("keys %s", got)
	}
	everything, _ := parse(t, "policy: [{images: '*', allow: always}]")
	if v := everything.Decide(registry.Reference{}, other); v.Allow != "always" {
		t.Errorf("an image without a name: %+v", v)
	}
}

func TestBadPatterns(t *testing.T) {
	for text, want := range map[string]string{
		"a*b":       "at the end only",
		"ghcr.io/A": "lower case",
		"''":        "empty",
	} {
		p, problems := parse(t, "policy:\n- images: "+text+"\n  allow: always\n")
		if p != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), want) || problems[0].Pos.Line != 2 {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
