//go:build guests

package guests

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	binary  = flag.String("gadget", "", "the gadget binary to test, for amd64; the one for arm64 has -arm64 at its end")
	only    = flag.String("kernels", "", "run only kernels whose name matches this expression")
	verbose = flag.Bool("console", false, "print the consoles of all guests")
	update  = flag.Bool("update", false, "write what was seen into docs/kernels.md")
)

// kernels of the matrix: the oldest that is supported, two stable ones, the
// newest, and another architecture.
var kernels = []Kernel{
	{Name: "5.10", Suite: "bullseye", Package: "linux-image-5.10.*-cloud-amd64-unsigned", Arch: "amd64"},
	{Name: "6.1", Suite: "bookworm", Package: "linux-image-6.1.*-cloud-amd64-unsigned", Arch: "amd64"},
	{Name: "6.12", Suite: "trixie", Package: "linux-image-6.12.*-cloud-amd64-unsigned", Arch: "amd64"},
	{Name: "7.x", Suite: "trixie-backports", Package: "linux-binary-7.*-cloud-amd64", Arch: "amd64"},
	{Name: "6.12-arm64", Suite: "trixie", Package: "linux-image-6.12.*-cloud-arm64", Arch: "arm64"},
}

const (
	// bootLimit is the time after which a guest hangs, however busy this machine is.
	// One should take less than two minutes of processor time, which is printed.
	bootLimit = 6 * time.Minute
	// docsPage has the table.
	docsPage = "../../docs/kernels.md"
)

// TestKernels runs all cases on all kernels, as many guests at a time as there are
// processors, and compares what works with what the documentation says.
func TestKernels(t *testing.T) {
	if *binary == "" {
		t.Fatal("no binary: run make test-kernels, or go test -args -gadget FILE")
	}
	table := readTable(t)
	store := buildStore(t)
	initrds := map[string]string{}
	wanted := slices.DeleteFunc(slices.Clone(kernels), func(k Kernel) bool {
		ok, err := regexp.MatchString(*only, k.Name)
		return err != nil || !ok
	})
	for _, k := range wanted {
		if initrds[k.Arch] == "" {
			initrds[k.Arch] = makeInitrd(t, k.Arch, store)
		}
	}
	var mu sync.Mutex
	slots := make(chan struct{}, runtime.NumCPU())
	t.Run("on", func(t *testing.T) {
		for _, k := range wanted {
			t.Run(k.Name, func(t *testing.T) {
				t.Parallel()
				image := fetch(t, k.Suite, k.Arch, k.Package, "*/vmlinuz*")
				slots <- struct{}{}
				defer func() { <-slots }()
				results := boot(t, k, image, initrds[k.Arch])
				mu.Lock()
				defer mu.Unlock()
				table.Set(k.Name, results)
			})
		}
	})
	t.Log(table.String())
	if !t.Failed() {
		compareTable(t, table)
	}
}

// boot runs one guest and fails for what went wrong in it.
func boot(t *testing.T, k Kernel, image, initrd string) []Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	start := time.Now()
	run, err := Boot(ctx, k, image, initrd)
	if *verbose || err != nil {
		t.Log(run.Console)
	}
	if err != nil {
		t.Fatal(err)
	}
	results := run.Results()
	said := map[string]int{}
	for _, r := range results {
		said[r.Case]++
		if r.Verdict == "fail" {
			t.Errorf("%s: %s", r.Case, r.Detail)
		}
	}
	for _, c := range caseNames(t) {
		if said[c] != 1 {
			t.Errorf("%s: gave %d verdicts", c, said[c])
		}
	}
	if t.Failed() {
		t.Log(run.Console)
	}
	t.Logf("%s: %d cases in %s, %s of them computing\n%s", k.Name, len(results), time.Since(start).Round(time.Second),
		run.Computing.Round(time.Second), strings.Join(run.Notes(), ", "))
	return results
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
		first, _, _ := strings.Cut(string(read(t, f)), "\n")
		if list, ok := strings.CutPrefix(first, "# cases: "); ok {
			names = append(names, strings.Fields(list)...)
		} else {
			names = append(names, strings.TrimSuffix(filepath.Base(f), ".sh"))
		}
	}
	return names
}

