//go:build guests

package guests

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"
)

var (
	binary  = flag.String("gadget", "", "the gadget binary to test, for amd64")
	only    = flag.String("kernels", "", "run only kernels whose name matches this expression")
	verbose = flag.Bool("console", false, "print the consoles of all guests")
)

// kernels of the matrix: the oldest that is supported, two stable ones, the newest.
var kernels = []Kernel{
	{Name: "5.10", Suite: "bullseye", Package: "linux-image-5.10.*-cloud-amd64-unsigned", Arch: "amd64"},
	{Name: "6.1", Suite: "bookworm", Package: "linux-image-6.1.*-cloud-amd64-unsigned", Arch: "amd64"},
	{Name: "6.12", Suite: "trixie", Package: "linux-image-6.12.*-cloud-amd64-unsigned", Arch: "amd64"},
	{Name: "7.x", Suite: "trixie-backports", Package: "linux-binary-7.*-cloud-amd64", Arch: "amd64"},
}

// bootLimit of one guest, emulation included.
const bootLimit = 3 * time.Minute

// TestKernels runs all cases on all kernels, two guests at a time.
func TestKernels(t *testing.T) {
	if *binary == "" {
		t.Fatal("no binary: run make test-kernels, or go test -args -gadget FILE")
	}
	initrd := makeInitrd(t)
	slots := make(chan struct{}, runtime.NumCPU())
	for _, k := range kernels {
		if ok, err := regexp.MatchString(*only, k.Name); err != nil || !ok {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			image := fetchKernel(t, k)
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(context.Background(), bootLimit)
			defer cancel()
			start := time.Now()
			console, err := Boot(ctx, k, image, initrd)
			if *verbose || err != nil {
				t.Log(console)
			}
			if err != nil {
				t.Fatal(err)
			}
			report(t, console)
			t.Logf("%s: %.0f s", k.Name, time.Since(start).Seconds())
		})
	}
}

// report fails for each case that failed and for those that said nothing.
func report(t *testing.T, console string) {
	t.Helper()
	said := map[string]bool{}
	for _, r := range Results(console) {
		said[r.Case] = true
		t.Logf("%-20s %s %s", r.Case, r.Verdict, r.Detail)
		if r.Verdict == "fail" {
			t.Errorf("%s: %s", r.Case, r.Detail)
		}
	}
	for _, c := range caseNames(t) {
		if !said[c] {
			t.Errorf("%s: said nothing", c)
		}
	}
	if t.Failed() {
		t.Log(console)
	}
}

// scripts are the files of all cases.
func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.sh")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	return files
}

// caseNames are the cases that a guest must report: one for each script, or
// those that its first line names.
func caseNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, f := range scripts(t) {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(content), "\n")
		if list, ok := strings.CutPrefix(first, "# cases: "); ok {
			names = append(names, strings.Fields(list)...)
		} else {
			names = append(names, strings.TrimSuffix(filepath.Base(f), ".sh"))
		}
	}
	return names
}

func makeInitrd(t *testing.T) string {
	t.Helper()
	files, err := Base("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	add := func(name, from string, executable bool) {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = File{Content: content, Executable: executable}
	}
	add("/init", "testdata/init", true)
	add("/bin/gadget", *binary, true)
	for _, f := range scripts(t) {
		add("/cases/"+filepath.Base(f), f, false)
	}
	addStore(t, files)
	packed, err := Initrd(files)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "initrd.gz")
	if err := os.WriteFile(file, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// addStore builds the gadgets of testdata with the binary under test and puts its
// store where the guest's binary looks.
func addStore(t *testing.T, files map[string]File) {
	t.Helper()
	store := t.TempDir()
	dirs, err := filepath.Glob("testdata/gadgets/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no gadgets", err)
	}
	dirs = append(dirs, "../../runner/testdata/tasks")
	for _, dir := range dirs {
		cmd := exec.Command(*binary, "image", "build", "-t", filepath.Base(dir), dir)
		cmd.Env = append(os.Environ(), "GADGET_STORE="+store)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", dir, err, out)
		}
	}
	err = filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files["/var/lib/gadget"+strings.TrimPrefix(path, store)] = File{Content: content}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fetchKernel downloads and unpacks a Debian kernel with an apt state of its own
// and returns the kernel image. Downloads are kept.
func fetchKernel(t *testing.T, k Kernel) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "gadget-build", "kernels", k.Suite+"-"+k.Arch)
	find := func() string {
		for _, pattern := range []string{"/boot/vmlinuz-*", "/usr/lib/modules/*/vmlinuz"} {
			found, _ := filepath.Glob(filepath.Join(dir, k.Name) + pattern)
			sort.Strings(found)
			if len(found) > 0 {
				return found[len(found)-1]
			}
		}
		return ""
	}
	if image := find(); image != "" {
		return image
	}
	out, err := exec.Command("sh", "testdata/fetch-kernel.sh", dir, k.Suite, k.Arch, k.Package, k.Name).CombinedOutput()
	if err != nil {
		t.Fatal(fmt.Errorf("fetch %s: %w\n%s", k.Package, err, out))
	}
	image := find()
	if image == "" {
		t.Fatalf("fetch %s: the package has no kernel image\n%s", k.Package, out)
	}
	return image
}
