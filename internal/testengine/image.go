package testengine

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Image is the name of the tiny image.
const Image = "localhost/tiny:latest"

// busyboxPaths are where distributions put a static busybox.
var busyboxPaths = []string{"/bin/busybox", "/usr/bin/busybox"}

// applets are the names under which the image has busybox, in /bin.
var applets = []string{"sh", "true", "false", "echo", "cat", "sleep", "ls", "id", "unshare", "touch", "wget",
	"nc", "head", "grep", "wc"}

// File is a file of an image: a regular one that may be executed, unless it is a
// symbolic link.
type File struct {
	// Name from the root, without the slash before it.
	Name    string
	Content []byte
	Link    string
}

// Archive makes an image archive as docker load, ctr import and skopeo read it: one
// layer with a static busybox, and one with the files, if there are any. The same
// files and busybox give the same bytes.
func Archive(name string, files ...File) ([]byte, error) {
	return archiveOf(name, []string{"/bin/sh"}, files...)
}

// archiveOf is Archive for an image with another command.
func archiveOf(name string, command []string, files ...File) ([]byte, error) {
	busybox, err := readBusybox()
	if err != nil {
		return nil, err
	}
	tiny, err := layerTar(tinyFiles(busybox), "bin/", "tmp/", "proc/", "sys/", "dev/")
	if err != nil {
		return nil, err
	}
	layers := []archived{{"tiny.tar", tiny}}
	if len(files) > 0 {
		own, err := layerTar(files)
		if err != nil {
			return nil, err
		}
		layers = append(layers, archived{"own.tar", own})
	}
	var diffIDs, names []string
	for _, l := range layers {
		diffIDs, names = append(diffIDs, "sha256:"+digest(l.data)), append(names, l.name)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Cmd": command, "Env": []string{"PATH=/bin"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": digest(config) + ".json", "RepoTags": []string{name}, "Layers": names,
	}})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range append(layers, archived{digest(config) + ".json", config}, archived{"manifest.json", manifest}) {
		if err := add(w, &tar.Header{Name: f.name, Mode: 0o644}, f.data); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}

// archived is a file of an archive.
type archived struct {
	name string
	data []byte
}

func readBusybox() ([]byte, error) {
	for _, path := range busyboxPaths {
		busybox, err := os.ReadFile(path)
		if err == nil {
			return busybox, nil
		}
	}
	return nil, fmt.Errorf("no busybox in %s: apt-get install busybox-static", strings.Join(busyboxPaths, ", "))
}

func tinyFiles(busybox []byte) []File {
	files := []File{{Name: "bin/busybox", Content: busybox}}
	for _, name := range applets {
		files = append(files, File{Name: "bin/" + name, Link: "busybox"})
	}
	return files
}

func layerTar(files []File, dirs ...string) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, dir := range dirs {
		if err := add(w, &tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: 0o755}
		if f.Link != "" {
			h = &tar.Header{Name: f.Name, Typeflag: tar.TypeSymlink, Linkname: f.Link, Mode: 0o777}
		}
		if err := add(w, h, f.Content); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}

func add(w *tar.Writer, h *tar.Header, data []byte) error {
	h.Size = int64(len(data))
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
