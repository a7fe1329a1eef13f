package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// storage reads the files in which podman and CRI-O keep containers
// (github.com/containers/storage), so that neither needs a service for its
// containers to have names. The files are replaced, never written in place.
type storage struct {
	// dir is where containers are looked for whose bundle is not known.
	dir string

	mu sync.Mutex
	// met are other directories, of bundles that were known: a container that has
	// ended too soon to tell its bundle is likely to be a neighbour of one that has not.
	met []string
}

// maxStorages is how many directories are remembered.
const maxStorages = 16

// usualStorage is the storage of root's podman and of CRI-O, below the host's root.
const usualStorage = "var/lib/containers/storage/overlay-containers"

// storedContainer is an entry of containers.json.
type storedContainer struct {
	ID    string   `json:"id"`
	Names []string `json:"names"`
	// Metadata is JSON of the engine's.
	Metadata string `json:"metadata"`
}

// storedMetadata is what podman (libpod/storage.go) and CRI-O
// (internal/storage/runtime.go) keep.
type storedMetadata struct {
	Name      string `json:"name"`
	ImageName string `json:"image-name"`
	ImageID   string `json:"image-id"`
}

// Annotations that CRI-O (pkg/annotations) writes into the config.json of a
// container, beside kubelet's labels.
const (
	annotationManager   = "io.container.manager"
	annotationCRIOType  = "io.kubernetes.cri-o.ContainerType"
	annotationCRIOImage = "io.kubernetes.cri-o.ImageName"
	annotationCRIORef   = "io.kubernetes.cri-o.ImageRef"
	annotationCRIOLabel = "io.kubernetes.cri-o.Labels"
)

// Version implements Engine.
func (s *storage) Version(context.Context) (string, error) { return "", nil }

// Lookup implements Engine.
func (s *storage) Lookup(_ context.Context, refs []Ref) (map[Ref]Info, error) {
	byDir := map[string][]Ref{}
	for _, ref := range refs {
		for _, dir := range s.dirs(ref) {
			byDir[dir] = append(byDir[dir], ref)
		}
	}
	found := map[Ref]Info{}
	for dir, refs := range byDir {
		if err := lookStored(dir, refs, found); err != nil {
			return found, err
		}
	}
	return found, nil
}

// dirs are where a container may be.
func (s *storage) dirs(ref Ref) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref.Bundle == "" {
		return append([]string{s.dir}, s.met...)
	}
	// …/overlay-containers/ID/userdata, in a storage that may be anywhere.
	dir := filepath.Dir(filepath.Dir(ref.Bundle))
	if dir != s.dir && !slices.Contains(s.met, dir) && len(s.met) < maxStorages {
		s.met = append(s.met, dir)
	}
	return []string{dir}
}

// lookStored adds what one storage knows.
func lookStored(dir string, refs []Ref, found map[Ref]Info) error {
	// Containers that end with the machine, or by themselves, are in the second.
	for _, name := range []string{"containers.json", "volatile-containers.json"} {
		list, err := readStored(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		for i := range list {
			for _, ref := range refs {
				if ref.ID == list[i].ID {
					found[ref] = list[i].info(bundleOf(dir, ref))
				}
			}
		}
	}
	return nil
}

// bundleOf is where the config.json of a container is.
func bundleOf(dir string, ref Ref) string {
	if ref.Bundle != "" {
		return ref.Bundle
	}
	return filepath.Join(dir, ref.ID, "userdata")
}

// readStored reads a list of containers, an empty one where there is no file.
func readStored(file string) ([]storedContainer, error) {
	text, err := readBounded(file, bodyLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("podman's storage: %w", err)
	}
	var list []storedContainer
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("podman's storage: %s is not a list of containers: %w", file, err)
	}
	return list, nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	// Who owns the directory could put a pipe there, on which an open would hang.
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is larger than %d kB", name, limit>>10)
	}
	return text, err
}

// info is what is taken over of a container with a bundle.
func (c *storedContainer) info(bundle string) Info {
	var meta storedMetadata
	_ = json.Unmarshal([]byte(c.Metadata), &meta) // Other tools keep other things.
	i := Info{Runtime: "podman", Name: meta.Name, Image: meta.ImageName}
	if i.Name == "" && len(c.Names) > 0 {
		i.Name = c.Names[0]
	}
	if meta.ImageID != "" {
		i.ImageDigest = "sha256:" + meta.ImageID
	}
	if annotations := bundleAnnotations(bundle); annotations[annotationManager] == "cri-o" {
		i.crio(annotations)
	}
	i.bound()
	return i
}

// bundleAnnotations reads the annotations of the config.json of a bundle; there are
// none while it is being written.
func bundleAnnotations(bundle string) map[string]string {
	text, err := readBounded(filepath.Join(bundle, "config.json"), maxConfig)
	if err != nil {
		return nil
	}
	var config struct {
		Annotations map[string]string `json:"annotations"`
	}
	if json.Unmarshal(text, &config) != nil {
		return nil
	}
	return config.Annotations
}

// maxConfig bounds a config.json, in bytes: real ones have some ten thousand.
const maxConfig = 1 << 20

// crio takes the names that CRI-O writes into annotations.
func (i *Info) crio(annotations map[string]string) {
	i.Runtime = "cri-o"
	i.kubernetes(annotations)
	if image := annotations[annotationCRIOImage]; image != "" {
		i.Image = image
	}
	if _, digest, ok := strings.Cut(annotations[annotationCRIORef], "@"); ok {
		i.ImageDigest = digest
	}
	var labels map[string]string
	if json.Unmarshal([]byte(annotations[annotationCRIOLabel]), &labels) == nil {
		i.Labels = labels
	}
	i.kubernetes(i.Labels)
	switch {
	case annotations[annotationCRIOType] == "sandbox":
		i.PodLabels = ofPod(i.Labels)
		i.podName()
	case i.PodContainer != "":
		i.Name = i.PodContainer
	}
}
