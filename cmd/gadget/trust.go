package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/registry/signature"
	"github.com/gadget-bpf/gadget/schemas"
)

// sectionTrust has the flags that say which images may run.
const sectionTrust = "Which images may run"

// trustOptions are these flags.
type trustOptions struct {
	verify  optionalBool
	keys    []string
	allowed []string

	allowedFlag *pflag.Flag
}

func (o *trustOptions) addTo(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&o.verify, "verify-image", "run the image only if it is signed; false does not ask your policy (default: as the policy says)")
	fs.Lookup("verify-image").NoOptDefVal = "true"
	fs.StringArrayVar(&o.keys, "public-keys", nil, "`FILE` with public keys in PEM form, or the text of one: the image must be signed with one of them; may be given several times")
	fs.StringSliceVar(&o.allowed, "allowed-gadgets", nil, "run no image but these: `NAMES`, or beginnings of names with * behind (default all)")
	o.allowedFlag = fs.Lookup("allowed-gadgets")
	inSection(fs, sectionTrust, "verify-image", "public-keys", "allowed-gadgets")
}

// demanded reports whether a signature is wanted whatever policies say, unasked
// whether the user's policy shall not be asked.
func (o *trustOptions) demanded() bool {
	return o.verify.value != nil && *o.verify.value || o.verify.value == nil && len(o.keys) > 0
}

func (o *trustOptions) unasked() bool { return o.verify.value != nil && !*o.verify.value }

// admit refuses an image that may not run: by the list of allowed gadgets, by the
// policies of the configuration files, or because it is not signed as flags demand.
// Images that are built in are as trusted as this program, and what the user has
// built here needs no signature unless flags demand one. Without any policy every
// image runs, and the user is told once when nobody has vouched for it.
func (a *app) admit(ctx context.Context, name string, found *foundImage, o *trustOptions) error {
	names, err := found.names(name)
	if err != nil {
		return err
	}
	if err := a.checkAllowed(name, names, found, o); err != nil || found.builtIn {
		return err
	}
	built := found.builtHere() && !o.demanded()
	governed := false
	// The policy of the system comes first.
	for _, file := range slices.Backward(a.settings.files) {
		if file.policy == nil || o.unasked() && !file.system() {
			continue
		}
		governed = true
		if built {
			continue
		}
		if err := a.checkPolicy(ctx, &file, names, found); err != nil {
			return err
		}
	}
	switch {
	case o.demanded():
		return a.checkSigned(ctx, found, o)
	case !governed && !built && !o.unasked():
		a.tellUnsigned(ctx, found)
	}
	return nil
}

// checkAllowed looks for an image in the list of allowed gadgets. What is run from
// source has no name, and so is in no list.
func (a *app) checkAllowed(name string, names []registry.Reference, found *foundImage, o *trustOptions) error {
	if len(o.allowed) == 0 {
		return nil
	}
	for _, text := range o.allowed {
		allowed := text
		if ref, err := registry.ParseReference(text); err == nil {
			allowed = ref.String() // without a tag it is latest
		}
		pattern, err := registry.ParsePattern(allowed)
		if err != nil {
			return &fault{code: exitUsage, err: fmt.Errorf("--allowed-gadgets: %w", err)}
		}
		if slices.ContainsFunc(names, func(n registry.Reference) bool { return pattern.Fits(n, found.desc.Digest) }) {
			return nil
		}
	}
	f := &fault{code: exitPolicy, err: fmt.Errorf("%s is not among the allowed gadgets: %s", name, strings.Join(o.allowed, ", "))}
	origin := "--allowed-gadgets"
	if set := a.settings.lookUp("run.allowed-gadgets", o.allowedFlag); !a.settings.typed[o.allowedFlag] && len(set) > 0 {
		origin = set[0].origin
	}
	return f.hint("the list is set by %s; --allowed-gadgets sets another one", origin)
}

