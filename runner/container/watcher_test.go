package container

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// startWatcher starts a watcher for the test; with filter it gets a filter map.
func startWatcher(t *testing.T, o Options, filter bool) *Watcher {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("eBPF needs root")
	}
	if filter {
		m, err := NewFilterMap()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		o.FilterMap = m
	}
	if o.Notice == nil {
		o.Notice = func(text string) {
			if !strings.HasSuffix(text, "; waiting") {
				t.Errorf("notice: %s", text)
			}
		}
	}
	w, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, w)
	return w
}

// closeAfter closes the watcher at the end of the test.
func closeAfter(t *testing.T, w *Watcher) {
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// find returns the living container of that name, nil when there is none. Others
// may run on this machine too: tests look only at their own.
func find(table *Table, name string) *event.Container {
	for _, c := range table.Containers() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// program makes a copy of a program of the host under a path that no other test uses.
func program(t *testing.T, name string) string {
	t.Helper()
	binary, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// filtered returns the mount namespaces in the filter.
func filtered(t *testing.T, m *ebpf.Map) []uint64 {
	t.Helper()
	var list []uint64
	var number uint64
	var one uint32
	entries := m.Iterate()
	for entries.Next(&number, &one) {
		list = append(list, number)
	}
	if err := entries.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// hold starts a container that lives until the returned function is called.
func hold(t *testing.T, d *testengine.Docker, options ...string) (stop func()) {
	t.Helper()
	id := d.Run(t, append([]string{"--detach", "--rm"}, options...), "sleep", "1000")
	return func() { d.Do(t, "kill", id) }
}

// count counts events by container and file.
func count(list []caught) map[string]int {
	n := map[string]int{}
	for _, c := range list {
		name := "-"
		if c.container != nil {
			name = c.container.Name
		}
		n[name+" "+c.file()]++
	}
	return n
}

func TestDockerContainers(t *testing.T) {
	d := testengine.StartDocker(t)
	t.Setenv("DOCKER_HOST", d.Host())
	t.Run("first exec", func(t *testing.T) {
		checkFirsts(t, engine.Options{}, func(name string, command ...string) *exec.Cmd {
			return d.RunCommand([]string{"--rm", "--name", name}, command...)
		})
	})
	t.Run("existing", func(t *testing.T) { testExisting(t, d) })
	t.Run("selector", func(t *testing.T) { testSelector(t, d) })
	t.Run("host and selector", func(t *testing.T) { testHostAndSelector(t, d) })
	t.Run("private mounts of the host", func(t *testing.T) { testHostNamespaces(t, d) })
	t.Run("reused numbers", func(t *testing.T) { testReusedNumbers(t, d) })
	t.Run("restart", func(t *testing.T) { testRestart(t, d) })
	t.Run("docker is silent", func(t *testing.T) { testSilentDocker(t, d) })
	t.Run("list", func(t *testing.T) { testList(t, d) })
}

// What runs already is known soon, and in the filter at once.
func testExisting(t *testing.T, d *testengine.Docker) {
	defer hold(t, d, "--name", "existing", "--label", "app=shop")()
	view := newHostView("")
	number := view.namespace(d.Do(t, "inspect", "--format", "{{.State.Pid}}", "existing"), "mnt")
	w := startWatcher(t, Options{}, true)
	if !slices.Contains(filtered(t, w.opts.FilterMap), number) {
		t.Error("it is not in the filter after start")
	}
	start := time.Now()
	eventually(t, "the container is known", func() bool { return find(w.Table(), "existing") != nil })
	t.Logf("named %v after start", time.Since(start))

	c := find(w.Table(), "existing")
	if c.MntNS != number || c.Name != "existing" || c.Image != testengine.Image || c.Runtime != "docker" || c.Labels["app"] != "shop" {
		t.Errorf("got %+v", c)
	}
	fields := strings.Fields(d.Do(t, "inspect", "--format", "{{.Id}} {{.State.Pid}} {{.Created}} {{.State.StartedAt}}", "existing"))
	if c.ID != fields[0] || fmt.Sprint(c.PID) != fields[1] {
		t.Errorf("got %s %d, docker says %v", c.ID, c.PID, fields)
	}
	// Docker notes the start a while after the first process has been made.
	if got := time.Unix(0, c.StartedAt); got.Before(instant(t, fields[2])) || got.After(instant(t, fields[3])) {
		t.Errorf("started at %v, docker says created and started at %v", got, fields[2:])
	}
	if !strings.Contains(c.CgroupPath, c.ID) || c.CgroupID == 0 || c.NetNS == 0 || c.HostNetwork {
		t.Errorf("got %+v", c)
	}
	if _, state := w.Table().Lookup(c.MntNS, 0); state != Known {
		t.Errorf("state is %v", state)
	}
	execs := startExecs(t, w.opts.FilterMap)
	d.Do(t, "exec", "existing", "ls")
	if n := count(execs.catch(t, w.Table(), 50*time.Millisecond))["existing /bin/ls"]; n != 1 {
		t.Errorf("%d of 1 execs by docker exec", n)
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// A selector chooses containers that start later, and no others.
func testSelector(t *testing.T, d *testengine.Docker) {
	defer hold(t, d, "--name", "web-old")()
	defer hold(t, d, "--name", "db-old")()
	names, err := ParsePatterns("web*,!web-3")
	if err != nil {
		t.Fatal(err)
	}
	w := startWatcher(t, Options{Selector: Selector{Name: names}}, true)
	execs := startExecs(t, w.opts.FilterMap)
	eventually(t, "one match", func() bool { return w.Table().Matches() == 1 })
	for _, name := range []string{"web-1", "db-1", "web-2", "web-3", "other"} {
		d.Run(t, []string{"--rm", "--name", name}, "true")
	}
	d.Do(t, "exec", "web-old", "ls")
	d.Do(t, "exec", "db-old", "ls")
	got := count(execs.catch(t, w.Table(), 50*time.Millisecond))
	for _, key := range []string{"web-1 /bin/true", "web-2 /bin/true", "web-old /bin/ls"} {
		if got[key] != 1 {
			t.Errorf("%s: %d of 1", key, got[key])
		}
	}
	for key, n := range got {
		if !strings.HasPrefix(key, "web-") || strings.HasPrefix(key, "web-3") {
			t.Errorf("%s: %d of 0", key, n)
		}
	}
	want := w.Table().Containers()
	eventually(t, "only the match in the filter", func() bool {
		f := filtered(t, w.opts.FilterMap)
		return len(want) == 1 && len(f) == 1 && f[0] == want[0].MntNS
	})
}

// With a selector, --host adds the host's processes to the matching containers.
func testHostAndSelector(t *testing.T, d *testengine.Docker) {
	w := startWatcher(t, Options{Host: true, Selector: Selector{Name: Patterns{"web"}}}, true)
	execs := startExecs(t, w.opts.FilterMap)
	d.Run(t, []string{"--rm", "--name", "web"}, "true")
	d.Run(t, []string{"--rm", "--name", "db"}, "true")
	host := program(t, "true")
	run(t, host)
	run(t, "unshare", "--mount", host)
	onHost, inWeb := 0, 0
	for _, c := range execs.catch(t, w.Table(), 50*time.Millisecond) {
		switch {
		case c.container != nil && c.container.Name != "web":
			t.Errorf("%s of %s", c.file(), c.container.Name)
		case c.container != nil && c.file() == "/bin/true":
			inWeb++
		case c.container == nil && c.file() == host:
			onHost++
		}
	}
	if inWeb != 1 || onHost != 2 {
		t.Errorf("%d of 1 execs of web, %d of 2 of the host", inWeb, onHost)
	}
}

func run(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", command, err, out)
	}
}

// A mount namespace alone does not make a container.
func testHostNamespaces(t *testing.T, d *testengine.Docker) {
	w := startWatcher(t, Options{}, true)
	execs := startExecs(t, w.opts.FilterMap)
	host := program(t, "true")
	run(t, host)
	run(t, "unshare", "--mount", host)
	run(t, "unshare", "--mount", "--fork", host)
	run(t, "unshare", "--mount", "--fork", "/bin/sh", "-c", host+"; /bin/sleep 0.3; "+host)
	for _, c := range execs.catch(t, w.Table(), 50*time.Millisecond) {
		if c.file() == host {
			t.Errorf("an exec of the host in namespace %d", c.MntNS)
		}
	}
	_, number := private(t)
	eventually(t, "the host's namespace leaves the filter", func() bool {
		_, state := w.Table().Lookup(number, 0)
		return state == Host && !slices.Contains(filtered(t, w.opts.FilterMap), number)
	})
	// Inside a container it belongs to the container.
	defer hold(t, d, "--name", "nest", "--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined")()
	d.Do(t, "exec", "nest", "unshare", "-m", "ls")
	nested := 0
	for _, c := range execs.catch(t, w.Table(), 50*time.Millisecond) {
		if c.container != nil && c.container.Name == "nest" && c.MntNS != c.container.MntNS {
			nested++
		}
	}
	if nested != 1 {
		t.Errorf("%d of 1 execs in a namespace below the container's", nested)
	}
}

// Events of a container keep its name when its number belongs to another one.
func testReusedNumbers(t *testing.T, d *testengine.Docker) {
	// A slow machine needs longer for all of them than gone ones are usually remembered.
	w := startWatcher(t, Options{TTL: time.Minute}, true)
	execs := startExecs(t, w.opts.FilterMap)
	const containers = 12
	for i := range containers {
		d.Run(t, []string{"--rm", "--name", fmt.Sprintf("reuse-%d", i)}, fmt.Sprintf("/bin/%s", applet(i)))
	}
	// Read only now that all of them are gone: the time has to tell.
	list := execs.catch(t, w.Table(), 50*time.Millisecond)
	numbers := map[uint64]bool{}
	for i := range containers {
		key := fmt.Sprintf("reuse-%d /bin/%s", i, applet(i))
		if n := count(list)[key]; n != 1 {
			t.Errorf("%s: %d of 1", key, n)
		}
	}
	for _, c := range list {
		if c.container != nil && strings.HasPrefix(c.container.Name, "reuse-") {
			numbers[c.MntNS] = true
		}
	}
	if len(numbers) == containers {
		t.Error("no number was reused: this test shows nothing")
	}
	t.Logf("%d containers had %d numbers", containers, len(numbers))
}

func applet(i int) string { return []string{"true", "ls", "id", "echo"}[i%4] }

// A container that is started again is the same one with another process.
func testRestart(t *testing.T, d *testengine.Docker) {
	w := startWatcher(t, Options{}, true)
	d.Do(t, "create", "--name", "again", "--network=none", testengine.Image, "sleep", "1000")
	defer d.Do(t, "rm", "--force", "again")
	var pids []uint32
	for range 2 {
		d.Do(t, "start", "again")
		eventually(t, "it runs", func() bool { return find(w.Table(), "again") != nil })
		c := find(w.Table(), "again")
		if want := d.Do(t, "inspect", "--format", "{{.State.Pid}}", "again"); fmt.Sprint(c.PID) != want {
			t.Errorf("process is %d, docker says %s", c.PID, want)
		}
		pids = append(pids, c.PID)
		d.Do(t, "kill", "again")
		eventually(t, "it is gone", func() bool { return find(w.Table(), "again") == nil })
	}
	if pids[0] == pids[1] {
		t.Errorf("both had process %d", pids[0])
	}
}

// Without an answer of docker events come with the id, after the wait.
func testSilentDocker(t *testing.T, d *testengine.Docker) {
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	notices := make(chan string, 10)
	w := startWatcher(t, Options{Engines: engine.Options{Docker: silent}, Notice: func(text string) { notices <- text }}, true)
	execs := startExecs(t, w.opts.FilterMap)
	id := d.Do(t, "create", "--network=none", "--name", "nameless", testengine.Image, "true")
	defer d.Do(t, "rm", id)
	d.Do(t, "start", "--attach", id)
	found := false
	for _, c := range execs.catch(t, w.Table(), 50*time.Millisecond) {
		if c.file() == "/bin/true" && c.container != nil && c.container.ID == id {
			found = c.container.Name == id[:12]
		}
		if c.waited > 3*DefaultEnrichWait {
			t.Errorf("%s waited %v", c.file(), c.waited)
		}
	}
	if !found {
		t.Error("no exec with an id")
	}
	for text := range notices {
		if strings.Contains(text, "no answer within") {
			if !strings.Contains(text, "everything else works") {
				t.Errorf("notice %q does not say what works", text)
			}
			break
		}
	}
}

// The same is found from /proc, without eBPF.
func testList(t *testing.T, d *testengine.Docker) {
	defer hold(t, d, "--name", "listed-b")()
	defer hold(t, d, "--name", "listed-a")()
	list, err := List(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range list {
		if !strings.HasPrefix(c.Name, "listed-") {
			continue
		}
		names = append(names, c.Name)
		if got := d.Do(t, "inspect", "--format", "{{.State.Pid}}", c.Name); got != fmt.Sprint(c.PID) {
			t.Errorf("%s has process %d, docker says %s", c.Name, c.PID, got)
		}
		if c.MntNS == 0 || c.NetNS == 0 || c.CgroupID == 0 || c.StartedAt == 0 {
			t.Errorf("got %+v", c)
		}
	}
	if diff := cmp.Diff([]string{"listed-a", "listed-b"}, names); diff != "" {
		t.Error(diff)
	}
}
