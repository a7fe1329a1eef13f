package registry

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// Environment by which the test binary runs itself.
const (
	workerVar = "GADGET_TEST_WORKER" // number of a worker on the store in storeVar
	storeVar  = "GADGET_TEST_STORE"
	againVar  = "GADGET_TEST_AGAIN" // name of the test that runs in other namespaces
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

// work puts, tags and removes under names of its own, but images that it shares
// with a few other workers, so that one deletes what another is adding. It says
// on stdout what it will do and what it has done.
func work(worker, dir string) error {
	ctx := context.Background()
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		return err
	}
	for round := range rounds {
		n, err := strconv.Atoi(worker)
		if err != nil {
			return err
		}
		img := testImage(fmt.Sprintf("%d of %d", round%4, n%4))
		name, err := ParseReference(fmt.Sprintf("worker%s/x:%d", worker, round))
		if err != nil {
			return err
		}
		moving := name
		moving.Tag = "moving"
		d, err := Digest(img)
		if err != nil {
			return err
		}
		fmt.Println("will", name)
		if _, err := s.Put(ctx, img, name); err != nil {
			return err
		}
		fmt.Println("have", name, d)
		fmt.Println("will", moving)
		if err := s.Tag(ctx, d, moving); err != nil {
			return err
		}
		fmt.Println("have", moving, d)
		if round%6 == 0 {
			continue
		}
		fmt.Println("will", name)
		if _, err := s.Remove(ctx, name.String()); err != nil {
			return err
		}
		fmt.Println("gone", name)
	}
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
	var wg sync.WaitGroup
	for n := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", workerVar, n), storeVar+"="+dir)
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
	if len(d.state) != 20*(rounds+1) {
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
	d.check(t, dir)
}

func TestKilledProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for range 3 {
		runWorkers(t, dir, 1500*time.Millisecond).check(t, dir)
	}
}

// again runs the calling test once more in other namespaces and returns true in
// there.
func again(t *testing.T, attr *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv(againVar) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), againVar+"="+t.Name())
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("namespaces are not permitted here")
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// withMounts is again with a mount namespace of its own.
func withMounts(t *testing.T) bool {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	return again(t, attr)
}

// withoutRoot is again as a user without any privilege.
func withoutRoot(t *testing.T) bool {
	t.Helper()
	return again(t, &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
	})
}

func TestWithoutRoot(t *testing.T) {
	if !withoutRoot(t) {
		return
	}
	s := testStore(t)
	d := put(t, s, testImage("a"), "a")
	if err := s.Tag(t.Context(), d, ref(t, "b")); err != nil {
		t.Error(err)
	}
	if r, err := s.Remove(t.Context(), string(d)); err != nil || r.Blobs != 8 {
		t.Errorf("remove: %+v, %v", r, err)
	}
	d = put(t, s, testImage("a"), "a")
	if err := os.Chmod(s.Dir(), 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(s.Dir(), 0o700)
	want := "store " + s.Dir() + " may not be written by user 1000 (use another one with GADGET_STORE)"
	if err := s.Tag(t.Context(), d, ref(t, "c")); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := s.Resolve(t.Context(), "a"); err != nil {
		t.Errorf("reading: %v", err)
	}
	if err := os.Chmod(s.Dir(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(s.Dir(), StoreOptions{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("open: %v", err)
	}
}

func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func TestFullDisk(t *testing.T) {
	if !withMounts(t) {
		return
	}
	dir := t.TempDir()
	mount(t, dir, "size=256k", 0)
	s, err := OpenStore(filepath.Join(dir, "store"), StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, testImage("small"), "x")
	before, index := blobs(t, s), readFile(t, s, indexFile)
	big := testImage("big")
	big.Platforms[1].Layers[0].Data = bytes.Repeat([]byte("0123456789abcdef"), 32<<10)
	_, err = s.Put(t.Context(), big, ref(t, "x"))
	if err == nil || !strings.Contains(err.Error(), "the disk is full, nothing was changed (free some space") || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if got := blobs(t, s); !equal(got, before) {
		t.Errorf("blobs %v, before %v", got, before)
	}
	if got := readFile(t, s, indexFile); got != index {
		t.Errorf("index %s, before %s", got, index)
	}
	if rest, _ := os.ReadDir(filepath.Join(s.Dir(), "ingest")); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}
	// Not even a name fits on a disk that others have filled.
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	_ = fill.Close()
	d, err := s.Resolve(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tag(t.Context(), d.Digest, ref(t, "y")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("tag: %v", err)
	}
	if got := readFile(t, s, indexFile); got != index {
		t.Errorf("index %s, before %s", got, index)
	}
	if _, err := s.Image(t.Context(), d.Digest); err != nil {
		t.Errorf("the old image: %v", err)
	}
}

func TestReadOnlyStore(t *testing.T) {
	if !withMounts(t) {
		return
	}
	dir := t.TempDir()
	mount(t, dir, "size=1m", 0)
	s, err := OpenStore(filepath.Join(dir, "store"), StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := put(t, s, testImage("a"), "a")
	mount(t, dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY)
	if s, err = OpenStore(s.Dir(), StoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Resolve(t.Context(), "a"); err != nil || got.Digest != d {
		t.Errorf("resolve: %v, %v", got, err)
	}
	if _, err := s.Image(t.Context(), d); err != nil {
		t.Errorf("image: %v", err)
	}
	if entries, err := s.List(t.Context()); err != nil || len(entries) != 1 {
		t.Errorf("list: %v, %v", entries, err)
	}
	_, putErr := s.Put(t.Context(), testImage("b"), ref(t, "b"))
	_, removeErr := s.Remove(t.Context(), "a")
	for what, err := range map[string]error{"put": putErr, "tag": s.Tag(t.Context(), d, ref(t, "c")), "remove": removeErr} {
		if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "is on a read-only file system") {
			t.Errorf("%s: %v", what, err)
		}
	}
	other, err := OpenStore(filepath.Join(dir, "new"), StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Put(t.Context(), testImage("b")); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a new store: %v", err)
	}
}

func readFile(t *testing.T, s *Store, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.Dir(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func equal(a, b []string) bool { return strings.Join(a, " ") == strings.Join(b, " ") }
