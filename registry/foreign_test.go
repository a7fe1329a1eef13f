package registry

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
)

// peerStore is a store as the peer makes it (compat-spec §1.4), by the library that it
// uses: entries with full names, others without a name for the platforms, a lock file.
func peerStore(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "oci-store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	theirs, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		packed, root, err := pack(testImage(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range packed {
			if there, err := theirs.Exists(t.Context(), b.Descriptor); there || err != nil {
				continue
			}
			if err := theirs.Push(t.Context(), b.Descriptor, strings.NewReader(string(b.data))); err != nil {
				t.Fatal(err)
			}
		}
		if err := theirs.Tag(t.Context(), root, ref(t, name).String()); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "index.json.lock"), "")
	return dir
}

// state is every file below a directory with its content and time.
func state(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %v %v %x\n", path, info.Mode(), info.ModTime(), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPeerStore reads the store of another program, and does not write to it.
func TestPeerStore(t *testing.T) {
	dir := peerStore(t, "trace_exec", "me/tool:v1")
	before := state(t, dir)
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Err != nil {
			t.Errorf("%s: %v", e.Name, e.Err)
		}
		names = append(names, e.Reference.Familiar())
	}
	if got := fmt.Sprint(names); got != "[trace_exec:latest ghcr.io/me/tool:v1]" && got != "[ghcr.io/me/tool:v1 trace_exec:latest]" {
		t.Errorf("listed %s", got)
	}
	d, err := s.Resolve(t.Context(), "trace_exec")
	if err != nil {
		t.Fatal(err)
	}
	if img, err := Load(t.Context(), s, d, "amd64"); err != nil || len(img.Platforms) != 1 {
		t.Errorf("load: %v", err)
	}
	own := testStore(t)
	mustCopy(t, s, "trace_exec", own, ref(t, "mine"))
	same(t, own, "mine", d.Digest, nil)

	_, putErr := s.Put(t.Context(), testImage("new"), ref(t, "new"))
	_, removeErr := s.Remove(t.Context(), "trace_exec")
	_, pruneErr := s.Prune(t.Context())
	_, copyErr := Copy(t.Context(), own, "mine", s, ref(t, "mine"), CopyOptions{})
	for what, err := range map[string]error{
		"put": putErr, "tag": s.Tag(t.Context(), d.Digest, ref(t, "other")), "remove": removeErr, "prune": pruneErr, "copy to": copyErr,
	} {
		if err == nil || !strings.Contains(err.Error(), "store "+dir+" is read, but never written to: it was made by another program") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := state(t, dir); after != before {
		t.Errorf("the store was changed:\n%s\nbefore:\n%s", after, before)
	}
}

// TestSharedLayout adds to a directory of another program, whose images stay.
func TestSharedLayout(t *testing.T) {
	dir := peerStore(t, "trace_exec")
	s, err := OpenStore(dir, StoreOptions{Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, testImage("new"), "new")
	theirs, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"new", "trace_exec"} {
		d, err := theirs.Resolve(t.Context(), ref(t, name).String())
		if err != nil || d.MediaType != ocispec.MediaTypeImageIndex {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if _, err := s.Image(t.Context(), d.Digest); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
