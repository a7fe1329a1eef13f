package registry

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

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
