package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// kernel is a kernel of a test; has are its symbols and so on.
type kernel struct {
	release, arch string
	has           []string
	asked         []string
}

func (k *kernel) Release() string { return k.release }
func (k *kernel) Arch() string    { return k.arch }
func (k *kernel) Has(what, name string) (bool, error) {
	if name == "trouble" {
		return false, errors.New("the disk is on fire")
	}
	k.asked = append(k.asked, what+" "+name)
	for _, h := range k.has {
		if h == what+" "+name {
			return true, nil
		}
	}
	return false, nil
}

func TestConditions(t *testing.T) {
	tests := []struct {
		source string
		want   bool
		why    string
	}{
		{`kernel >= "6.8"`, true, "kernel is 6.12.107+deb13-cloud-amd64"},
		{`kernel >= "6.12"`, true, ""},
		{`kernel >= "6.12.107"`, true, ""},
		{`kernel >= "6.12.108"`, false, ""},
		{`kernel >= "6.13"`, false, ""},
		{`kernel < "6.2"`, false, ""},
		{`kernel > "6.12"`, false, ""},
		{`kernel <= "6.12"`, true, ""},
		{`kernel == "6.12"`, true, ""},
		{`kernel != "6.12"`, false, ""},
		{`kernel == "6.12.107.0"`, true, ""},
		{`kernel in ["5.10", "6.12"]`, true, ""},
		{`kernel in ["5.10", "6.1"]`, false, ""},
		{`arch == "amd64"`, true, "arch is amd64"},
		{`arch in ["arm64"]`, false, ""},
		{`arch not in ["arm64"]`, true, ""},
		{`symbol("tcp_connect")`, true, `symbol("tcp_connect") is true`},
		{`not symbol("tcp_connect") or btf("struct tcp_sock")`, false, `symbol("tcp_connect") is true, btf("struct tcp_sock") is false`},
		{`symbol("tcp_connect") || symbol("trouble")`, true, `symbol("tcp_connect") is true`},
		{`symbol("x") && symbol("trouble")`, false, `symbol("x") is false`},
		{`!(hook("kprobe") and tracepoint("oom/mark_victim"))`, false, `hook("kprobe") is true, tracepoint("oom/mark_victim") is true`},
		{`symbol("x") or symbol("x")`, false, `symbol("x") is false`},
		{`true and not false`, true, ""},
	}
	for _, tt := range tests {
		k := &kernel{release: "6.12.107+deb13-cloud-amd64", arch: "amd64",
			has: []string{"symbol tcp_connect", "hook kprobe", "tracepoint oom/mark_victim"}}
		c, err := plan.ParseCondition(tt.source)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		got, why, err := c.Holds(k)
		if got != tt.want || err != nil || tt.why != "" && why != tt.why {
			t.Errorf("%s: %v because %q, error %v; want %v because %q", tt.source, got, why, err, tt.want, tt.why)
		}
	}
	c, err := plan.ParseCondition(`symbol("trouble")`)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Holds(&kernel{}); err == nil || err.Error() != `symbol("trouble"): the disk is on fire` {
		t.Errorf("error %v", err)
	}
}

func TestBadConditions(t *testing.T) {
	tests := []struct{ source, want string }{
		{``, "unexpected"},
		{`kernel >=`, "at column"},
		{`kernel`, `compare it with a text, as in kernel >= "6.1"`},
		{`kernel >= 6.8`, "6.8 is no text"},
		{`kernel >= "six"`, `"six" is no version`},
		{`kernel >= "6.8-rc1"`, `"6.8-rc1" is no version`},
		{`kernel contains "6"`, "cannot be compared by contains"},
		{`arch >= "arm64"`, "cannot be compared by >="},
		{`"6.8" <= kernel`, "to the left of <="},
		{`symbl("x")`, `did you mean "symbol"?`},
		{`symbol(x)`, "wants one text"},
		{`symbol("a", "b")`, "wants one text"},
		{`symbol("a b")`, "no name of a symbol"},
		{`btf("struct a b")`, "no type"},
		{`tracepoint("mark_victim")`, "write category/name"},
		{`tracepoint("../x")`, "write category/name"},
		{`hook("fentyr")`, `did you mean "fentry"?`},
		{`hook("door")`, "there are tracepoint, raw_tp"},
		{`kernal >= "6"`, `did you mean "kernel"?`},
		{`1 + 1`, "to the left of +"},
		{`symbol("x") ? true : false`, "a condition is made of"},
		{`map([1], # > 0)`, "a condition is made of"},
		{strings.Repeat("(", 3000), ""},
		{strings.Repeat("not ", 2000) + "true", "longer than"},
		{strings.Repeat("true and ", 400) + "true", ""},
	}
	for _, tt := range tests {
		_, err := plan.ParseCondition(tt.source)
		switch {
		case err == nil:
			t.Errorf("%.40q is accepted", tt.source)
		case !strings.Contains(err.Error(), tt.want), strings.Contains(err.Error(), "ast."):
			t.Errorf("%.40q: %v, want %q", tt.source, err, tt.want)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{`kernel >= "6.8" && symbol("x")`, `arch in ["a"] or not hook("kprobe")`, `btf("func x")`, "("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		c, err := plan.ParseCondition(source)
		if err != nil {
			return
		}
		if _, _, err := c.Holds(&kernel{release: "6.1.0", arch: "arm64"}); err != nil && !strings.Contains(err.Error(), "on fire") {
			t.Errorf("%q: %v", source, err)
		}
	})
}
