// Command pack writes the eBPF headers that the builder embeds into one archive:
// the third-party tree that fetch.sh made, and our own headers beside it.
//
// The archive is a zstd compressed tar of regular files, sorted by name and
// without times or owners, so that the same headers always make the same bytes.
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: pack THIRD-PARTY-DIR INCLUDE-DIR ARCHIVE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// run packs the third-party directory as it is and the include directory below
// include/ into the file archive.
func run(third, include, archive string) error {
	files := map[string][]byte{}
	if err := read(files, third, ""); err != nil {
		return err
	}
	if err := read(files, include, "include"); err != nil {
		return err
	}
	data, err := pack(files)
	if err != nil {
		return err
	}
	// Replaced in one step: a build that runs meanwhile embeds the old or the new one.
	tmp := archive + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, archive)
}

// read adds the files below dir to files, their names below prefix.
func read(files map[string][]byte, dir, prefix string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files[path.Join(prefix, filepath.ToSlash(rel))], err = os.ReadFile(name)
		return err
	})
}

// pack makes the archive of files.
func pack(files map[string][]byte) ([]byte, error) {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)

	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}

	// One worker: how work is split among several must not show in the bytes.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	return enc.EncodeAll(plain.Bytes(), nil), nil
}
