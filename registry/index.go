package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	indexFile = ocispec.ImageIndexFile
	// annotationTagged says in index.json when this index got the name.
	annotationTagged = "io.gadget.store.tagged"
	// maxIndex bounds index.json: some 200,000 images.
	maxIndex = 64 << 20
)

// indexHead begins an index.json that this package wrote: each entry has a line
// of its own, so that one name is found without decoding the others.
const indexHead = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[` + "\n"

// encodeIndex writes an index.json, an entry per line.
func encodeIndex(index *ocispec.Index) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(indexHead)
	for i, m := range index.Manifests {
		line, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		b.Write(line)
		if i < len(index.Manifests)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteByte(']')
	if len(index.Annotations) > 0 {
		line, err := json.Marshal(index.Annotations)
		if err != nil {
			return nil, err
		}
		b.WriteString(`,"annotations":`)
		b.Write(line)
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// decodeIndex reads an index.json of anyone.
func decodeIndex(data []byte) (*ocispec.Index, error) {
	index := &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}}
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	if err := json.Unmarshal(data, index); err != nil {
		return nil, errors.New(jsonTrouble(err))
	}
	if index.SchemaVersion != 2 {
		return nil, fmt.Errorf("schema version %d is unknown", index.SchemaVersion)
	}
	for _, m := range index.Manifests {
		if err := m.Digest.Validate(); err != nil {
			return nil, fmt.Errorf("%q is no digest", m.Digest)
		}
	}
	return index, nil
}

// nameOf returns the name of an entry, "" when it has none.
func nameOf(d ocispec.Descriptor) string { return d.Annotations[ocispec.AnnotationRefName] }

func taggedAt(d ocispec.Descriptor) time.Time {
	t, _ := time.Parse(time.RFC3339, d.Annotations[annotationTagged])
	return t
}

// plain is a descriptor as it is in the content, without what an index adds.
func plain(d ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// setName gives d a name, taking it from whatever had it; with name "" d is
// kept without a name unless it has one.
func setName(index *ocispec.Index, d ocispec.Descriptor, name string, at time.Time) {
	entry := plain(d)
	entry.Annotations = map[string]string{annotationTagged: at.UTC().Format(time.RFC3339)}
	if name == "" {
		if !slices.ContainsFunc(index.Manifests, func(m ocispec.Descriptor) bool { return m.Digest == d.Digest }) {
			index.Manifests = append(index.Manifests, entry)
		}
		return
	}
	entry.Annotations[ocispec.AnnotationRefName] = name
	index.Manifests = slices.DeleteFunc(index.Manifests, func(m ocispec.Descriptor) bool {
		return nameOf(m) == name || m.Digest == d.Digest && nameOf(m) == ""
	})
	index.Manifests = append(index.Manifests, entry)
}

// lost says whether a digest that was referred to before is not any more.
func lost(before, after []ocispec.Descriptor) bool {
	there := make(map[digest.Digest]bool, len(after))
	for _, m := range after {
		there[m.Digest] = true
	}
	return slices.ContainsFunc(before, func(m ocispec.Descriptor) bool { return !there[m.Digest] })
}

// readRegular reads a file that must not be a link or a device.
func readRegular(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := regular(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are read", name, info.Size(), limit)
	}
	return fs.ReadFile(fsys, name)
}

// regular returns the size of a file and refuses what is no ordinary file: a
// link or a pipe in a store is not ours.
func regular(fsys fs.FS, name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s is a symbolic link, which a store does not follow", name)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no ordinary file", name)
	}
	return info, nil
}
