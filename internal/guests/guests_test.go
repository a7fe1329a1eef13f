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

func caseNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.sh")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".sh"))
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
	for _, c := range caseNames(t) {
		add("/cases/"+c+".sh", "testdata/cases/"+c+".sh", false)
	}
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
