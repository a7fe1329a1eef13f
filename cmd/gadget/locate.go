package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/schemas"
)

// Kinds of places that a name can begin with.
const (
	inRegistry = "registry"
	inStore    = "store"
	inDir      = "oci"
	inArchive  = "oci-archive"
)

// place is where a name says that an image is. kind is "" for a name alone.
type place struct{ kind, path, name string }

// parsePlace reads oci:DIR[:NAME], oci-archive:FILE[:NAME], store:NAME,
// registry:NAME and docker://NAME; all else is a name alone.
func parsePlace(s string) place {
	if name, ok := strings.CutPrefix(s, "docker://"); ok {
		return place{kind: inRegistry, name: name}
	}
	kind, rest, ok := strings.Cut(s, ":")
	switch {
	case !ok:
	case kind == inRegistry, kind == inStore:
		return place{kind: kind, name: rest}
	case kind == inDir, kind == inArchive:
		if _, err := os.Stat(rest); err == nil {
			return place{kind: kind, path: rest}
		}
		path, name, _ := strings.Cut(rest, ":")
		return place{kind: kind, path: path, name: name}
	}
	return place{name: s}
}

// layoutIn opens the directory or archive of a place, nil for other places.
func layoutIn(p place) (registry.Source, *registry.Layout, error) {
	switch p.kind {
	case inDir:
		info, err := os.Stat(p.path)
		if err != nil {
			return nil, nil, fmt.Errorf("open image directory: %w", err)
		}
		if !info.IsDir() {
			f := &fault{code: exitUsage, err: fmt.Errorf("%s is no directory", p.path)}
			return nil, nil, f.hint("for an archive: oci-archive:%s", p.path)
		}
		l, err := registry.OpenLayout(os.DirFS(p.path))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", p.path, err)
		}
		return l, l, nil
	case inArchive:
		t, err := registry.OpenTar(p.path)
		if err != nil {
			return nil, nil, err
		}
		return t, &t.Layout, nil
	}
	return nil, nil, nil
}

// findIn looks for an image in a directory or archive. Without a name it must be
// the only one.
func findIn(ctx context.Context, p place) (*foundImage, error) {
	source, layout, err := layoutIn(p)
	if err != nil {
		return nil, err
	}
	found := &foundImage{source: source, name: p.kind + ":" + p.path}
	name := p.name
	if name == "" {
		if name, err = onlyImage(layout); err != nil {
			return nil, fmt.Errorf("%s: %w", found.name, err)
		}
	} else {
		found.name += ":" + name
	}
	found.desc, err = source.Resolve(ctx, name)
	return found, err
}

// onlyImage returns the digest of the one image of a layout.
func onlyImage(l *registry.Layout) (string, error) {
	entries, err := l.Names()
	if err != nil {
		return "", err
	}
	only := ""
	var names []string
	for _, named := range []bool{true, false} {
		for _, e := range entries {
			if (e.Name != "") != named || only == e.Digest.String() {
				continue
			}
			if only != "" {
				names = append(names, e.Name)
				continue
			}
			only = e.Digest.String()
			names = append(names, e.Name)
		}
		if only != "" {
			break
		}
	}
	switch len(names) {
	case 0:
		return "", errors.New("there is no image in it")
	case 1:
		return only, nil
	}
	f := &fault{code: exitUsage, err: fmt.Errorf("there are %d images in it; which one?", len(names))}
	return "", f.hint("put one of these behind it, after a colon: %s", strings.Join(names, ", "))
}

// pullWhen says when an image is fetched from its registry.
const (
	pullMissing = "missing"
	pullAlways  = "always"
	pullNever   = "never"
	pullNewer   = "newer"
)

