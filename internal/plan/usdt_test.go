package plan_test

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// TestUSDT checks that libbpf's usdt.bpf.h can be used: its setting of the kernel
// becomes a constant, wherever it is read, and other settings stay.
func TestUSDT(t *testing.T) {
	p := gadgettest.Plan(t, "testdata/usdt")
	for _, name := range []string{plan.USDTSpecs, plan.USDTAddresses} {
		if p.Spec.Maps[name] == nil {
			t.Errorf("no map %s", name)
		}
	}
	hook := p.Program("sale").Hook
	if hook != "libshop:shop:sale" {
		t.Errorf("hook %q", hook)
	}
	cookie := p.Spec.Variables[plan.HasCookie]
	if cookie == nil {
		t.Fatalf("no constant %s", plan.HasCookie)
	}
	loads := 0
	for _, ins := range p.Spec.Programs["sale"].Instructions {
		if ins.OpCode.IsDWordLoad() && ins.Reference() == cookie.SectionName {
			loads++
		}
	}
	if loads != 2 { // bpf_usdt_arg and bpf_usdt_arg_cnt
		t.Errorf("%d instructions load %s, want 2", loads, plan.HasCookie)
	}
	for _, ins := range p.Spec.Programs["sale"].Instructions {
		if fn := btf.FuncMetadata(&ins); ins.Symbol() == "bpf_usdt_arg" && (fn == nil || fn.Linkage != btf.StaticFunc) {
			t.Errorf("%v is verified for all arguments", fn)
		}
	}
	var settings *btf.Datasec
	if err := p.Spec.Types.TypeByName(".kconfig", &settings); err != nil {
		t.Fatal(err)
	}
	if len(settings.Vars) != 1 || settings.Vars[0].Type.TypeName() != "LINUX_KERNEL_VERSION" {
		t.Errorf("settings %v", settings.Vars)
	}
	if m := p.Spec.Maps[cookie.SectionName]; m == nil || m.Type != ebpf.Array || len(m.Contents) != 1 {
		t.Errorf("map of constants %v", m)
	}
}
