package uprobe

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
)

func needRoot(t testing.TB) { gadgettest.NeedRoot(t) }

// noChange is for namespaces that never do.
var noChange = make(chan struct{})

// ourselves are the namespaces of the tests.
func ourselves() ([]container.Space, bool) {
	return []container.Space{{MntNS: namespaceOf(os.Getpid()), PID: uint32(os.Getpid())}}, true
}

// spaces are namespaces that do not change.
type spaces func() ([]container.Space, bool)

func (s spaces) Spaces() ([]container.Space, bool) { return s() }

// trial is a follower with the programs of a gadget, in the namespace of the tests.
type trial struct {
	*Follower
	ring *ringbuf.Reader

	mu      sync.Mutex
	notices []string
}

// tidyTrial is how often files are looked at whether they are still of use.
const tidyTrial = 20 * time.Millisecond

// hooks are programs of ../testdata/uprobe with what they are attached to, "" for
// what their section says.
type hooks map[string]string

// try loads programs and starts to follow.
func try(t *testing.T, p *plan.Plan, h hooks, can abilities, poll bool) (*trial, error) {
	t.Helper()
	spec := p.Spec.Copy()
	o := Options{Namespaces: spaces(ourselves), Changed: noChange, Last: true, Host: true, can: &can, poll: poll, tidy: tidyTrial}
	var names []string
	for name := range p.Spec.Programs {
		if _, ok := h[name]; !ok {
			delete(spec.Programs, name)
			continue
		}
		names = append(names, name)
	}
	if err := prepare(spec, names, can); err != nil {
		t.Fatal(err)
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(coll.Close)
	o.Maps = coll.Maps
	for name, hook := range h {
		prog := *p.Program(name)
		if hook != "" {
			prog.Hook = hook
		}
		o.Programs = append(o.Programs, Program{Plan: &prog, Loaded: coll.Programs[name]})
	}
	tr := &trial{}
	o.Notice = func(text string) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.notices = append(tr.notices, text)
	}
	if tr.ring, err = ringbuf.NewReader(coll.Maps["events"]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.ring.Close() })
	if tr.Follower, err = Start(t.Context(), o); err != nil {
		return tr, err
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return tr, nil
}

func (tr *trial) said() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.notices)
}

// amounts are those of the events that come within a while, up to a number of them.
func (tr *trial) amounts(t *testing.T, p *plan.Plan, n int) []int32 {
	t.Helper()
	at := p.Source("sales").Layout.Field("amount").Offset
	tr.ring.SetDeadline(time.Now().Add(200 * time.Millisecond))
	var list []int32
	for len(list) < n {
		rec, err := tr.ring.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, int32(binary.NativeEndian.Uint32(rec.RawSample[at:])))
	}
	return list
}

// seller is a program of the shop that runs.
type seller struct {
	t   *testing.T
	cmd *exec.Cmd
}

func (s seller) sell() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		s.t.Fatal(err)
	}
}

func (s seller) stop() {
	_ = s.cmd.Process.Kill() // It may have ended.
	_ = s.cmd.Wait()
}

// till starts a program of the shop.
func till(t *testing.T, name string, args ...string) seller {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"LD_LIBRARY_PATH=" + filepath.Join(filepath.Dir(name), "../opt/shop/lib")}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := seller{t, cmd}
	t.Cleanup(s.stop)
	if _, err := out.Read(make([]byte, 10)); err != nil { // It is ready.
		t.Fatal(err)
	}
	return s
}

func TestFollower(t *testing.T) {
	needRoot(t)
	root := gadgettest.Tills(t)
	p := gadgettest.Plan(t, "../testdata/uprobe")
	t.Run("ways", func(t *testing.T) { ways(t, p, root) })
	t.Run("notices", func(t *testing.T) { notices(t, p, root) })
}

// ways attaches in all ways that kernels have: to programs that run already, and to
// libraries that are opened later.
func ways(t *testing.T, p *plan.Plan, root string) {
	for _, way := range []struct {
		name string
		can  abilities
		poll bool
	}{
		{"multi", abilities{multi: true, cookies: true}, false},
		{"single", abilities{cookies: true}, false},
		{"no cookies", abilities{}, false},
		{"no perf events", abilities{multi: true, cookies: true}, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			running := till(t, root+"/bin/till-glibc")
			static := till(t, root+"/bin/till-static")
			tr, err := try(t, p, hooks{"shop_usdt": "", "shop_many": ""}, way.can, way.poll)
			if err != nil {
				t.Fatal(err)
			}
			later := till(t, root+"/bin/till-dlopen", root+"/opt/plugins/libshop-2.so")
			for name, s := range map[string]seller{"running": running, "static": static, "later": later} {
				var got []int32
				for end := time.Now().Add(10 * time.Second); len(got) < 3 && time.Now().Before(end); {
					s.sell()
					got = tr.amounts(t, p, 3)
				}
				// Of sell, of its probe with 7 and -2, and of restock_shelf.
				if slices.Sort(got); !slices.Equal(got, []int32{3, 5, 7}) {
					t.Errorf("%s: %v, want 3, 5, 7; notices %q", name, got, tr.said())
				}
				if rest := tr.amounts(t, p, 1); len(rest) > 0 {
					t.Errorf("%s: %v too many", name, rest)
				}
			}
		})
	}
}