// runnable reads what this machine needs of an image, after pulling it where that
// is called for, and says where it was found.
func (a *app) runnable(ctx context.Context, name string) (*schemas.Image, *foundImage, error) {
	found, err := a.findOrPull(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	for {
		image, err := registry.Load(ctx, found.source, found.desc, runtime.GOARCH)
		if err == nil && a.trust != nil {
			err = a.admit(ctx, name, found, a.trust)
		}
		if err == nil {
			return image, found, nil
		}
		var damage *registry.DamagedError
		now, findErr := found, error(nil)
		if errors.As(err, &damage) {
			// Another process may have replaced the image while it was read.
			now, findErr = a.find(ctx, parsePlace(name).name)
		}
		if findErr != nil || now.desc.Digest == found.desc.Digest {
			return nil, nil, fmt.Errorf("%s: %w", found.name, err)
		}
		found = now
	}
}

func (a *app) findOrPull(ctx context.Context, name string) (*foundImage, error) {
	p := parsePlace(name)
	switch p.kind {
	case inDir, inArchive:
		return findIn(ctx, p)
	case inStore:
		return a.find(ctx, p.name)
	}
	when := a.run.pull.String()
	found, err := a.find(ctx, p.name)
	ref, wrong := registry.ParseReference(p.name)
	switch {
	case err != nil && !isMissing(err), wrong != nil:
		return found, err
	case err == nil && (when == pullMissing || when == pullNever):
		return found, nil
	case when == pullNever, a.global.offline:
		if err != nil {
			return nil, alsoTried(err, ref, registry.ErrOffline)
		}
		return found, nil
	}
	pulled, pullErr := a.pullForRun(ctx, ref)
	var remote *registry.RemoteError
	switch {
	case pullErr == nil:
		return pulled, nil
	case isMissing(err):
		return nil, alsoTried(err, ref, pullErr)
	case when == pullNewer && errors.As(pullErr, &remote) && remote.Unreachable:
		a.log.Warn("running the local image: " + pullErr.Error())
		return found, nil
	}
	return nil, pullErr
}

func (a *app) pullForRun(ctx context.Context, ref registry.Reference) (*foundImage, error) {
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	from, err := a.source(ref, &a.run.transport)
	if err != nil {
		return nil, err
	}
	_, err = a.move(ctx, move{verb: "pull", from: from, name: ref.String(), to: store, ref: ref})
	if err != nil {
		return nil, err
	}
	return a.find(ctx, ref.String())
}

// locate finds an image to look at: in the place that the name says, else on this
// machine, else in its registry, of which nothing is stored.
func (a *app) locate(ctx context.Context, name string, o *transportOptions) (found *foundImage, remote bool, err error) {
	p := parsePlace(name)
	switch p.kind {
	case inDir, inArchive:
		found, err = findIn(ctx, p)
		return found, false, err
	case inStore:
		found, err = a.find(ctx, p.name)
		return found, false, err
	case "":
		found, err = a.find(ctx, p.name)
		if !isMissing(err) {
			return found, false, err
		}
	}
	ref, wrong := registry.ParseReference(p.name)
	if wrong != nil {
		return nil, false, &fault{code: exitUsage, err: wrong}
	}
	source, wrong := a.source(ref, o)
	if wrong != nil {
		return nil, false, wrong
	}
	desc, why := source.Resolve(ctx, ref.String())
	switch {
	case why == nil:
		return &foundImage{source: source, desc: desc, name: shortName(p.name)}, true, nil
	case err != nil:
		return nil, false, alsoTried(err, ref, why)
	}
	return nil, false, why
}

// missingImage says that an image is not on this machine.
type missingImage struct{ name string }

// Error implements error.
func (e *missingImage) Error() string { return fmt.Sprintf("image %q not found", e.name) }

func isMissing(err error) bool {
	var missing *missingImage
	return errors.As(err, &missing)
}

// alsoTried adds what the registry said to the fault of an image that is not here.
func alsoTried(err error, ref registry.Reference, why error) error {
	f := asFault(err)
	var remote *registry.RemoteError
	answered := errors.As(why, &remote) && !remote.Unreachable
	switch {
	case f == nil:
		return why
	case errors.Is(why, registry.ErrOffline):
		return f.hint("tried: no registry, because of --pull never, --offline or GADGET_OFFLINE")
	case errors.Is(why, registry.ErrNotFound):
		return f.hint("tried: the registry %s, which has no %s", ref.Domain, ref)
	case answered, remote == nil:
		return &fault{code: exitFailure, err: why, hints: append(remoteHints(why), f.hints...)}
	}
	f.hint("tried: the registry %s: %s", ref.Domain, remote.Why)
	f.hints = append(f.hints, remote.Hints...)
	return f
}

func remoteHints(err error) []string {
	var remote *registry.RemoteError
	if !errors.As(err, &remote) {
		return nil
	}
	return remote.Hints
}
