package gadgets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/schemas"
)

// series is one series of a histogram at the end of a run.
type series struct {
	Name, Type, Unit string
	Keys             map[string]string
	Count            int
	Buckets          []struct {
		Count int
		From  *int
	}
}

// profile runs a gadget with metrics while do runs, and returns the series as they
// are at the end, and what was lost.
func profile(t *testing.T, dir string, params map[string]string, do func()) ([]series, uint64) {
	t.Helper()
	needRoot(t)
	img, md := buildGadget(t, dir, "")
	p, err := plan.New(img.Platform("amd64").Layer(schemas.MediaTypeProgram).Data, md)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	report, err := runner.Run(ctx, p, runner.Options{
		Params: params, Host: true, Out: &out,
		Encoder: func(s *plan.Source, env *event.Env) (event.Encoder, error) {
			return metric.NewCollector(s.Metrics, env, metric.Options{Views: []metric.View{metric.JSON(metric.Array)}}), nil
		},
		Ready: func() { do(); stop() },
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v (report %+v)", err, report)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var all []series
	if err := json.Unmarshal(lines[len(lines)-1], &all); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	return all, report.Lost()
}

// loopDisk is a disk of 1 MiB of zeroes that nothing else uses.
type loopDisk struct {
	name string
	fd   int
	// pages is room for transfers, which the kernel wants aligned.
	pages []byte
}

func newLoopDisk(t *testing.T) *loopDisk {
	t.Helper()
	needRoot(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	check(err)
	defer file.Close()
	check(file.Truncate(1 << 20))
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	check(err)
	defer unix.Close(control)

	d := &loopDisk{}
	// Somebody else may be faster at taking the one that is free.
	for range 10 {
		n, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		check(err)
		d.name = fmt.Sprintf("loop%d", n)
		d.fd, err = unix.Open("/dev/"+d.name, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		check(err)
		err = unix.IoctlLoopConfigure(d.fd, &unix.LoopConfig{
			Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			break
		}
		unix.Close(d.fd)
		if !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { unix.Close(d.fd) })
	d.pages, err = unix.Mmap(-1, 0, 64*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	check(err)
	t.Cleanup(func() { _ = unix.Munmap(d.pages) })
	return d
}

// use writes and reads pages, each with a request of its own.
func (d *loopDisk) use(t *testing.T, writes, reads int) {
	t.Helper()
	page := d.pages[:os.Getpagesize()]
	for i := range writes {
		if _, err := unix.Pwrite(d.fd, page, int64(i*len(page))); err != nil {
			t.Error(err)
		}
	}
	for i := range reads {
		if _, err := unix.Pread(d.fd, page, int64(i*len(page))); err != nil {
			t.Error(err)
		}
	}
}

func TestProfileBlockIO(t *testing.T) {
	d := newLoopDisk(t)
	const writes, reads = 40, 30
	for _, tt := range []struct {
		name      string
		scheduler string
		params    map[string]string
		// want are the least counts by disk and operation.
		want map[string]int
	}{
		{"all", "none", nil, map[string]int{" ": writes + reads}},
		{"by disk", "none", map[string]string{"per-disk": "true"}, map[string]int{d.name + " ": writes + reads}},
		{"by operation", "none", map[string]string{"per-operation": "true"}, map[string]int{" write": writes, " read": reads}},
		{"queued, without a scheduler", "none", map[string]string{"per-disk": "true", "per-operation": "true", "queued": "true"},
			map[string]int{d.name + " write": writes, d.name + " read": reads}},
		{"queued", "mq-deadline", map[string]string{"per-disk": "true", "per-operation": "true", "queued": "true"},
			map[string]int{d.name + " write": writes, d.name + " read": reads}},
		{"issued", "mq-deadline", map[string]string{"per-disk": "true", "per-operation": "true"},
			map[string]int{d.name + " write": writes, d.name + " read": reads}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile("/sys/block/"+d.name+"/queue/scheduler", []byte(tt.scheduler), 0); err != nil {
				t.Skipf("this kernel has no scheduler %s: %v", tt.scheduler, err)
			}
			all, lost := profile(t, "profile_blockio", tt.params, func() { d.use(t, writes, reads) })
			got := map[string]int{}
			if lost != 0 {
				t.Errorf("lost %d requests", lost)
			}
			for _, s := range all {
				key := s.Keys["disk"] + " " + s.Keys["operation"]
				if got[key] = s.Count; s.Name != "latency" || s.Type != "histogram" || s.Unit != "µs" {
					t.Errorf("%+v", s)
				}
				for _, b := range s.Buckets {
					// A second for a page in memory would be a mistake in the arithmetic.
					if b.Count > 0 && b.From != nil && *b.From > 1_000_000 && s.Keys["disk"] == d.name {
						t.Errorf("%d requests took more than %d µs", b.Count, *b.From)
					}
				}
			}
			for key, n := range tt.want {
				mine := tt.params["per-disk"] == "true"
				if got[key] < n || mine && got[key] != n {
					t.Errorf("%q has %d requests, want %d: %v", key, got[key], n, got)
				}
			}
			if _, split := got[" "]; split != (tt.params == nil) {
				t.Errorf("series %v", got)
			}
		})
	}
}

// Requests for which there is no room are counted as lost.
func TestProfileBlockIOLoss(t *testing.T) {
	d := newLoopDisk(t)
	// One write becomes as many requests as it has pages, all on their way at once.
	if err := os.WriteFile("/sys/block/"+d.name+"/queue/max_sectors_kb", []byte("4"), 0); err != nil {
		t.Fatal(err)
	}
	all, lost := profile(t, "profile_blockio", map[string]string{"per-disk": "true", "max-requests": "2"}, func() {
		if _, err := unix.Pwrite(d.fd, d.pages, 0); err != nil {
			t.Error(err)
		}
	})
	counted := 0
	for _, s := range all {
		if s.Keys["disk"] == d.name {
			counted += s.Count
		}
	}
	// Other disks of this machine may lose some, too.
	if sent := len(d.pages) / 4096; lost == 0 || counted+int(lost) < sent {
		t.Errorf("counted %d requests and lost %d, of %d at least", counted, lost, sent)
	}
}

// Kernels give the tracepoints different arguments, and their own types say which.
func TestBlockRequestArgument(t *testing.T) {
	needRoot(t)
	img, _ := buildGadget(t, "profile_blockio", "")
	object := img.Platform("amd64").Layer(schemas.MediaTypeProgram).Data
	pointer := func(name string) btf.Type { return &btf.Pointer{Target: &btf.Struct{Name: name, Size: 8}} }
	rest := []btf.FuncParam{{Name: "request", Type: pointer("request")}}
	for _, tt := range []struct {
		name   string
		params []btf.FuncParam
		offset int16
	}{
		{"request", rest, 0},
		{"queue and request", append([]btf.FuncParam{{Name: "queue", Type: pointer("request_queue")}}, rest...), 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proto := &btf.FuncProto{Return: &btf.Void{}, Params: append([]btf.FuncParam{{Name: "data", Type: &btf.Pointer{Target: &btf.Void{}}}}, tt.params...)}
			builder, err := btf.NewBuilder([]btf.Type{&btf.Typedef{Name: "btf_trace_block_rq_issue", Type: &btf.Pointer{Target: proto}}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := builder.Marshal(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			types, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
			if err != nil {
				t.Fatal(err)
			}
			spec.Programs = map[string]*ebpf.ProgramSpec{"ig_issue": spec.Programs["ig_issue"]}
			coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: types}})
			if err != nil {
				t.Fatalf("%+v", err)
			}
			defer coll.Close()
			info, err := coll.Programs["ig_issue"].Info()
			if err != nil {
				t.Fatal(err)
			}
			insns, err := info.Instructions()
			if err != nil {
				t.Fatal(err)
			}
			// The context is in R1 when the program begins.
			for _, ins := range insns {
				if ins.OpCode.Class() == asm.LdXClass && ins.Src == asm.R1 {
					if ins.Offset != tt.offset {
						t.Errorf("takes the argument at %d, want %d", ins.Offset, tt.offset)
					}
					return
				}
			}
			t.Errorf("reads no argument:\n%v", insns)
		})
	}
}
