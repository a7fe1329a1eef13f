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

// Image is the name of the image that [Archive] holds.
const Image = "localhost/tiny:latest"

// busyboxPaths are where distributions put a static busybox.
var busyboxPaths = []string{"/bin/busybox", "/usr/bin/busybox"}

// applets are the names under which the image has busybox, in /bin.
var applets = []string{"sh", "true", "false", "echo", "cat", "sleep", "ls", "id", "unshare", "touch", "wget"}

// Archive makes an image archive as docker load, ctr import and skopeo read it:
// one layer with a static busybox. The same busybox gives the same bytes.
func Archive() ([]byte, error) {
	busybox, err := readBusybox()
	if err != nil {
		return nil, err
	}
	layer, err := layerTar(busybox)
	if err != nil {
		return nil, err
	}
	diffID := digest(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Cmd": []string{"/bin/sh"}, "Env": []string{"PATH=/bin"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + diffID}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": digest(config) + ".json", "RepoTags": []string{Image}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name string
		data []byte
	}{{digest(config) + ".json", config}, {"layer.tar", layer}, {"manifest.json", manifest}} {
		if err := add(w, &tar.Header{Name: f.name, Mode: 0o644}, f.data); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
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

func layerTar(busybox []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, dir := range []string{"bin/", "tmp/", "proc/", "sys/", "dev/"} {
		if err := add(w, &tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil); err != nil {
			return nil, err
		}
	}
	if err := add(w, &tar.Header{Name: "bin/busybox", Mode: 0o755}, busybox); err != nil {
		return nil, err
	}
	for _, name := range applets {
		h := &tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}
		if err := add(w, h, nil); err != nil {
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
