package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/runner/host"
)

// kernel is what a run knows of the kernel under it. It answers the conditions of
// gadget.yaml ([plan.Kernel]), each question once. It is for one goroutine.
type kernel struct {
	// cache holds the types by which the kernel describes itself.
	cache *btf.Cache
	// given types stand for those, nil where the kernel's own are used.
	given   *btf.Spec
	answers map[string]bool
}

func newKernel(given *btf.Spec) *kernel {
	return &kernel{cache: btf.NewCache(), given: given, answers: map[string]bool{}}
}

// loading is how collections are loaded with these types.
func (k *kernel) loading() ebpf.CollectionOptions {
	return ebpf.CollectionOptions{Cache: k.cache, Programs: ebpf.ProgramOptions{KernelTypes: k.given}}
}

// types returns the kernel's types, but for those of modules.
func (k *kernel) types() (*btf.Spec, error) {
	if k.given != nil {
		return k.given, nil
	}
	return k.cache.Kernel()
}

// Release implements [plan.Kernel].
func (k *kernel) Release() string { return host.Release() }

// Arch implements [plan.Kernel].
func (k *kernel) Arch() string { return runtime.GOARCH }

// Has implements [plan.Kernel].
func (k *kernel) Has(what, name string) (bool, error) {
	question := what + " " + name
	if answer, ok := k.answers[question]; ok {
		return answer, nil
	}
	var answer bool
	var err error
	switch what {
	case "symbol":
		answer, err = hasSymbol(name)
	case "btf":
		answer, err = k.hasType(name)
	case "tracepoint":
		answer, err = hasTracepoint(name)
	case "hook":
		answer = k.probeHook(name) == nil
	default:
		err = fmt.Errorf("unknown question %q", what)
	}
	if err == nil {
		k.answers[question] = answer
	}
	return answer, err
}

// hasType looks for "struct x", "func x" or just "x" in the types of the kernel
// and its modules. A kernel without any has none.
func (k *kernel) hasType(name string) (bool, error) {
	kind, name, ok := strings.Cut(strings.Join(strings.Fields(name), " "), " ")
	if !ok {
		kind, name = "", kind
	}
	types, err := k.types()
	if errors.Is(err, btf.ErrNotSupported) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read types of the kernel: %w", err)
	}
	if specHasType(types, kind, name) {
		return true, nil
	}
	if k.given != nil {
		return false, nil
	}
	modules, err := k.cache.Modules()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("list modules with types: %w", err)
	}
	for _, m := range modules {
		types, err := k.cache.Module(m)
		if err != nil {
			return false, fmt.Errorf("read types of module %s: %w", m, err)
		}
		if specHasType(types, kind, name) {
			return true, nil
		}
	}
	return false, nil
}

// specHasType looks for a type of one of [plan.BTFKinds], any kind for "".
func specHasType(types *btf.Spec, kind, name string) bool {
	found, err := types.AnyTypesByName(name)
	if err != nil {
		return false
	}
	for _, t := range found {
		var is string
		switch t.(type) {
		case *btf.Struct:
			is = "struct"
		case *btf.Union:
			is = "union"
		case *btf.Enum:
			is = "enum"
		case *btf.Typedef:
			is = "typedef"
		case *btf.Func:
			is = "func"
		}
		if kind == "" || kind == is {
			return true
		}
	}
	return false
}

func hasTracepoint(name string) (bool, error) {
	if err := ensureTracefs(); err != nil {
		return false, err
	}
	for _, dir := range tracefsPaths {
		_, err := os.Stat(filepath.Join(dir, "events", name, "id"))
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}
