package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/testengine"
)

const clangImage = "localhost/clang:test"

// TestContainer builds a gadget in containers of podman and docker, and wants the
// bytes that the same clang makes on this machine.
func TestContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	if testing.Short() {
		t.Skip("the image with clang is large")
	}
	found, err := FindClang(t.Context(), os.Getenv("PATH"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a, b:c") // what a path may be
	if err := os.CopyFS(dir, os.DirFS("../cmd/gadget/testdata/gadgets/snoop")); err != nil {
		t.Fatal(err)
	}
	want, _, err := build(t, dir, Options{Clang: found.Path})
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "clang.tar")
	if err := clangRoot(found.Path, root); err != nil {
		t.Fatal(err)
	}
	for _, engine := range []struct {
		name  string
		start func(*testing.T)
	}{
		{Podman, startPodman},
		{Docker, func(t *testing.T) { t.Setenv("DOCKER_HOST", testengine.StartDocker(t).Host()) }},
	} {
		t.Run(engine.name, func(t *testing.T) {
			engine.start(t)
			do(t, engine.name, "import", root, clangImage)
			o := Options{Builder: engine.name, BuilderImage: clangImage, Offline: true}
			got, stderr, err := build(t, dir, o)
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			for i := range want.Image.Platforms {
				if !bytes.Equal(got.Image.Platforms[i].Layers[0].Data, want.Image.Platforms[i].Layers[0].Data) {
					t.Errorf("the object for %s differs", want.Image.Platforms[i].Arch)
				}
			}

			o.Platforms = []string{"linux/arm64"}

			// It is not root who compiles what somebody else has written.
			theirs := filepath.Join(t.TempDir(), "theirs")
			if err := os.CopyFS(theirs, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			give(t, theirs, 4242)
			if _, stderr, err := build(t, theirs, o); err != nil {
				t.Errorf("source of somebody else: %v\n%s", err, stderr)
			}

			// Mistakes are where they are on this machine.
			broken := filepath.Join(t.TempDir(), "broken")
			if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(broken, "program.bpf.c")
			if err := os.WriteFile(program, []byte("#include <vmlinux.h>\nint x = y;\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, stderr, err := build(t, broken, o); err == nil || !strings.Contains(stderr, program+":2:9: error: ") {
				t.Errorf("error %v; clang said:\n%s", err, stderr)
			}

			// An image without clang, and one that is not there.
			tiny(t, engine.name)
			var failed *EngineError
			o.BuilderImage = testengine.Image
			if _, _, err := build(t, dir, o); !errors.As(err, &failed) || !strings.Contains(failed.Hint, "by the name clang") {
				t.Errorf("without clang: %v", err)
			}
			o.BuilderImage = "localhost/nowhere:test"
			if _, _, err := build(t, dir, o); !errors.As(err, &failed) || !strings.Contains(failed.Error(), "the image is not here") {
				t.Errorf("without the image: %v", err)
			}

			// One that does not come to an end is gone when it is cancelled.
			endless := filepath.Join(t.TempDir(), "endless")
			if err := os.CopyFS(endless, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(endless, "program.bpf.c"), []byte("#include \"pipe.h\"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mkfifo(filepath.Join(endless, "pipe.h"), 0o644); err != nil {
				t.Fatal(err)
			}
			o.BuilderImage = clangImage
			cancelWhenUp(t, engine.name, endless, o)
			if left := do(t, engine.name, "ps", "--all", "--format", "{{.Names}}"); left != "" {
				t.Errorf("containers are left: %s", left)
			}
		})
	}
}

// cancelWhenUp builds until a container is up, and cancels then.
func cancelWhenUp(t *testing.T, engine, dir string, o Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	src, err := ResolveSource(dir, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Build(ctx, src, o)
		done <- err
	}()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		// As early as it is known, and so perhaps before it runs.
		if do(t, engine, "ps", "--all", "--quiet") != "" {
			break
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// do runs a command line of an engine and returns what it printed.
func do(t *testing.T, engine string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(engine, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v: %s", engine, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

// tiny gives an engine the image without anything in it.
func tiny(t *testing.T, engine string) {
	t.Helper()
	archive, err := testengine.Archive(testengine.Image)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tiny.tar")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, engine, "load", "--quiet", "--input", file)
}

func give(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return err
		}
		return os.Chown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// startPodman makes podman keep what it has in a directory of the test, and ask for
// no limit that this machine may not set.
func startPodman(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "podman")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"containers.conf": "[engine]\nruntime = \"runc\"\ntmp_dir = \"" + dir + "/tmp\"\n" +
			"[containers]\npids_limit = -1\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=1000:1000\"]\n",
		"storage.conf": fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", dir+"/graph", dir+"/run"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CONTAINERS_CONF", filepath.Join(dir, "containers.conf"))
	t.Setenv("CONTAINERS_STORAGE_CONF", filepath.Join(dir, "storage.conf"))
	t.Cleanup(func() {
		out, err := exec.Command("podman", "rmi", "--all", "--force").CombinedOutput()
		// Podman keeps its storage mounted on itself.
		_ = unix.Unmount(filepath.Join(dir, "graph", "overlay"), unix.MNT_DETACH)
		if err == nil {
			err = os.RemoveAll(dir)
		}
		if err != nil {
			t.Errorf("remove what podman left: %v: %s", err, out)
		}
	})
}

// library matches what ldd says of a library, and of the loader.
var library = regexp.MustCompile(`(?m)(?:=> |^\t)(/\S+) \(0x`)

// clangRoot writes a root file system with a clang of this machine, its libraries and
// headers, and nothing else.
func clangRoot(clang, file string) error {
	real, err := filepath.EvalSymlinks(clang)
	if err != nil {
		return err
	}
	libraries, err := exec.Command("ldd", real).Output()
	if err != nil {
		return err
	}
	resources, err := exec.Command(real, "-print-resource-dir").Output()
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	for _, dir := range []string{"proc/", "sys/", "dev/", "tmp/", "gadget/"} {
		if err := w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			return err
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "usr/bin/clang", Typeflag: tar.TypeSymlink, Linkname: real, Mode: 0o777}); err != nil {
		return err
	}
	files := []string{real}
	for _, m := range library.FindAllStringSubmatch(string(libraries), -1) {
		files = append(files, filepath.Clean(m[1]))
	}
	include := filepath.Join(filepath.Clean(strings.TrimSpace(string(resources))), "include")
	headers, err := filepath.EvalSymlinks(include)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(headers, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			err = addFile(w, path, include+strings.TrimPrefix(path, headers))
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := addFile(w, f, f); err != nil {
			return err
		}
	}
	return w.Close()
}

func addFile(w *tar.Writer, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(to, "/"), Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
