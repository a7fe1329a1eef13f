package container

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
)

// What has no name is chosen by no pattern, and excluded by none.
func TestSelectorWithoutNames(t *testing.T) {
	bare := &event.Container{Runtime: "docker", ID: hex, Name: "web"}
	for _, p := range []struct {
		pattern string
		want    bool
	}{{"*", false}, {"cart", false}, {"!cart", true}, {"!*", true}} {
		if s := (Selector{Pod: Patterns{p.pattern}}); s.Match(bare) != p.want {
			t.Errorf("a container in no pod matches pod %q: %v", p.pattern, !p.want)
		}
	}
	if s := (Selector{None: true, Name: Patterns{"web"}}); s.Match(bare) || s.Empty() {
		t.Error("a selector of none matches")
	}
}

func TestParseDigests(t *testing.T) {
	for _, bad := range []string{"", "abc", "sha256:", "sha256:0123456789aX", "0123456789ab,x"} {
		if d, err := ParseDigests(bad); err == nil {
			t.Errorf("%q: %v", bad, d)
		}
	}
}

func TestSelectorMatch(t *testing.T) {
	const digest = "8f4e3a6d9c2b1f0e5d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
	web := &event.Container{
		Runtime: "docker", ID: hex, Name: "web-1", Image: "registry.example/shop/web:2",
		Namespace: "shop", Pod: "cart-7f", PodContainer: "web",
		Labels: map[string]string{"app": "shop", "tier": "front"}, ImageDigest: "sha256:" + digest,
	}
	digests := func(list string) Digests {
		d, err := ParseDigests(list)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	tests := []struct {
		name     string
		selector Selector
		want     bool
	}{
		{"nothing asked", Selector{}, true},
		{"name", Selector{Name: Patterns{"web-1"}}, true},
		{"another name", Selector{Name: Patterns{"web"}}, false},
		{"one of two names", Selector{Name: Patterns{"db", "web-1"}}, true},
		{"glob", Selector{Name: Patterns{"web-*"}}, true},
		{"question mark", Selector{Name: Patterns{"web-?"}}, true},
		{"id", Selector{Name: Patterns{hex}}, true},
		{"short id", Selector{Name: Patterns{hex[:12]}}, true},
		{"beginning of an id", Selector{Name: Patterns{hex[:6]}}, true},
		{"too little of an id", Selector{Name: Patterns{hex[:5]}}, false},
		{"end of an id", Selector{Name: Patterns{hex[58:]}}, false},
		{"glob of an id", Selector{Name: Patterns{hex[:3] + "*"}}, true},
		{"excluded by id", Selector{Name: Patterns{"!" + hex[:8]}}, false},
		{"digest", Selector{Digest: digests("sha256:" + digest)}, true},
		{"short digest", Selector{Digest: digests(digest[:12])}, true},
		{"digest that begins alike", Selector{Digest: digests(digest[:12] + "0000")}, true},
		{"another digest", Selector{Digest: digests(digest[1:13])}, false},
		{"excluded digest", Selector{Digest: digests("!" + digest)}, false},
		{"excluded", Selector{Name: Patterns{"!web-1"}}, false},
		{"excluded by glob", Selector{Name: Patterns{"!web*"}}, false},
		{"another one excluded", Selector{Name: Patterns{"!db"}}, true},
		{"exclusion beats inclusion", Selector{Name: Patterns{"web*", "!web-1"}}, false},
		{"exclusion of another", Selector{Name: Patterns{"web*", "!web-2"}}, true},
		{"exclusion does not include", Selector{Name: Patterns{"db", "!sidecar"}}, false},
		{"image over slashes", Selector{Image: Patterns{"*/web:*"}}, true},
		{"runtime", Selector{Runtime: Patterns{"podman", "docker"}}, true},
		{"pod and namespace", Selector{Pod: Patterns{"cart-*"}, Namespace: Patterns{"shop"}}, true},
		{"all criteria count", Selector{Pod: Patterns{"cart-*"}, Namespace: Patterns{"bank"}}, false},
		{"container of the pod", Selector{PodContainer: Patterns{"web"}}, true},
		{"label", Selector{Labels: Labels{{Key: "app", Value: "shop"}}}, true},
		{"all labels count", Selector{Labels: Labels{{Key: "app", Value: "shop"}, {Key: "tier", Value: "db"}}}, false},
		{"label is not", Selector{Labels: Labels{{Key: "tier", Value: "db", Not: true}}}, true},
		{"label is, but should not", Selector{Labels: Labels{{Key: "tier", Value: "front", Not: true}}}, false},
		{"label is absent", Selector{Labels: Labels{{Key: "x", Value: ""}}}, false},
		{"label is absent, and should not be that", Selector{Labels: Labels{{Key: "x", Value: "y", Not: true}}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.selector.Match(web); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got, want := tt.selector.Empty(), tt.name == "nothing asked"; got != want {
				t.Errorf("empty is %v", got)
			}
		})
	}
}

func TestParsePatterns(t *testing.T) {
	got, err := ParsePatterns("web, db-*,!sidecar")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Patterns{"web", "db-*", "!sidecar"}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", ",", "a,,b", "a,!", " "} {
		if _, err := ParsePatterns(bad); err == nil || !strings.Contains(err.Error(), "empty element") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestParseLabels(t *testing.T) {
	got, err := ParseLabels("app=shop,!tier=db,tier=!cache,zone!=b,empty=")
	if err != nil {
		t.Fatal(err)
	}
	want := Labels{
		{Key: "app", Value: "shop"},
		{Key: "tier", Value: "db", Not: true},
		{Key: "tier", Value: "cache", Not: true},
		{Key: "zone", Value: "b", Not: true},
		{Key: "empty"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "app", "=x", "!=x", "a=b,,c=d"} {
		if _, err := ParseLabels(bad); err == nil || !strings.Contains(err.Error(), "key=value") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "any/thing", true},
		{"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "abbc", true}, {"a*c", "abcd", false},
		{"*b*b*", "abab", true}, {"*b*b*b*", "abab", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"??", "ab", true}, {"**", "", true}, {"a**", "a", true}, {"[a]", "a", false}, {"[a]", "[a]", true},
		{"*aab", "aaaab", true},
	}
	for _, tt := range tests {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q) is %v", tt.pattern, tt.s, got)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		got := glob(pattern, s)
		if !strings.ContainsAny(pattern, "*?") && got != (pattern == s) {
			t.Errorf("glob(%q, %q) without a wildcard is not equality", pattern, s)
		}
		if !glob("*", s) || !glob("*"+s, s) && !strings.ContainsAny(s, "*?") {
			t.Errorf("a star does not match %q", s)
		}
	})
}
