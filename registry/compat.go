package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/gadget-bpf/gadget/schemas"
)

// annotationType is on the layers of a container image that holds a gadget: the media
// type of what is in them.
const annotationType = "io.gadget.layer.type"

// wrappedFiles are the names of what is in such layers, by media type.
var wrappedFiles = map[string]string{
	schemas.MediaTypeConfig:  "gadget.yaml",
	schemas.MediaTypeProgram: "program.bpf.o",
	schemas.MediaTypeWASM:    "program.wasm",
	schemas.MediaTypeBTFGen:  "btfgen.tar.gz",
}

// ContainerImage is a Source with one image: a gadget as a container image that has
// nothing which registries for container images could refuse. It is another image
// with a digest of its own, and what is attached to the gadget is not attached to it.
//
//	manifest   no artifactType; config of a container image that never runs
//	layers     a compressed tar each, with one file: gadget.yaml, program.bpf.o …
//
// [Load] and [Describe] read it like the gadget that it holds.
type ContainerImage struct {
	// Descriptor of its index.
	ocispec.Descriptor
	blobs map[digest.Digest]blob
}

var _ Source = (*ContainerImage)(nil)

// AsContainerImage makes a container image of a gadget. The same gadget makes the same
// image, unless the compression of Go's library changes.
func AsContainerImage(img *schemas.Image) (*ContainerImage, error) {
	if err := checkImage(img); err != nil {
		return nil, err
	}
	c := &ContainerImage{blobs: map[digest.Digest]blob{}}
	annotations := imageAnnotations(img)
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{}, Annotations: annotations,
	}
	for _, p := range sortedPlatforms(img) {
		layers := sortedLayers(p)
		if len(layers) == 0 && img.Metadata == nil {
			return nil, fmt.Errorf("there is nothing in the image for %s that a container image could hold", p.Arch)
		}
		if img.Metadata != nil {
			layers = append([]schemas.Layer{{MediaType: schemas.MediaTypeConfig, Data: img.Metadata}}, layers...)
		}
		d, err := c.addManifest(p, layers, annotations)
		if err != nil {
			return nil, err
		}
		index.Manifests = append(index.Manifests, d)
	}
	var err error
	c.Descriptor, err = c.addJSON(ocispec.MediaTypeImageIndex, index)
	return c, err
}

func (c *ContainerImage) addManifest(p schemas.Platform, layers []schemas.Layer, annotations map[string]string) (ocispec.Descriptor, error) {
	platform := ocispec.Platform{Architecture: p.Arch, OS: p.OS}
	config := ocispec.Image{Platform: platform, RootFS: ocispec.RootFS{Type: "layers"}}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Layers: []ocispec.Descriptor{}, Annotations: annotations,
	}
	for _, l := range layers {
		files, err := wrap(l)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		packed, err := compress(files)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		d := c.add(ocispec.MediaTypeImageLayerGzip, packed)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(files))
		d.Annotations = map[string]string{annotationType: l.MediaType}
		m.Layers = append(m.Layers, d)
	}
	var err error
	if m.Config, err = c.addJSON(ocispec.MediaTypeImageConfig, config); err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := c.addJSON(ocispec.MediaTypeImageManifest, m)
	d.Platform = &platform
	return d, err
}

func (c *ContainerImage) add(mediaType string, data []byte) ocispec.Descriptor {
	d := content.NewDescriptorFromBytes(mediaType, data)
	c.blobs[d.Digest] = blob{d, data}
	return d
}

func (c *ContainerImage) addJSON(mediaType string, v any) (ocispec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("write %s: %w", mediaType, err)
	}
	return c.add(mediaType, data), nil
}

// Resolve implements Source; every name stands for the one image.
func (c *ContainerImage) Resolve(context.Context, string) (ocispec.Descriptor, error) {
	return c.Descriptor, nil
}

// Fetch implements Source.
func (c *ContainerImage) Fetch(_ context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	b, ok := c.blobs[d.Digest]
	if !ok {
		return nil, damaged(d, "it is not in this image")
	}
	return b.open()
}

// wrap makes a tar with a layer as its only file, always the same bytes.
func wrap(l schemas.Layer) ([]byte, error) {
	name := wrappedFiles[l.MediaType]
	if name == "" {
		name = "layer"
	}
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(l.Data)), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := out.WriteHeader(h); err != nil {
		return nil, fmt.Errorf("wrap %s: %w", l.MediaType, err)
	}
	if _, err := out.Write(l.Data); err != nil {
		return nil, fmt.Errorf("wrap %s: %w", l.MediaType, err)
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("wrap %s: %w", l.MediaType, err)
	}
	return b.Bytes(), nil
}

// compress is as registries, and tools that copy container images, expect layers:
// others they would compress themselves, which changes the digest.
func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	out := gzip.NewWriter(&b)
	if _, err := out.Write(data); err != nil {
		return nil, fmt.Errorf("compress layer: %w", err)
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("compress layer: %w", err)
	}
	return b.Bytes(), nil
}

// readLayer reads a layer of a gadget, also of one in a container image.
func readLayer(ctx context.Context, src Source, d ocispec.Descriptor, limit int64) ([]byte, error) {
	if d.Annotations[annotationType] == "" {
		return readBlob(ctx, src, d, limit)
	}
	// A tar has headers and blocks that are filled up.
	const frame = 16 << 10
	data, err := readBlob(ctx, src, d, limit+frame)
	if err != nil {
		return nil, err
	}
	var files io.Reader = bytes.NewReader(data)
	if bytes.HasPrefix(data, []byte(gzipMagic)) {
		if files, err = gzip.NewReader(files); err != nil {
			return nil, damaged(d, "it cannot be decompressed: %s", err)
		}
	}
	in := tar.NewReader(io.LimitReader(files, limit+frame))
	h, err := in.Next()
	if err != nil {
		return nil, damaged(d, "it is no tar with a file in it: %s", err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil, damaged(d, "%q in it is no ordinary file", h.Name)
	}
	if h.Size > limit {
		return nil, damaged(d, "%q in it has more than the %d bytes that are read", h.Name, limit)
	}
	inner, err := io.ReadAll(in)
	if err != nil {
		return nil, damaged(d, "the tar ends too early: %s", err)
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		return nil, damaged(d, "there is more than one file in it")
	}
	return inner, nil
}

// isWrapped says whether a manifest is that of a container image with a gadget in it.
func isWrapped(m *ocispec.Manifest) bool {
	return slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.Annotations[annotationType] != "" })
}

// unwrap makes the manifest of a gadget from that of a container image which holds
// one: its layers keep digest and size, and get the types of what is in them.
func unwrap(m *ocispec.Manifest) {
	m.ArtifactType, m.Config.MediaType = schemas.ArtifactType, schemas.MediaTypeEmptyJSON
	var layers []ocispec.Descriptor
	for _, l := range m.Layers {
		if inner := l.Annotations[annotationType]; inner != "" {
			l.MediaType = inner
		}
		if l.MediaType == schemas.MediaTypeConfig {
			m.Config = l
			continue
		}
		layers = append(layers, l)
	}
	m.Layers = layers
}
