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

// MinClang is the oldest version whose objects are tested.
const MinClang = 14

// ClangRemedy is how to get a clang.
const ClangRemedy = "apt install clang llvm"

var (
	clangName    = regexp.MustCompile(`^clang(?:-(\d+))?$`)
	llvmDir      = regexp.MustCompile(`/llvm-?(\d+)[./]`)
	clangVersion = regexp.MustCompile(`clang version (\d+)`)
)

// Clang is a compiler that was found.
type Clang struct {
	Path string
	// Version is the major one, 0 when it is not known.
	Version int
}

// FindClang returns the newest clang in the directories of path, a list as in
// $PATH. The error says what was tried, and ends with [ClangRemedy].
func FindClang(ctx context.Context, path string) (Clang, error) {
	var found []Clang
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
			found = append(found, Clang{full, version})
		}
	}
	// Of equal versions the first on the path.
	slices.SortStableFunc(found, func(a, b Clang) int { return cmp.Compare(b.Version, a.Version) })
	if len(found) > 0 && found[0].Version >= MinClang {
		return found[0], nil
	}
	return Clang{}, clangError(found)
}

// clangError says what was tried and what to do.
func clangError(found []Clang) error {
	if len(found) == 0 {
		return fmt.Errorf("compile eBPF: no clang on PATH (tried clang and clang-N, version %d or later is needed); %s", MinClang, ClangRemedy)
	}
	var tried []string
	for _, c := range found {
		version := "of an unknown version"
		if c.Version > 0 {
			version = fmt.Sprintf("is version %d", c.Version)
		}
		tried = append(tried, c.Path+" "+version)
	}
	return fmt.Errorf("compile eBPF: clang %d or later is needed, but %s; %s", MinClang, strings.Join(tried, ", "), ClangRemedy)
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
