package runner

import (
	"bufio"
	"context"
	encjson "encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// Two images with the same files, which are no longer the same on disk.
const (
	shopImage  = "localhost/shop:latest"
	otherImage = "localhost/other:latest"
)

// sale is an event of testdata/uprobe.
type sale struct {
	Amount   int
	Customer uint64
	By       string
	Proc     struct {
		Comm string
		Pid  int
	}
	Runtime struct{ ContainerName string }
}

// seller is the container and the kind of program of a sale.
func (s sale) seller() string { return s.Runtime.ContainerName + " " + s.By }

// shop is a run of testdata/uprobe in the background.
type shop struct {
	sales chan sale
	ended chan error
	stop  context.CancelFunc

	mu      sync.Mutex
	notices []string
}

// openShop runs the gadget with the programs named and waits until it is ready.
func openShop(t *testing.T, p *plan.Plan, o Options, programs ...string) *shop {
	t.Helper()
	for i := range p.Programs {
		p.Programs[i].Disabled = !slices.Contains(programs, p.Programs[i].Name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	s := &shop{sales: make(chan sale, 1024), ended: make(chan error, 1), stop: cancel}
	out, in := io.Pipe()
	ready := make(chan struct{})
	o.Out, o.Encoder, o.Ready = in, json, func() { close(ready) }
	o.Notice = func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.notices = append(s.notices, text)
	}
	go func() {
		_, err := Run(ctx, p, o)
		in.CloseWithError(err)
		s.ended <- err
	}()
	go func() {
		defer close(s.sales)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var one sale
			if err := encjson.Unmarshal(lines.Bytes(), &one); err != nil {
				t.Errorf("%v in %s", err, lines.Bytes())
			}
			s.sales <- one
		}
	}()
	select {
	case <-ready:
	case err := <-s.ended:
		t.Fatalf("run: %v", err)
	}
	return s
}

// close ends the run and returns what came since the last event that was looked at.
func (s *shop) close(t *testing.T) []sale {
	t.Helper()
	s.stop()
	var rest []sale
	for one := range s.sales {
		rest = append(rest, one)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("run: %v", err)
	}
	return rest
}

// until makes sales until one satisfies the condition. It returns all that came.
func (s *shop) until(t *testing.T, what string, sell func(), enough func(sale) bool) []sale {
	t.Helper()
	var all []sale
	end := time.After(15 * time.Second)
	for {
		if sell != nil {
			sell()
		}
		pause := time.After(200 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case one, ok := <-s.sales:
				if !ok {
					t.Fatalf("%s: the run has ended: %v", what, <-s.ended)
				}
				all = append(all, one)
				if enough(one) {
					return all
				}
			case <-pause:
				waiting = false
			case <-end:
				s.mu.Lock()
				defer s.mu.Unlock()
				t.Fatalf("%s: not within 15 s; events %+v, notices %q", what, all, s.notices)
			}
		}
	}
}