// notices checks what people are told.
func notices(t *testing.T, p *plan.Plan, root string) {
	shop := root + "/opt/shop/lib/libshop.so.1"
	can := kernelAbilities()
	for _, tt := range []struct {
		name  string
		hooks hooks
		want  string
	}{
		{"misspelt function", hooks{"shop_entry": shop + ":sel", "shop_return": shop + ":sell"},
			"uprobe " + shop + ":sel: " + shop + ` of the host: it has no such function; did you mean "sell"?`},
		{"misspelt probe", hooks{"shop_usdt": shop + ":shop:sales", "shop_return": shop + ":sell"},
			"usdt " + shop + ":shop:sales: " + shop + ` of the host: it has no such probe; did you mean "shop:sale"?`},
		{"no match", hooks{"shop_many": shop + ":x_*", "shop_return": shop + ":sell"},
			"uprobe.multi " + shop + ":x_*: " + shop + " of the host: no function there matches"},
		{"beyond the function", hooks{"shop_entry": shop + ":sell+0x1000", "shop_return": shop + ":sell"}, " bytes only"},
		{"return of Go", hooks{"shop_return": root + "/bin/till-go:main.sell", "shop_go": root + "/bin/till-go:main.sell"}, "it is a Go function, whose program would crash"},
		{"not a program", hooks{"shop_entry": "/etc/passwd:main", "shop_return": shop + ":sell"}, "not a program or library of this machine: no ELF header"},
		{"nowhere yet", hooks{"shop_entry": "libnowhere:sell", "shop_return": shop + ":sell"}, "uprobe libnowhere:sell: found nowhere on this host; waiting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := try(t, p, tt.hooks, can, false)
			if err != nil {
				t.Fatal(err)
			}
			if said := tr.said(); !strings.Contains(strings.Join(said, "\n"), tt.want) {
				t.Errorf("%q, want %q", said, tt.want)
			}
		})
	}
	t.Run("hopeless", func(t *testing.T) {
		_, err := try(t, p, hooks{"shop_entry": "/no/such/file:main", "shop_go": "/bin/nothing:f"}, can, false)
		var nowhere *NowhereError
		want := []string{"uprobe /bin/nothing:f", "uprobe /no/such/file:main"}
		if !errors.As(err, &nowhere) || !slices.Equal(nowhere.Targets, want) {
			t.Errorf("error %v, want one for %q", err, want)
		}
	})
	t.Run("found at last", func(t *testing.T) {
		tr, err := try(t, p, hooks{"shop_entry": "libshop-3:sell"}, can, false)
		if err != nil {
			t.Fatal(err)
		}
		library := filepath.Join(t.TempDir(), "libshop-3.so")
		text, err := os.ReadFile(shop)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(library, text, 0o755); err != nil {
			t.Fatal(err)
		}
		till(t, root+"/bin/till-dlopen", library).sell()
		want := []string{"uprobe libshop-3:sell: found nowhere on this host; waiting", "uprobe libshop-3:sell: found now"}
		for end := time.Now().Add(10 * time.Second); !slices.Equal(tr.said(), want); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%q, want %q", tr.said(), want)
			}
		}
	})
}

// TestTidy checks that a file is given up when it has been deleted and nobody runs it.
func TestTidy(t *testing.T) {
	needRoot(t)
	root := gadgettest.Tills(t)
	p := gadgettest.Plan(t, "../testdata/uprobe")
	tr, err := try(t, p, hooks{"shop_return": root + "/bin/till-static:sell", "shop_entry": root + "/bin/till-glibc:main"}, kernelAbilities(), false)
	if err != nil {
		t.Fatal(err)
	}
	files := func() int { return len(tr.registry.places(tr.units[namespaceOf(os.Getpid())])) }
	running := till(t, root+"/bin/till-static")
	if err := os.Remove(root + "/bin/till-static"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * tidyTrial)
	if n := files(); n != 2 {
		t.Errorf("%d files while one that is deleted still runs, want 2", n)
	}
	running.stop()
	for end := time.Now().Add(10 * time.Second); files() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d files after 10 s, want 1", files())
		}
	}
}
