package container

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/internal/testengine"
)

// sleepers lists the mount namespaces, other than our own, in which a sleep of so
// many seconds runs. It knows nothing of containers.
func sleepers(t *testing.T, seconds string) []uint64 {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var list []uint64
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil || string(text) != "sleep\x00"+seconds+"\x00" {
			continue
		}
		var number uint64
		link, err := os.Readlink(filepath.Dir(file) + "/ns/mnt")
		if err != nil || link == own {
			continue
		}
		if _, err := fmt.Sscanf(link, "mnt:[%d]", &number); err == nil {
			list = append(list, number)
		}
	}
	return list
}

// While containers of two kinds come and go, with an engine and without, the filter
// has every living one that matches, at every moment; those that do not match leave it
// and stay out; when it is quiet again it is equal to the set of those that match.
func TestFilterUnderChurn(t *testing.T) {
	const (
		wanted, unwanted = "0.31", "0.32" // what containers of each kind sleep, in seconds
		stay, stayAway   = "1001", "1002"
		churn            = 4 * time.Second
	)
	d := testengine.StartDocker(t)
	t.Setenv("DOCKER_HOST", d.Host())
	r := testengine.NewRunc(t, "runc")
	names, err := ParsePatterns("churn-*,!*-other,!*-other-*")
	if err != nil {
		t.Fatal(err)
	}
	w := startWatcher(t, Options{Selector: Selector{Name: names}}, true)
	d.Run(t, []string{"--detach", "--rm", "--name", "churn-stays"}, "sleep", stay)
	d.Run(t, []string{"--detach", "--rm", "--name", "churn-other"}, "sleep", stayAway)
	r.Start(t, "churn-other-runc", "sleep", stayAway)
	settled := func() bool {
		got := filtered(t, w.opts.FilterMap)
		return len(sleepers(t, stayAway)) == 2 && slices.Equal(got, sleepers(t, stay))
	}
	eventually(t, "only what matches is in the filter", settled)
	out := sleepers(t, stayAway)

	ctx, cancel := context.WithTimeout(t.Context(), churn)
	defer cancel()
	var running sync.WaitGroup
	var started atomic.Int64
	for i := range 2 {
		for kind, seconds := range map[string]string{"": wanted, "-other": unwanted} {
			running.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					name := fmt.Sprintf("churn-%d-%d%s", i, n, kind)
					cmd := d.RunCommand([]string{"--rm", "--name", name}, "sleep", seconds)
					if i == 1 {
						cmd = r.Command(t, name, "sleep", seconds)
					}
					if text, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("%s: %v: %s", name, err, text)
					}
					started.Add(1)
				}
			})
		}
	}
	looks, matching := 0, 0
	for ; ctx.Err() == nil; looks++ {
		before := sleepers(t, wanted)
		filter := filtered(t, w.opts.FilterMap)
		after := sleepers(t, wanted)
		for _, number := range before {
			if !slices.Contains(after, number) {
				continue // It has ended meanwhile.
			}
			matching++
			if !slices.Contains(filter, number) {
				t.Errorf("namespace %d of a container that matches is not in the filter", number)
			}
		}
		for _, number := range out {
			if slices.Contains(filter, number) {
				t.Errorf("namespace %d of a container that does not match is in the filter", number)
			}
		}
	}
	running.Wait()
	t.Logf("%d containers started, looked at %d times; %d times one matched", started.Load(), looks, matching)
	if matching == 0 {
		t.Error("no container that matches was ever seen")
	}
	eventually(t, "only what matches is in the filter", settled)
	for _, c := range w.Table().Containers() {
		if strings.HasPrefix(c.Name, "churn-") && c.Name != "churn-stays" {
			t.Errorf("%s is still known as living", c.Name)
		}
	}
	d.Do(t, "kill", "churn-stays", "churn-other")
}