// checkPolicy asks the policy of one file. An image that was found by its digest
// has all names that it is known by: one that may run will do.
func (a *app) checkPolicy(ctx context.Context, file *settingsFile, names []registry.Reference, found *foundImage) error {
	var why error
	var pos schemas.Pos
	for _, n := range names {
		v := file.policy.Decide(n, found.desc.Digest)
		err := file.satisfied(ctx, v.Allow, v.Keys, found)
		if err == nil {
			return nil
		}
		if !v.Fits {
			err = errors.New("no rule of the policy is about it")
		}
		why, pos = err, v.Pos
	}
	f := found.refused(why)
	var refused *signature.RefusedError
	if _, here := found.source.(*registry.Store); here && errors.As(why, &refused) {
		f.hint("gadget pull %s gets signatures that were made since", found.name)
	}
	if file.system() {
		return f.hint("the policy of this system decides, %s; flags do not change what it says", pos)
	}
	return f.hint("your policy decides, %s; --verify-image=false runs the image without asking it", pos)
}

// satisfied reports why an image does not have what a rule wants, nil when it has.
func (f *settingsFile) satisfied(ctx context.Context, allow string, files []string, found *foundImage) error {
	switch allow {
	case schemas.AllowAlways:
		return nil
	case schemas.AllowSigned:
		keys, err := f.keys(files)
		if err != nil {
			return err
		}
		_, err = registry.Verify(ctx, found.source, found.desc, registry.VerifyOptions{Keys: keys, Host: true})
		return err
	}
	return errors.New("the policy never allows it")
}

// keys reads keys that a policy names; names of files are relative to that of the
// policy.
func (f *settingsFile) keys(values []string) ([]*signature.PublicKey, error) {
	var keys []*signature.PublicKey
	for _, v := range values {
		some, err := publicKey(v, filepath.Dir(f.path))
		if err != nil {
			return nil, err
		}
		keys = append(keys, some...)
	}
	return keys, nil
}

// checkSigned wants a signature with one of the keys of the flags, or, without any,
// with a key that is known here.
func (a *app) checkSigned(ctx context.Context, found *foundImage, o *trustOptions) error {
	keys, err := publicKeys(o.keyList())
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		keys = a.knownKeys()
	}
	_, err = registry.Verify(ctx, found.source, found.desc, registry.VerifyOptions{Keys: keys, Host: true})
	if err != nil {
		return found.refused(err).hint("--verify-image or --public-keys wants a signature; --verify-image=false does not")
	}
	return nil
}

// keyList splits lists of files. A key that is given as text is no list.
func (o *trustOptions) keyList() []string {
	var keys []string
	for _, k := range o.keys {
		if strings.Contains(k, "-----BEGIN ") {
			keys = append(keys, k)
			continue
		}
		keys = append(keys, splitWords(k, ",")...)
	}
	return keys
}

func (f *foundImage) refused(why error) *fault {
	return &fault{code: exitPolicy, err: fmt.Errorf("%s (%.19s) is refused: %w", f.name, f.desc.Digest, why)}
}

// reference is the full name by which an image was found, the zero Reference when it
// has none or was found by its digest. Short names in directories and archives say
// nothing about a registry.
func (f *foundImage) reference(name string, known []registry.Entry) registry.Reference {
	ref, err := registry.ParseReference(parsePlace(name).name)
	if err != nil {
		return registry.Reference{}
	}
	if _, remote := f.source.(*registry.Remote); remote {
		return ref
	}
	for _, e := range known {
		if e.Digest == f.desc.Digest && e.Name == ref.String() {
			return ref
		}
	}
	return registry.Reference{}
}

// names are the full names by which an image is known: that by which it was found,
// or, when that was its digest, all that it has. The zero Reference is no name.
func (f *foundImage) names(name string) ([]registry.Reference, error) {
	var entries []registry.Entry
	if list, ok := f.source.(interface {
		Names() ([]registry.Entry, error)
	}); ok {
		var err error
		if entries, err = list.Names(); err != nil {
			return nil, err
		}
	}
	if ref := f.reference(name, entries); ref != (registry.Reference{}) {
		return []registry.Reference{ref}, nil
	}
	var names []registry.Reference
	for _, e := range entries {
		if e.Digest == f.desc.Digest && e.Name != "" && e.Name == e.Reference.String() {
			names = append(names, e.Reference)
		}
	}
	if names == nil {
		names = []registry.Reference{{}}
	}
	return names, nil
}

// builtHere reports whether the user has built the image on this machine.
func (f *foundImage) builtHere() bool {
	store, ok := f.source.(*registry.Store)
	if !ok {
		return false
	}
	built, err := store.Built(f.desc.Digest)
	return built && err == nil
}
