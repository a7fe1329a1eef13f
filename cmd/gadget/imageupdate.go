package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/schemas"
)

// updateMetadata adds to gadget.yaml what the program in dir has and it has not.
func (a *app) updateMetadata(ctx context.Context, dir string, opts *buildOptions) error {
	source, err := builder.ResolveSource(dir, opts.source)
	if err != nil {
		return err
	}
	text, added, err := builder.UpdateMetadata(ctx, dir, source, a.builderOptions())
	if err != nil {
		return err
	}
	file := source.Metadata
	if file == "" {
		file = filepath.Join(dir, schemas.DefaultMetadataFile)
	}
	for _, key := range added {
		a.log.Info("new in "+file, "key", key)
	}
	old, err := os.ReadFile(file)
	if err == nil && bytes.Equal(old, text) {
		a.notice(file + " has everything already")
		return nil
	}
	if err := replaceFile(file, text); err != nil {
		return err
	}
	a.notice(fmt.Sprintf("added %d keys to %s", len(added), file))
	return nil
}

// replaceFile writes a file as a whole, with the permissions it has: whoever reads
// it sees the old or the new one.
func replaceFile(file string, text []byte) error {
	mode := os.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".gadget-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), mode)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	return err
}