// readTable reads the committed table, for the cases that there are now.
func readTable(t *testing.T) *Table {
	t.Helper()
	shipped := Group{Title: "shipped gadget"}
	constructs := Group{Title: "construct"}
	dirs, err := filepath.Glob("../../gadgets/*/gadget.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no shipped gadgets", err)
	}
	for _, c := range caseNames(t) {
		g := &constructs
		if slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(c, filepath.Base(filepath.Dir(d))) }) {
			g = &shipped
		}
		g.Cases = append(g.Cases, c)
	}
	table := &Table{Groups: []Group{constructs, shipped}}
	for _, k := range kernels {
		table.Kernels = append(table.Kernels, k.Name)
	}
	if err := table.Read(string(read(t, docsPage))); err != nil {
		t.Fatal(docsPage, err)
	}
	return table
}

// compareTable writes the table, or fails when it says something new.
func compareTable(t *testing.T, table *Table) {
	t.Helper()
	old := string(read(t, docsPage))
	page, err := table.Write(old)
	switch {
	case err != nil:
		t.Fatal(err)
	case page == old:
	case !*update:
		t.Errorf("%s says something else; if this is right, run: make docs-kernels", docsPage)
	default:
		if err := os.WriteFile(docsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// makeInitrd packs everything a guest has.
func makeInitrd(t *testing.T, arch, store string) string {
	t.Helper()
	gadget := *binary
	if arch == "arm64" {
		gadget += "-arm64"
	}
	files := map[string]File{
		"/init":         {Content: read(t, "testdata/init"), Executable: true},
		"/case.sh":      {Content: read(t, "testdata/case.sh")},
		"/bin/sh":       {Link: "/bin/busybox"},
		"/bin/busybox":  {Content: read(t, fetch(t, "trixie", arch, "busybox-static", "*/bin/busybox")), Executable: true},
		"/bin/gadget":   {Content: read(t, gadget), Executable: true},
		"/bin/till":     {Content: buildTill(t, arch, "-static"), Executable: true},
		"/bin/till-pie": {Content: buildTill(t, arch, "-static-pie", "-fPIE"), Executable: true},
	}
	for _, f := range scripts(t) {
		files["/cases/"+filepath.Base(f)] = File{Content: read(t, f)}
	}
	err := filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files["/var/lib/gadget"+strings.TrimPrefix(path, store)] = File{Content: read(t, path)}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "initrd")
	if err := os.WriteFile(file, Initrd(files), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// buildTill compiles the program that uprobes are attached to.
func buildTill(t *testing.T, arch string, flags ...string) []byte {
	t.Helper()
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
	file := filepath.Join(t.TempDir(), "till")
	args := append(flags, "--target="+machine+"-linux-gnu", "-O1", "-ffreestanding", "-nostdlib", "-fuse-ld=lld", "-o", file, "testdata/till.c")
	if out, err := exec.Command("clang", args...).CombinedOutput(); err != nil {
		t.Fatalf("clang %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return read(t, file)
}

// buildStore builds the gadgets of testdata for all architectures.
func buildStore(t *testing.T) string {
	t.Helper()
	store := t.TempDir()
	dirs, err := filepath.Glob("testdata/gadgets/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no gadgets", err)
	}
	for _, dir := range append(dirs, "../../runner/testdata/tasks") {
		cmd := exec.Command(*binary, "image", "build", "-t", filepath.Base(dir), dir)
		cmd.Env = append(os.Environ(), "GADGET_STORE="+store)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", dir, err, out)
		}
	}
	return store
}

// fetch returns a file of a Debian package. Downloads are kept.
func fetch(t *testing.T, suite, arch, debian, member string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cache, "gadget-build", "guests", suite+"-"+arch, strings.ReplaceAll(debian, "*", "x"))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	if out, err := exec.Command("testdata/fetch.sh", suite, arch, debian, member, file).CombinedOutput(); err != nil {
		t.Fatalf("fetch %s: %v\n%s", debian, err, out)
	}
	return file
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
