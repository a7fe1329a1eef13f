package usage

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// loadCounted loads a program that does nothing, with a map of its own.
func loadCounted(t *testing.T) *ebpf.Program {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4096, MaxEntries: 256})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "counted_prog", Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{asm.LoadMapPtr(asm.R1, m.FD()), asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	return prog
}

// row returns that of a program in the next table, nil when there is none.
func row(t *testing.T, p *Programs, id uint32) *plan.ProgramRow {
	t.Helper()
	raw, err := p.Fetch(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rowsOf[plan.ProgramRow](t, raw) {
		if r.ID == id {
			return &r
		}
	}
	return nil
}

func TestPrograms(t *testing.T) {
	gadgettest.NeedRoot(t)
	var asked []string
	p, err := NewPrograms(ProgramOptions{GadgetsOnly: true, ImageOf: func(args []string) string {
		asked = args
		return "ghcr.io/acme/mine:v1@sha256:0"
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	prog := loadCounted(t)
	info, err := prog.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	const runs = 12345
	if _, _, err := prog.Benchmark(make([]byte, 64), runs, nil); err != nil {
		t.Fatal(err)
	}
	r := row(t, p, uint32(id))
	if r == nil {
		t.Fatal("no row")
	}
	type facts struct {
		Name, Type, GadgetName, GadgetImage, PIDs string
		Runs                                      uint64
		Maps                                      uint32
	}
	got := facts{text(r.Name[:]), text(r.Type[:]), text(r.GadgetName[:]), text(r.GadgetImage[:]), text(r.PIDs[:]), r.RunCount, r.MapCount}
	want := facts{"counted_prog", "SocketFilter", "mine", "ghcr.io/acme/mine:v1@sha256:0", strconv.Itoa(os.Getpid()), runs, 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(os.Args[1:], asked); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if comm := text(r.Comms[:]); !strings.HasPrefix(os.Args[0][strings.LastIndexByte(os.Args[0], '/')+1:], comm) || comm == "" {
		t.Errorf("held by %q", comm)
	}
	if r.Runtime == 0 || r.Runtime != r.Spent || r.CPUUsage <= 0 || r.CPUUsageRelative != r.CPUUsage/p.cpus || r.MapMemory < 1<<20 {
		t.Errorf("cost %+v", r)
	}
	if again := row(t, p, uint32(id)); again == nil || again.RunCount != 0 || again.Runtime != 0 || again.CPUUsage != 0 || again.Spent != r.Spent {
		t.Errorf("without a run: %+v", again)
	}
	prog.Close()
	if gone := row(t, p, uint32(id)); gone != nil {
		t.Errorf("it was unloaded, and yet there is %+v", gone)
	}
}

// Programs that were there before count from the first look.
func TestProgramsBefore(t *testing.T) {
	gadgettest.NeedRoot(t)
	measuring, err := NewPrograms(ProgramOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer measuring.Close()
	prog := loadCounted(t)
	if _, _, err := prog.Benchmark(make([]byte, 64), 100, nil); err != nil {
		t.Fatal(err)
	}
	p, err := NewPrograms(ProgramOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	info, err := prog.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	if r := row(t, p, uint32(id)); r == nil || r.RunCount != 0 || r.Spent == 0 {
		t.Errorf("row %+v", r)
	}
}

// A process that holds a link, and no program, is found, and one that is no gadget
// is told from those that are.
func TestHoldersOfOthers(t *testing.T) {
	gadgettest.NeedRoot(t)
	prog := loadCounted(t)
	fd, err := unix.Dup(prog.FD())
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "program")
	defer file.Close()
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	info, err := prog.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	got := map[string]bool{}
	for _, h := range findHolders("/proc", nil)[id] {
		got[h.comm] = h.gadget
	}
	if gadget, found := got["sleep"]; !found || gadget || len(got) != 2 {
		t.Errorf("holders %v", got)
	}
}

func TestProgramID(t *testing.T) {
	for text, want := range map[string]ebpf.ProgramID{
		"pos:\t0\nprog_type:\t1\nprog_tag:\tab\nprog_id:\t77\n": 77,
		"link_type:\tperf\nlink_id:\t3\nprog_id:\t8":            8,
		"map_type:\t1\nmap_id:\t5\n":                            0,
		"prog_id:\tmany\n":                                      0,
		"prog_id:":                                              0,
		"":                                                      0,
	} {
		if got := programID([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestSetList(t *testing.T) {
	for _, tt := range []struct {
		items []string
		want  string
	}{
		{nil, ""}, {[]string{"a", "b"}, "a,b"}, {[]string{"1234567"}, "1234567"}, {[]string{"12345678"}, ""},
		{[]string{"12", "345", "6"}, "12,345"}, {[]string{"12", "34567890"}, "12"},
	} {
		field := []byte("????????")
		setList(field, tt.items)
		if got := text(field); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.items, got, tt.want)
		}
	}
}

func TestGadgetName(t *testing.T) {
	for image, want := range map[string]string{
		"trace_open": "trace_open", "trace_open:v1": "trace_open", "ghcr.io:443/a/b": "b", "./mysnoop/": "mysnoop", "": "",
		"a/b@sha256:00": "b", "oci-archive:dir/x.tar": "x.tar",
	} {
		if got := gadgetName(image); got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
}