// shopFiles are the tills as files of an image.
func shopFiles(t testing.TB) []testengine.File {
	t.Helper()
	root := gadgettest.Tills(t)
	var files []testengine.File
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f := testengine.File{Name: strings.TrimPrefix(name, root+"/")}
		if d.Type()&os.ModeSymlink != 0 {
			f.Link, err = os.Readlink(name)
		} else {
			f.Content, err = os.ReadFile(name)
		}
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestUprobesFollow attaches to libraries and programs of all kinds of containers,
// before and while they run.
func TestUprobesFollow(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/uprobe")
	docker := testengine.StartDocker(t)
	files := shopFiles(t)
	docker.Load(t, shopImage, files...)
	docker.Load(t, otherImage, append(files, testengine.File{Name: "etc/other"})...)
	start := func(name string, args ...string) {
		docker.RunImage(t, shopImage, []string{"--detach", "--name=" + name}, args...)
	}
	sell := func(name string) func() {
		return func() { docker.Do(t, "kill", "--signal=USR1", name) }
	}
	for _, kind := range []string{"glibc", "musl", "static", "go"} {
		start("first-"+kind, "till-"+kind)
	}
	start("first-dlopen", "till-dlopen", "/opt/plugins/libshop-2.so")
	start("sleeper", "sleep", "1000")

	o := Options{Engines: engine.Options{Docker: docker.Host()}}
	s := openShop(t, p, o, "shop_entry", "shop_return", "shop_go")
	t.Run("running", func(t *testing.T) {
		for _, kind := range []string{"glibc", "musl", "static"} {
			name := "first-" + kind
			all := s.until(t, name, sell(name), func(e sale) bool { return e.seller() == name+" return" })
			if len(all) != 2 || all[0].Amount != 7 || all[0].Customer != 0x123456789 || all[0].By != "entry" || all[1].Amount != 14 {
				t.Errorf("%s: %+v, want one entry and one return", name, all)
			}
		}
		all := s.until(t, "first-go", sell("first-go"), func(e sale) bool { return e.seller() == "first-go go" })
		if len(all) != 1 {
			t.Errorf("first-go: %+v, want one", all)
		}
	})
	t.Run("dlopen", func(t *testing.T) {
		s.until(t, "first-dlopen", sell("first-dlopen"), func(e sale) bool { return e.seller() == "first-dlopen return" })
	})
	t.Run("later process", func(t *testing.T) {
		docker.Do(t, "exec", "--detach", "--env", "TILL_NOW=1", "sleeper", "till-glibc")
		s.until(t, "sleeper", nil, func(e sale) bool { return e.seller() == "sleeper return" && e.Amount == 2 })
	})
	t.Run("later container", func(t *testing.T) {
		for _, kind := range []string{"glibc", "musl"} {
			name := "later-" + kind
			docker.RunImage(t, otherImage, []string{"--detach", "--name=" + name, "--env=TILL_NOW=1"}, "till-"+kind)
			// Its very first call, in a file that no other container has.
			s.until(t, name, nil, func(e sale) bool { return e.seller() == name+" return" && e.Amount == 2 })
		}
		docker.RunImage(t, otherImage, []string{"--detach", "--name=later-static"}, "till-static")
		s.until(t, "later-static", sell("later-static"), func(e sale) bool { return e.seller() == "later-static return" })
	})
	t.Run("shared layer", func(t *testing.T) {
		// Their file is the same, and has a number of its own in each.
		start("second-glibc", "till-glibc")
		for _, name := range []string{"first-glibc", "second-glibc"} {
			all := s.until(t, name, sell(name), func(e sale) bool { return e.seller() == name+" return" })
			if len(all) != 2 {
				t.Errorf("%s: %+v, want one entry and one return", name, all)
			}
		}
	})
	t.Run("after the first has gone", func(t *testing.T) {
		docker.Do(t, "rm", "--force", "first-glibc", "first-musl")
		s.until(t, "second-glibc", sell("second-glibc"), func(e sale) bool { return e.seller() == "second-glibc return" })
	})
	if rest := s.close(t); len(rest) > 0 {
		t.Errorf("events too many: %+v", rest)
	}
	nothingLeft(t, "shop_")

	t.Run("selector", func(t *testing.T) {
		var err error
		o := o
		if o.Selector.Name, err = container.ParsePatterns("later-glibc"); err != nil {
			t.Fatal(err)
		}
		s := openShop(t, p, o, "shop_many")
		for _, other := range []string{"later-musl", "first-static"} {
			sell(other)()
		}
		all := s.until(t, "chosen", sell("later-glibc"), func(e sale) bool { return e.Amount == 3 })
		if all = append(all, s.close(t)...); len(all) != 2 || all[0].seller() != "later-glibc many" || all[0].Amount != 7 {
			t.Errorf("%+v, want sell and restock_shelf of later-glibc", all)
		}
	})
	t.Run("usdt", func(t *testing.T) {
		s := openShop(t, p, o, "shop_usdt")
		for _, name := range []string{"later-glibc", "later-musl", "first-static"} {
			all := s.until(t, name, sell(name), func(e sale) bool { return e.seller() == name+" usdt" })
			if len(all) != 1 || all[0].Amount != 5 || all[0].Customer != 0x123456789 {
				t.Errorf("%s: %+v, want 7-2 for 0x123456789", name, all)
			}
		}
		s.close(t)
	})
}

// nothingLeft checks that no program whose name begins like that is loaded.
func nothingLeft(t *testing.T, prefix string) {
	t.Helper()
	var left []string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		left = nil
		var id ebpf.ProgramID
		for {
			var err error
			if id, err = ebpf.ProgramGetNextID(id); err != nil {
				break
			}
			prog, err := ebpf.NewProgramFromID(id)
			if err != nil {
				continue
			}
			if info, err := prog.Info(); err == nil && strings.HasPrefix(info.Name, prefix) {
				left = append(left, fmt.Sprintf("%s (%d)", info.Name, id))
			}
			prog.Close()
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("still loaded: %s", strings.Join(left, ", "))
}
