package usage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// fakeCgroups is a machine with cgroups of files: one hierarchy of each version.
type fakeCgroups struct {
	fakeProc
	t *testing.T
}

// newFakeCgroups makes one whose path has a blank in it.
func newFakeCgroups(t *testing.T, unified bool) *fakeCgroups {
	f := &fakeCgroups{fakeProc{filepath.Join(t.TempDir(), "a b")}, t}
	mounts := "24 1 0:22 / /proc rw - proc proc rw\n31 1 0:30 / " + f.mount("v1") + " rw,relatime shared:9 - cgroup cgroup rw,cpuset\n"
	if !unified {
		mounts += "32 1 0:29 / " + f.mount("v1") + " rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	}
	mounts += "33 1 0:31 / " + f.mount("v2") + " rw - cgroup2 none rw\n"
	f.put("proc/self/mountinfo", mounts)
	f.put("v2/cgroup.controllers", "cpuset cpu io\n")
	f.put("v1/cgroup.procs", "1\n")
	return f
}

func (f *fakeCgroups) mount(name string) string {
	return strings.ReplaceAll(filepath.Join(f.dir, name), " ", `\040`)
}

func (f *fakeCgroups) put(name, content string) {
	f.t.Helper()
	f.write(f.t, name, content)
}

// process makes a process whose mount namespace is the inode that is returned; with
// the same namespace as another when that is given.
func (f *fakeCgroups) process(pid, like string) {
	f.t.Helper()
	file := filepath.Join(f.dir, "proc", pid, "ns/mnt")
	if like == "" {
		f.put("proc/"+pid+"/ns/mnt", "")
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Link(filepath.Join(f.dir, "proc", like, "ns/mnt"), file); err != nil {
		f.t.Fatal(err)
	}
}

// cgroupFacts are what tests compare of a row.
type cgroupFacts struct {
	Path                       string
	Periods, Throttled, Time   uint64
	Ratio                      float64
	Quota, Period              uint64
	Cores, Pressure10, Press60 float64
	Owned                      bool
}

func facts(t *testing.T, c *Cgroups) []cgroupFacts {
	t.Helper()
	raw, err := c.Fetch(nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []cgroupFacts
	for _, r := range rowsOf[plan.CgroupRow](t, raw) {
		all = append(all, cgroupFacts{
			text(r.Path[:]), r.Periods, r.Throttled, r.ThrottledTime, r.ThrottleRatio,
			r.Quota, r.Period, r.LimitCores, r.PSI10, r.PSI60, r.MntNS != 0,
		})
	}
	return all
}

func TestCgroupsV2(t *testing.T) {
	f := newFakeCgroups(t, true)
	f.put("v2/docker/web/cpu.max", "50000 100000\n")
	f.put("v2/docker/web/cpu.stat", "usage_usec 7\nnr_periods 100\nnr_throttled 40\nthrottled_usec 2000\n")
	f.put("v2/docker/web/cpu.pressure", "some avg10=12.50 avg60=3.00 avg300=0.10 total=9\nfull avg10=99.00 avg60=99.00 avg300=0 total=1\n")
	f.put("v2/docker/web/init/cgroup.procs", "70\n71\n")
	f.put("v2/docker/free/cpu.max", "max 100000\n")
	f.put("v2/docker/free/cpu.stat", "nr_periods 5\n")
	f.put("v2/pod/cpu.max", "300000 200000\n")
	f.put("v2/pod/cpu.stat", "nr_periods 10\nnr_throttled 0\nthrottled_usec 0\n")
	f.put("v2/pod/one/cgroup.procs", "72\n")
	f.put("v2/pod/two/cgroup.procs", "73\n")
	f.put("v2/odd/cpu.max", "words\n")
	f.put("v2/halved/cpu.max", "1000 0\n")
	f.put("v2/gone/cpu.max", "1000 1000\n") // no cpu.stat any more
	f.process("70", "")
	f.process("71", "70")
	f.process("72", "")
	f.process("73", "")

	c, err := NewCgroups(CgroupOptions{Proc: filepath.Join(f.dir, "proc")})
	if err != nil {
		t.Fatal(err)
	}
	f.put("v2/docker/web/cpu.stat", "usage_usec 7\nnr_periods 110\nnr_throttled 45\nthrottled_usec 2500\n")
	f.put("v2/new/cpu.max", "10000 100000\n")
	f.put("v2/new/cpu.stat", "nr_periods 3\nnr_throttled 3\nthrottled_usec 1\n")
	want := []cgroupFacts{
		{"/docker/web", 10, 5, 500_000, 50, 50e6, 100e6, 0.5, 12.5, 3, true},
		{"/new", 3, 3, 1000, 100, 10e6, 100e6, 0.1, 0, 0, false},
		{"/pod", 0, 0, 0, 0, 300e6, 200e6, 1.5, 0, 0, false},
	}
	if diff := cmp.Diff(want, facts(t, c)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// One that is made anew counts from its own begin.
	f.put("v2/docker/web/cpu.stat", "nr_periods 2\nnr_throttled 1\nthrottled_usec 3\n")
	if got := facts(t, c)[0]; got.Periods != 2 || got.Throttled != 1 || got.Time != 3000 || got.Ratio != 50 {
		t.Errorf("made anew: %+v", got)
	}
}

func TestCgroupsV1(t *testing.T) {
	f := newFakeCgroups(t, false)
	f.put("v1/docker/web/cpu.cfs_quota_us", "20000\n")
	f.put("v1/docker/web/cpu.cfs_period_us", "100000\n")
	f.put("v1/docker/web/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 777\n")
	f.put("v1/docker/web/cgroup.procs", "70\n99\n")
	f.put("v2/docker/web/cpu.pressure", "some avg10=1.00 avg60=nan avg300=0.00 total=0\n")
	f.put("v1/docker/free/cpu.cfs_quota_us", "-1\n")
	f.put("v1/docker/free/cpu.cfs_period_us", "100000\n")
	f.put("v1/docker/free/cpu.stat", "nr_periods 5\n")
	f.put("v2/unified/cpu.max", "1 1\n") // not the hierarchy with the controller
	f.process("70", "")
	c, err := NewCgroups(CgroupOptions{Proc: filepath.Join(f.dir, "proc")})
	if err != nil {
		t.Fatal(err)
	}
	f.put("v1/docker/web/cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 1777\n")
	want := []cgroupFacts{{"/docker/web", 4, 1, 1000, 25, 20e6, 100e6, 0.2, 1, 0, true}}
	if diff := cmp.Diff(want, facts(t, c)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCgroupsWithoutController(t *testing.T) {
	f := newFakeCgroups(t, true)
	f.put("v2/cgroup.controllers", "cpuset io\n")
	if _, err := NewCgroups(CgroupOptions{Proc: filepath.Join(f.dir, "proc")}); !errors.Is(err, ErrNoController) {
		t.Errorf("error %v", err)
	}
}
