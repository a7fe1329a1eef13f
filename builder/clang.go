package builder

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minClang is the oldest version whose objects are tested.
const minClang = 14

var (
	clangName    = regexp.MustCompile(`^clang(?:-(\d+))?$`)
	llvmDir      = regexp.MustCompile(`/llvm-?(\d+)[./]`)
	clangVersion = regexp.MustCompile(`clang version (\d+)`)
)

// candidate is a compiler that was found.
type candidate struct {
	path    string
	version int
}

// findClang returns the newest clang in the directories of path, a list as in $PATH.
func findClang(ctx context.Context, path string) (string, error) {
	var found []candidate
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // what lies in the working directory is not for us to run
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			m := clangName.FindStringSubmatch(e.Name())
			if m == nil {
				continue
			}
			full := filepath.Join(dir, e.Name())
			if info, err := os.Stat(full); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
				continue
			}
			version, _ := strconv.Atoi(m[1])
			if version == 0 {
				version = versionOf(ctx, full)
			}
			found = append(found, candidate{full, version})
		}
	}
	// Of equal versions the first on the path.
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.version, a.version) })
	if len(found) > 0 && found[0].version >= minClang {
		return found[0].path, nil
	}
	return "", clangError(found)
}

// clangError says what was tried and what to do.
func clangError(found []candidate) error {
	const remedy = "apt install clang llvm"
	if len(found) == 0 {
		return fmt.Errorf("compile eBPF: no clang on PATH (tried clang and clang-N, version %d or later is needed); %s", minClang, remedy)
	}
	var tried []string
	for _, c := range found {
		version := "of an unknown version"
		if c.version > 0 {
			version = fmt.Sprintf("is version %d", c.version)
		}
		tried = append(tried, c.path+" "+version)
	}
	return fmt.Errorf("compile eBPF: clang %d or later is needed, but %s; %s", minClang, strings.Join(tried, ", "), remedy)
}

// versionOf returns the major version of the clang at path, 0 when it does not
// say. Where the file lies often tells, which saves running it.
func versionOf(ctx context.Context, path string) int {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		if m := clangName.FindStringSubmatch(filepath.Base(real)); m != nil && m[1] != "" {
			version, _ := strconv.Atoi(m[1])
			return version
		}
		if m := llvmDir.FindStringSubmatch(real); m != nil {
			version, _ := strconv.Atoi(m[1])
			return version
		}
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return 0
	}
	m := clangVersion.FindSubmatch(out)
	if m == nil {
		return 0
	}
	version, _ := strconv.Atoi(string(m[1]))
	return version
}
