package registry

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/gadget-bpf/gadget/schemas"
)

// Environment by which the test binary runs itself.
const (
	workerVar   = "GADGET_TEST_WORKER" // number of a worker on the store in storeVar, or oneOfEach
	storeVar    = "GADGET_TEST_STORE"
	registryVar = "GADGET_TEST_REGISTRY" // host from which workers pull
	againVar    = "GADGET_TEST_AGAIN"    // name of the test that runs in other namespaces
)

func TestMain(m *testing.M) {
	if n := os.Getenv(workerVar); n != "" {
		if err := work(n, os.Getenv(storeVar)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const rounds = 12

// pulled is the image of a registry that workers pull.
const pulled = "acme/pulled:v1"

// worker is one process on a store. It says on stdout what it will do and what it has
// done.
type worker struct {
	*Store
	n int
}

// work puts, tags, pulls, prunes and removes under names of its own, but images that
// it shares with a few other workers, so that one deletes what another is adding.
func work(number, dir string) error {
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		return err
	}
	w := worker{Store: s}
	if number == oneOfEach {
		return w.oneOfEach()
	}
	if w.n, err = strconv.Atoi(number); err != nil {
		return err
	}
	for round := range rounds {
		if err := w.round(round); err != nil {
			return err
		}
	}
	return nil
}

func (w worker) round(round int) error {
	ctx := context.Background()
	img := testImage(fmt.Sprintf("%d of %d", round%4, w.n%4))
	name, moving := w.name(round), w.name("moving")
	d, err := w.put(img, name)
	if err != nil {
		return err
	}
	fmt.Println("will", moving)
	if err := w.Tag(ctx, d, moving); err != nil {
		return err
	}
	fmt.Println("have", moving, d)
	switch round % 4 {
	case 1:
		// A name that all fight for: whoever was there before loses an image.
		shared, err := ParseReference("shared/x")
		if err != nil {
			return err
		}
		if _, err := w.Put(ctx, testImage(fmt.Sprint("shared ", w.n, round)), shared); err != nil {
			return err
		}
	case 2:
		if err := w.pull(w.name("pulled")); err != nil {
			return err
		}
	case 3:
		// Without a name: gone with the prune of whoever is first.
		if _, err := w.Put(ctx, testImage(fmt.Sprint("nameless ", w.n, round))); err != nil {
			return err
		}
		if _, err := w.Prune(ctx); err != nil {
			return err
		}
		if err := w.list(); err != nil {
			return err
		}
	}
	if round%6 == 0 {
		return nil
	}
	return w.remove(name)
}

// list wants every image that is listed to be whole, though others are removing some.
func (w worker) list() error {
	entries, err := w.List(context.Background())
	for _, e := range entries {
		err = errors.Join(err, e.Err)
	}
	return err
}

func (w worker) name(tag any) Reference {
	return Reference{Domain: DefaultDomain, Path: fmt.Sprintf("worker%d/x", w.n), Tag: fmt.Sprint(tag)}
}

func (w worker) put(img *schemas.Image, name Reference) (digest.Digest, error) {
	fmt.Println("will", name)
	d, err := w.Put(context.Background(), img, name)
	if err == nil {
		fmt.Println("have", name, d.Digest)
	}
	return d.Digest, err
}

func (w worker) remove(name Reference) error {
	fmt.Println("will", name)
	if _, err := w.Remove(context.Background(), name.String()); err != nil {
		return err
	}
	fmt.Println("gone", name)
	return nil
}

func (w worker) pull(to Reference) error {
	from, err := ParseReference(os.Getenv(registryVar) + "/" + pulled)
	if err != nil {
		return err
	}
	fmt.Println("will", to)
	c, err := Copy(context.Background(), NewClient(ClientOptions{}).Remote(from), from.String(), w, to, CopyOptions{})
	if err != nil {
		return err
	}
	fmt.Println("have", to, c.Digest)
	return nil
}

// diary is what the workers have said: the last word about each name.
type diary struct {
	sync.Mutex
	state map[string]string // name → digest, "" when gone, "?" when in the middle
}

func (d *diary) read(out *bytes.Buffer) {
	d.Lock()
	defer d.Unlock()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch w := strings.Fields(lines.Text()); {
		case len(w) == 2 && w[0] == "will":
			d.state[w[1]] = "?"
		case len(w) == 2 && w[0] == "gone":
			d.state[w[1]] = ""
		case len(w) == 3 && w[0] == "have":
			d.state[w[1]] = w[2]
		}
	}
}

// runWorkers runs 20 workers on a store; each is killed after a random time
// below kill when that is not zero.
func runWorkers(t *testing.T, dir string, kill time.Duration) *diary {
	d := &diary{state: map[string]string{}}
	r := modernRegistry(t, nil)
	from := testStore(t)
	put(t, from, testImage("pulled"), "x")
	remote, name := r.remote(t, pulled)
	mustCopy(t, from, "x", remote, name)
	var wg sync.WaitGroup
	for n := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", workerVar, n), storeVar+"="+dir, registryVar+"="+r.host)
		var out, words bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &words
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if kill > 0 {
				time.AfterFunc(rand.N(kill), func() { _ = cmd.Process.Kill() })
			}
			err := cmd.Wait()
			if err != nil && (kill == 0 || !strings.Contains(err.Error(), "killed")) {
				t.Errorf("worker %d: %v: %s", n, err, words.String())
			}
			d.read(&out)
		})
	}
	wg.Wait()
	return d
}

// check holds a store against what the workers said.
func (d *diary) check(t *testing.T, dir string) {
	t.Helper()
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range d.state {
		got, err := s.Resolve(t.Context(), name)
		switch {
		case want == "?":
		case want == "" && !errors.Is(err, ErrNotFound):
			t.Errorf("%s was removed, now %v, %v", name, got.Digest, err)
		case want != "" && (err != nil || got.Digest != digest.Digest(want)):
			t.Errorf("%s was to be %s, is %s, %v", name, want, got.Digest, err)
		}
	}
	entries, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]bool{}
	for _, e := range entries {
		img, err := s.Image(t.Context(), e.Digest)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		packed, _, err := pack(img)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range packed {
			live[b.Digest.Encoded()] = true
		}
	}
	// One more change collects what killed workers left.
	put(t, s, testImage("last"), "last")
	if _, err := s.Remove(t.Context(), "last"); err != nil {
		t.Error(err)
	}
	for _, b := range blobs(t, s) {
		if !live[b] {
			t.Errorf("blob %s is left though nothing refers to it", b)
		}
	}
	rest, err := filepath.Glob(filepath.Join(dir, "ingest", "*"))
	if more, _ := filepath.Glob(filepath.Join(dir, temporaryPattern)); err != nil || len(rest)+len(more) > 0 {
		t.Errorf("left behind: %v, %v, %v", rest, more, err)
	}
}

func TestManyProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	d := runWorkers(t, dir, 0)
	if len(d.state) != 20*(rounds+2) {
		t.Errorf("the workers spoke of %d names", len(d.state))
	}
	for name, state := range d.state {
		if state == "?" {
			t.Errorf("%s was left in the middle", name)
		}
	}
	// The last worker collects without being asked again.
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), leftoversMark)); err == nil {
		t.Error("leftovers are marked and nobody is writing any more")
	}
	entries, err := s.Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name == "" {
			t.Errorf("%s has no name, and all have pruned", e.Digest)
		}
	}
	d.check(t, dir)
}

func TestKilledProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for range 3 {
		runWorkers(t, dir, 1500*time.Millisecond).check(t, dir)
	}
}
