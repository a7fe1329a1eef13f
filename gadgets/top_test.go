package gadgets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// look says whether a row is the one it is about, and whether it is as it should be.
type look func(row map[string]any) (this, good bool)

// tables is a writer that reads the tables of a gadget again until each of some
// rows has been as it is wanted once.
type tables struct {
	t      *testing.T
	wanted map[string]look
	// last are the rows that were meant and not as wanted.
	last map[string]map[string]any
	stop func()
}

func (w *tables) Write(text []byte) (int, error) {
	for line := range bytes.Lines(text) {
		var rows []map[string]any
		if err := json.Unmarshal(line, &rows); err != nil {
			w.t.Errorf("%v: %.500s", err, line)
		}
		for _, row := range rows {
			for name, look := range w.wanted {
				if this, good := look(row); good {
					delete(w.wanted, name)
				} else if this {
					w.last[name] = row
				}
			}
		}
	}
	if len(w.wanted) == 0 {
		w.stop()
	}
	return len(text), nil
}

// top runs a gadget of tables, without programs, until every wanted row has come.
func top(t *testing.T, dir string, o runner.Options, wanted map[string]look) {
	t.Helper()
	img, md := buildGadget(t, dir, "")
	if n := len(img.Platforms); n != 2 || len(img.Platforms[0].Layers) != 0 {
		t.Fatalf("the image has %d platforms with %v", n, img.Platforms)
	}
	p, err := plan.New(nil, md)
	if err != nil || len(p.Problems) > 0 {
		t.Fatal(err, p.Problems)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	out := &tables{t: t, wanted: wanted, last: map[string]map[string]any{}, stop: stop}
	o.Out, p.Sources[0].Interval = out, 500*time.Millisecond
	o.Encoder = func(s *plan.Source, env *event.Env) (event.Encoder, error) {
		return event.NewJSON(s.Layout, env, event.JSONOptions{}), nil
	}
	if _, err := runner.Run(ctx, p, o); err != nil {
		t.Fatal(err)
	}
	for name := range wanted {
		t.Errorf("no %s; the last row was %v", name, out.last[name])
	}
}

// start starts a process for the time of the test.
func start(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// A process that is busy shows so under its name, and one that has memory.
func TestTopProcess(t *testing.T) {
	busy := filepath.Join(t.TempDir(), "busy-loop")
	if err := os.Symlink("/bin/sh", busy); err != nil {
		t.Fatal(err)
	}
	loop := start(t, exec.Command(busy, "-c", "while :; do :; done"))
	// Others may be busy, too.
	_ = unix.Setpriority(unix.PRIO_PROCESS, loop, -15)

	// A copy of 200 MB that nobody takes waits with its memory full.
	dd := exec.Command("dd", "if=/dev/zero", "bs=200MB", "count=1")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	dd.Stdout = write
	holder := start(t, dd)

	top(t, "top_process", runner.Options{Host: true}, map[string]look{
		"busy process": func(row map[string]any) (this, good bool) {
			all, one := row["cpuUsageRelative"].(float64), row["cpuUsage"].(float64)
			this = row["pid"] == float64(loop)
			return this, this && row["comm"] == "busy-loop" && one > 50 && one < 120 && all > 0 && all <= one && row["ppid"] == float64(os.Getpid())
		},
		"process with memory": func(row map[string]any) (this, good bool) {
			rss := row["memoryRSS_raw"].(float64)
			this = row["pid"] == float64(holder)
			return this, this && row["comm"] == "dd" && rss > 180e6 && rss < 220e6
		},
	})
}

// Without --host there are only the processes of containers, each with its name.
func TestTopProcessInContainer(t *testing.T) {
	needRoot(t)
	docker := testengine.StartDocker(t)
	docker.Run(t, []string{"--detach", "--name=busy-web"}, "sh", "-c", "while :; do :; done")
	top(t, "top_process", runner.Options{Engines: engine.Options{Docker: docker.Host()}}, map[string]look{
		"process of the container": func(row map[string]any) (this, good bool) {
			name := pick(row, "runtime.containerName")["runtime.containerName"]
			if name == "" {
				t.Errorf("a process of no container: %v", row)
			}
			this = name == "busy-web"
			return this, this && row["comm"] == "sh" && row["cpuUsage"].(float64) > 5
		},
	})
}

// A program that runs so many times is shown with just that number, and as that of
// the process that holds it.
func TestTopEBPF(t *testing.T) {
	needRoot(t)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "runs_of_test", Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	const runs = 4321
	o := runner.Options{Ready: func() {
		if _, _, err := prog.Benchmark(make([]byte, 64), runs, nil); err != nil {
			t.Error(err)
		}
	}}
	var seen, spent float64
	top(t, "top_ebpf", o, map[string]look{
		"program": func(row map[string]any) (this, good bool) {
			this = row["progName"] == "runs_of_test" && row["pids"] == strconv.Itoa(os.Getpid())
			if this {
				seen += row["runcount"].(float64)
				spent += row["runtime_raw"].(float64)
			}
			return this, seen == runs && spent > 0 && row["progType"] == "SocketFilter"
		},
	})
}

// A container that wants a whole processor and may have a fifth of one.
func TestTopCPUThrottle(t *testing.T) {
	needRoot(t)
	docker := testengine.StartDocker(t)
	id := docker.Run(t, []string{"--detach", "--name=greedy", "--cpus=0.2"}, "sh", "-c", "while :; do :; done")
	top(t, "top_cpu_throttle", runner.Options{Engines: engine.Options{Docker: docker.Host()}}, map[string]look{
		"cgroup of the container": func(row map[string]any) (this, good bool) {
			this = strings.HasSuffix(row["cgroupPath"].(string), "/"+id)
			return this, this && row["throttleRatio"].(float64) > 50 && row["nrThrottled"].(float64) <= row["nrPeriods"].(float64) &&
				row["throttledTime_raw"].(float64) > 1e6 && row["cpuQuota"] == "20.00ms" && row["cpuPeriod"] == "100.00ms" &&
				row["cpuLimitCores"] == 0.2 && pick(row, "runtime.containerName")["runtime.containerName"] == "greedy"
		},
	})
}
