package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

// openStore opens the local store.
func (a *app) openStore() (*registry.Store, error) {
	dir, err := a.storeDir()
	if err != nil {
		return nil, err
	}
	return registry.OpenStore(dir, registry.StoreOptions{Log: a.log})
}

// storeDir is where the local store lies: --store or GADGET_STORE, for root a place
// of the system, else one of the user.
func (a *app) storeDir() (string, error) {
	if a.global.store != "" {
		return a.global.store, nil
	}
	if os.Getuid() == 0 {
		return "/var/lib/gadget", nil
	}
	if data, _ := a.env("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "gadget"), nil
	}
	if home, _ := a.env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "gadget"), nil
	}
	f := &fault{code: exitUsage, err: errors.New("where is the image store? neither XDG_DATA_HOME nor HOME is set")}
	return "", f.hint("set GADGET_STORE, or give --store DIR")
}

// foundImage is where an image is, and how it is called for short.
type foundImage struct {
	source  registry.Source
	desc    ocispec.Descriptor
	name    string
	builtIn bool
}

// find looks for an image in the local store, then among the built-in gadgets.
func (a *app) find(ctx context.Context, name string) (*foundImage, error) {
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	found := &foundImage{source: store, name: shortName(name)}
	if found.desc, err = store.Resolve(ctx, name); !errors.Is(err, registry.ErrNotFound) {
		if _, wrong := registry.ParseReference(name); err != nil && wrong != nil {
			return nil, &fault{code: exitUsage, err: wrong}
		}
		return found, err
	}
	builtIn, err := builtIns()
	if err != nil {
		return nil, err
	}
	if builtIn != nil {
		found.source, found.builtIn = builtIn, true
		if found.desc, err = builtIn.Resolve(ctx, name); !errors.Is(err, registry.ErrNotFound) {
			return found, err
		}
	}
	return nil, a.unknownImage(name, store, builtIn)
}

// shortName is the name as people write it: that of a reference without what goes
// without saying.
func shortName(name string) string {
	ref, err := registry.ParseReference(name)
	if err != nil {
		return name
	}
	return strings.TrimSuffix(ref.Familiar(), ":"+registry.DefaultTag)
}

// unknownImage says where an image was looked for, and what was perhaps meant.
func (a *app) unknownImage(name string, store *registry.Store, builtIn *registry.Layout) error {
	full := name
	if ref, err := registry.ParseReference(name); err == nil {
		full = ref.String()
	}
	f := &fault{code: exitFailure, err: &missingImage{name}}
	var names, own []string
	if entries, err := store.Names(); err == nil {
		for _, e := range entries {
			names = append(names, shortName(e.Name))
		}
	}
	if builtIn != nil {
		if entries, err := builtIn.Names(); err == nil {
			for _, e := range entries {
				own = append(own, shortName(e.Name))
			}
		}
	}
	f.hint("%s", didYouMean("", shortName(name), append(names, own...)))
	tried := fmt.Sprintf("tried: the store %s for %s", store.Dir(), full)
	if len(own) > 0 {
		tried += "; the built-in gadgets " + strings.Join(own, ", ")
	} else {
		tried += "; this binary has no built-in gadgets (make build gives one that has)"
	}
	return f.hint("%s", tried).
		hint("build it with gadget image build -t %s DIR, or get it with gadget pull %s", name, name)
}

// parseReferences reads the names that an image shall get.
func parseReferences(names []string) ([]registry.Reference, error) {
	var refs []registry.Reference
	for _, n := range names {
		ref, err := registry.ParseReference(n)
		if err != nil {
			return nil, &fault{code: exitUsage, err: err}
		}
		if ref.Digest != "" {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("image name %q: an image gets its digest from its content, not by name", n)}
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// completeImages completes the names of all images here, built-in ones included.
func (a *app) completeImages(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || a.prepare(cmd) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	if store, err := a.openStore(); err == nil {
		if entries, err := store.Names(); err == nil {
			for _, e := range entries {
				names = append(names, shortName(e.Name))
			}
		}
	}
	if builtIn, err := builtIns(); err == nil && builtIn != nil {
		if entries, err := builtIn.Names(); err == nil {
			for _, e := range entries {
				names = append(names, shortName(e.Name)+"\tbuilt in")
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeRunnable completes images, and directories for source.
func (a *app) completeRunnable(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if strings.ContainsAny(word, "./") {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return a.completeImages(cmd, args, word)
}
