package gadgets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// What gadgets say of containers, by name. One dockerd serves them all.
func TestInContainers(t *testing.T) {
	docker := testengine.StartDocker(t)
	t.Run("oomkill", func(t *testing.T) { testTraceOOMKill(t, docker) })
	t.Run("top_file", func(t *testing.T) { testTopFile(t, docker) })
	t.Run("capabilities", func(t *testing.T) { testTraceCapabilities(t, docker) })
}

// traceContainer runs a gadget for the container of one name while do runs.
func traceContainer(t *testing.T, docker *testengine.Docker, dir, name string, params map[string]string, do func()) []map[string]any {
	t.Helper()
	selector := container.Selector{Name: container.Patterns{name}}
	out := runWhile(t, dir, runner.Options{Params: params, Selector: selector, Engines: engine.Options{Docker: docker.Host()}}, do)
	var events []map[string]any
	for line := range bytes.Lines(out) {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events = append(events, e)
	}
	return events
}

// A container takes more memory than it may have; its neighbour, and who waits for it
// in the same container, live on.
func testTraceOOMKill(t *testing.T, docker *testengine.Docker) {
	const limit = 24 << 20
	var pid float64
	events := traceContainer(t, docker, "trace_oomkill", "greedy", nil, func() {
		docker.Run(t, []string{"--detach", "--name", "greedy", "--memory", strconv.Itoa(limit), "--memory-swap", strconv.Itoa(limit)},
			"/bin/sh", "-c", "sleep 1000 & while ! [ -e /go ]; do sleep 0.1; done; exec /bin/busybox tail /dev/zero")
		number, err := strconv.Atoi(docker.Do(t, "inspect", "--format", "{{.State.Pid}}", "greedy"))
		if err != nil {
			t.Error(err)
		}
		pid = float64(number)
		docker.Do(t, "exec", "greedy", "touch", "/go")
		docker.Do(t, "wait", "greedy")
	})
	if killed := docker.Do(t, "inspect", "--format", "{{.State.OOMKilled}}", "greedy"); killed != "true" {
		t.Fatalf("the container was not out of memory: %s", killed)
	}

	names := []string{"runtime.containerName", "tpid", "tcomm", "fprocess.pid", "fprocess.comm"}
	want := []map[string]any{{
		"runtime.containerName": "greedy", "tpid": pid, "tcomm": "busybox", "fprocess.pid": pid, "fprocess.comm": "busybox",
	}}
	var got []map[string]any
	for _, e := range events {
		got = append(got, pick(e, names...))
		// All that the container may have, and pages of files that others have paid for.
		if tpages := e["tpages"].(float64); tpages < limit/2/4096 || tpages > 2*limit/4096 {
			t.Errorf("the victim had %v pages, of %d", tpages, limit/4096)
		}
		if pages := e["pages"].(float64); pages != 0 && pages != limit/4096 {
			t.Errorf("the limit is %v pages, want %d", pages, limit/4096)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A container that may do nothing but give files away does that, and is refused more.
func testTraceCapabilities(t *testing.T, docker *testengine.Docker) {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &ns); err != nil {
		t.Fatal(err)
	}
	do := func() {
		docker.Run(t, []string{"--rm", "--name", "restricted", "--cap-drop", "ALL", "--cap-add", "CHOWN"}, "/bin/sh", "-c", `
			PATH=/tmp:$PATH
			for name in chown chmod mknod; do touch /tmp/$name; cp /bin/busybox /tmp/$name; done
			touch /file
			for turn in 1 2; do chown 1$turn /file; chmod 60$turn /file; mknod /null c 1 3; done
			true`)
	}
	names := []string{"proc.comm", "cap", "capable", "syscall", "cap_effective", "current_userns", "target_userns"}
	event := func(comm, name string, capable bool, syscall string) map[string]any {
		return map[string]any{
			"proc.comm": comm, "cap": name, "capable": capable, "syscall": syscall, "cap_effective": "CAP_CHOWN",
			"current_userns": float64(ns.Ino), "target_userns": float64(ns.Ino),
		}
	}
	want := []map[string]any{
		event("chown", "CAP_CHOWN", true, "SYS_CHOWN"),
		event("mknod", "CAP_MKNOD", false, "SYS_MKNODAT"),
		event("chmod", "CAP_FOWNER", false, "SYS_CHMOD"),
	}

	// Each is checked at least once in each turn; memory is no matter of this test.
	all := traceContainer(t, docker, "trace_capabilities", "restricted", nil, do)
	for _, w := range want {
		var found int
		for _, e := range all {
			if cmp.Equal(pick(e, names...), w) {
				found++
			}
		}
		if found < 2 {
			t.Errorf("found %d times: %v", found, w)
		}
	}
	for _, e := range all {
		comm, refused := pick(e, "proc.comm")["proc.comm"], e["capable"] == false && e["cap"] != "CAP_SYS_ADMIN"
		if e["runtime"].(map[string]any)["containerName"] != "restricted" || refused && comm != "mknod" && comm != "chmod" {
			t.Errorf("unexpected: %v", e)
		}
	}

	shown := map[string]int{}
	for _, e := range traceContainer(t, docker, "trace_capabilities", "restricted", map[string]string{"unique": "true"}, do) {
		shown[fmt.Sprint(e["cap"], " ", e["capable"])]++
	}
	for _, answer := range []string{"CAP_CHOWN true", "CAP_MKNOD false", "CAP_FOWNER false"} {
		if shown[answer] == 0 {
			t.Errorf("not with --unique: %s", answer)
		}
	}
	for answer, n := range shown {
		if n != 1 {
			t.Errorf("%d times with --unique: %s", n, answer)
		}
	}
}
