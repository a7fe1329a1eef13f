package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// oldKernel has no symbols, types or hooks at all.
type oldKernel struct{}

func (oldKernel) Release() string { return "5.10.0-32-cloud-amd64" }
func (oldKernel) Arch() string    { return "arm64" }
func (oldKernel) Has(what, name string) (bool, error) {
	if name == "trouble" {
		return false, errors.New("no answer")
	}
	return false, nil
}

// TestChoice drops programs one by one and checks what is used then, and what is
// said of the others.
func TestChoice(t *testing.T) {
	object := objectOf(t, "tp_btf/a", "raw_tp/b", "raw_tp/c", "raw_tp/d")
	tests := []struct {
		name, yaml string
		drop       []string
		// want is a line for each program, or the end of the error.
		want, err string
	}{
		{name: "everything", want: "p0 used\np1 used\np2 used\np3 used"},
		{
			name: "first alternative", yaml: "g: {alternatives: [p0, p1, p2]}",
			want: "p0 used in g\np1 not in g: p0 is used\np2 not in g: p0 is used\np3 used",
		},
		{
			name: "next alternative", yaml: "g: {alternatives: [p0, p1, p2]}", drop: []string{"p0"},
			want: "p0 not in g: broken\np1 used in g\np2 not in g: p1 is used\np3 used",
		},
		{
			name: "false alternative", yaml: `g: {alternatives: [p0, p1]}, p0: {when: 'kernel >= "6.1"'}, p1: {when: arch == "arm64"}`,
			want: "p0 not in g: when kernel >= \"6.1\" is false: kernel is 5.10.0-32-cloud-amd64\np1 used in g: when arch == \"arm64\"\np2 used\np3 used",
		},
		{
			name: "no alternative left", yaml: "g: {alternatives: [p0, p1]}", drop: []string{"p0", "p1"},
			err: "none of the programs can be used on this kernel:\nprogram p0: broken\nprogram p1: broken",
		},
		{
			name: "no alternative true", yaml: "g: {alternatives: [p0]}, p0: {when: false}",
			err: "none of the programs can be used on this kernel:\nprogram p0: when false is false",
		},
		{
			name: "optional group", yaml: "g: {alternatives: [p0, p1], optional: true}", drop: []string{"p0", "p1"},
			want: "p0 not in g: broken\np1 not in g: broken\np2 used\np3 used",
		},
		{
			name: "false group", yaml: `g: {alternatives: [p0, p1], when: symbol("x")}`,
			want: "p0 not in g: when symbol(\"x\") is false: symbol(\"x\") is false\np1 not in g: when symbol(\"x\") is false: symbol(\"x\") is false\np2 used\np3 used",
		},
		{name: "optional", yaml: "p0: {optional: true}", drop: []string{"p0"}, want: "p0 not: broken\np1 used\np2 used\np3 used"},
		{name: "not optional", yaml: "p0: {optional: true}", drop: []string{"p1"}, err: "broken"},
		{
			name: "nothing left", yaml: "p0: {when: false}, p1: {optional: true}, p2: {optional: true}, p3: {attach_to: gadget_program_disabled}",
			drop: []string{"p1", "p2"}, err: "program p1: broken\nprogram p2: broken\nprogram p0: when false is false",
		},
		{name: "disabled", yaml: "p0: {attach_to: gadget_program_disabled}", want: "p0 not: gadget.yaml or its section disables it\np1 used\np2 used\np3 used"},
		{name: "trouble", yaml: `p0: {when: symbol("trouble")}`, err: `when of p0: symbol("trouble"): no answer`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := planObject(t, object, "programs: {"+tt.yaml+"}")
			c := newChoice(p, slog.New(slog.DiscardHandler))
			err := c.suit(oldKernel{})
			for _, name := range tt.drop {
				if err == nil {
					err = c.drop(name, errors.New("broken"))
				}
			}
			if err != nil || tt.err != "" {
				if err == nil || !strings.HasSuffix(err.Error(), tt.err) || tt.err == "" {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, useLines(c.report())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// useLines are uses as text, sorted by program.
func useLines(uses []Use) string {
	lines := make([]string, len(uses))
	for _, u := range uses {
		line := u.Program + " not"
		if u.Used {
			line = u.Program + " used"
		}
		if u.Group != "" {
			line += " in " + u.Group
		}
		if u.Why != "" {
			line += ": " + u.Why
		}
		lines[u.Program[1]-'0'] = line
	}
	return strings.Join(lines, "\n")
}

// TestPowerfulAlternative checks that a program that gadgets may not have gives way
// to one that they may.
func TestPowerfulAlternative(t *testing.T) {
	p := planObject(t, objectOf(t, "fmod_ret/a", "fentry/a"), "programs: {g: {alternatives: [p0, p1]}}")
	c := newChoice(p, slog.New(slog.DiscardHandler))
	if err := c.suit(oldKernel{}); err != nil {
		t.Fatal(err)
	}
	if c.uses("p0") || !c.uses("p1") {
		t.Error(useLines(c.report()))
	}
	p = planObject(t, objectOf(t, "fmod_ret/a", "fentry/a"), "")
	if err := newChoice(p, slog.New(slog.DiscardHandler)).suit(oldKernel{}); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("error %v", err)
	}
}

// TestKernel asks the running kernel what is known of it.
func TestKernel(t *testing.T) {
	gadgettest.NeedRoot(t)
	k := newKernel(nil)
	for question, want := range map[string]bool{
		"symbol commit_creds": true, "symbol no_such_symbol": false,
		"btf task_struct": true, "btf struct task_struct": true, "btf union task_struct": false, "btf func commit_creds": true,
		"btf no_such_type": false, "tracepoint task/task_newtask": true, "tracepoint task/no_such": false,
		"hook raw_tp": true, "hook perf_event": true, "hook tracepoint": true, "hook tp_btf": true, "hook iter": true,
		"hook uprobe": true, "hook uprobe.multi": true,
	} {
		what, name, _ := strings.Cut(question, " ")
		if got, err := k.Has(what, name); got != want || err != nil {
			t.Errorf("%s: %v, error %v", question, got, err)
		}
	}
	if c, err := plan.ParseCondition(fmt.Sprintf("kernel == %q and arch in [\"amd64\", \"arm64\"]", release(k))); err != nil {
		t.Error(err)
	} else if ok, why, err := c.Holds(k); !ok || err != nil {
		t.Errorf("not so: %s, error %v", why, err)
	}
	// Every hook has an answer, which depends on the machine.
	for _, kind := range plan.HookKinds() {
		if err := k.probeHook(kind); errors.Is(err, ErrNotSupported) && strings.Contains(err.Error(), "hook") {
			t.Errorf("%s: %v", kind, err)
		} else {
			t.Logf("%s: %v", kind, err)
		}
	}
}

// release is the version of the kernel as far as it has numbers and dots.
func release(k *kernel) string {
	r := k.Release()
	return r[:len(r)-len(strings.TrimLeft(r, "0123456789."))]
}

func TestSelectFunctions(t *testing.T) {
	const symbols = "ffffffff81000000 T vfs_read\nffffffff81000010 t vfs_read.cold\nffffffff81000020 T __pfx_vfs_read\n" +
		"ffffffff81000030 t vfs_write\nffffffff81000040 d vfs_data\nffffffff81000050 t vfs_write\nffffffffc0000000 t vfs_mod\t[mod]\n" +
		"ffffffff81000060 W weak\n"
	tests := []struct {
		patterns  string
		traceable map[string]bool
		want      string
	}{
		{"vfs_read", nil, "vfs_read@81000000"},
		{"vfs_*", nil, "vfs_read@81000000 vfs_write@81000030 vfs_write@81000050 vfs_mod@c0000000"},
		{"*vfs_read*", nil, "vfs_read@81000000"},
		{"vfs_w????,weak,*weak", nil, "vfs_write@81000030 vfs_write@81000050 weak@81000060"},
		{"vfs_*", map[string]bool{"vfs_mod": true}, "vfs_mod@c0000000"},
		{"vfs_*,none*", nil, "error none*"},
		{"vfs_data", nil, "error vfs_data"},
		{"vfs_read", map[string]bool{}, "error vfs_read"},
	}
	for _, tt := range tests {
		all, err := selectFunctions(strings.NewReader(symbols), strings.Split(tt.patterns, ","), tt.traceable)
		var got []string
		for _, s := range all {
			got = append(got, fmt.Sprintf("%s@%x", s.name, uint32(s.address)))
		}
		var none *noFunction
		if errors.As(err, &none) {
			got = []string{"error", none.pattern}
		} else if err != nil {
			t.Error(err)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, want %s", tt.patterns, got, tt.want)
		}
	}
	for _, bad := range []string{"x", "ffffffff81000000 T", "zzz T name"} {
		if _, err := selectFunctions(strings.NewReader(bad), []string{"*"}, nil); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
