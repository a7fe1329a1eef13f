package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/schemas"
)

// Info is what an image consists of, without the content.
type Info struct {
	Digest digest.Digest
	// Index is what Describe was asked for.
	Index ocispec.Descriptor
	// Annotations of the index.
	Annotations map[string]string
	// Created is when the image says it was built; zero when it does not say.
	Created time.Time
	// Size of all blobs in bytes, each counted once.
	Size int64
	// Metadata is gadget.yaml of the first platform, nil when there is none.
	Metadata []byte
	// Platforms in the order of the index.
	Platforms []PlatformInfo
}

// PlatformInfo is one manifest of an image.
type PlatformInfo struct {
	// OS and Arch in the words of Go.
	OS, Arch string
	// Digest and Annotations of the manifest.
	Digest      digest.Digest
	Annotations map[string]string
	// Config describes gadget.yaml, Layers the rest. In a container image they have the
	// types of what is in the layers, but digest and size of these.
	Config ocispec.Descriptor
	Layers []ocispec.Descriptor
	// wrapper is the config of a container image, empty for others.
	wrapper ocispec.Descriptor
}

// blobs are all that the manifest leads to.
func (p *PlatformInfo) blobs() []ocispec.Descriptor {
	all := append(slices.Clone(p.Layers), p.Config)
	if p.wrapper.Digest != "" {
		all = append(all, p.wrapper)
	}
	return all
}

// Load reads the image that d describes; with archs only these platforms, in
// that order, and a *PlatformError when one is missing. What is no gadget image
// is a *NotGadgetError.
func Load(ctx context.Context, src Source, d ocispec.Descriptor, archs ...string) (*schemas.Image, error) {
	info, err := describe(ctx, src, d, archs)
	if err != nil {
		return nil, err
	}
	img := &schemas.Image{Metadata: info.Metadata, Annotations: ownAnnotations(info)}
	for _, p := range info.Platforms {
		platform, err := loadPlatform(ctx, src, &p, nil)
		if err != nil {
			return nil, err
		}
		img.Platforms = append(img.Platforms, platform)
	}
	return img, nil
}

// LoadLayers reads one platform of an image that was described, and of that the
// layers of some media types. All others stay where they are.
func LoadLayers(ctx context.Context, src Source, info *Info, arch string, mediaTypes ...string) (*schemas.Image, error) {
	img := &schemas.Image{Metadata: info.Metadata, Annotations: ownAnnotations(info)}
	for _, p := range info.Platforms {
		if p.Arch != arch {
			continue
		}
		platform, err := loadPlatform(ctx, src, &p, mediaTypes)
		if err != nil {
			return nil, err
		}
		img.Platforms = append(img.Platforms, platform)
	}
	return img, nil
}

// loadPlatform reads the layers of a platform, all of them when mediaTypes is nil.
func loadPlatform(ctx context.Context, src Source, p *PlatformInfo, mediaTypes []string) (schemas.Platform, error) {
	platform := schemas.Platform{OS: p.OS, Arch: p.Arch}
	for _, l := range p.Layers {
		if mediaTypes != nil && !slices.Contains(mediaTypes, l.MediaType) {
			continue
		}
		data, err := readLayer(ctx, src, l, MaxLayer)
		if err != nil {
			return platform, fmt.Errorf("%s layer for %s: %w", l.MediaType, p.Arch, err)
		}
		platform.Layers = append(platform.Layers, schemas.Layer{MediaType: l.MediaType, Data: data})
	}
	return platform, nil
}

// Describe reads what the image that d describes consists of. The errors are
// those of Load.
func Describe(ctx context.Context, src Source, d ocispec.Descriptor) (*Info, error) {
	return describe(ctx, src, d, nil)
}

func describe(ctx context.Context, src Source, d ocispec.Descriptor, archs []string) (*Info, error) {
	data, err := readBlob(ctx, src, d, MaxManifest)
	if err != nil {
		return nil, err
	}
	index, err := parseIndex(d, data)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(index, archs)
	if err != nil {
		return nil, err
	}
	info := &Info{Digest: d.Digest, Index: plain(d), Annotations: index.Annotations}
	info.Created, _ = time.Parse(time.RFC3339, index.Annotations[ocispec.AnnotationCreated])
	sizes := map[digest.Digest]int64{d.Digest: d.Size}
	for i, entry := range chosen {
		p, err := describePlatform(ctx, src, entry)
		if err != nil {
			return nil, err
		}
		for _, b := range append(p.blobs(), entry) {
			sizes[b.Digest] = b.Size
		}
		if i == 0 && p.Config.MediaType == schemas.MediaTypeConfig {
			if info.Metadata, err = readLayer(ctx, src, p.Config, MaxMetadata); err != nil {
				return nil, fmt.Errorf("metadata: %w", err)
			}
		}
		info.Platforms = append(info.Platforms, p)
	}
	for _, n := range sizes {
		info.Size += n
	}
	return info, nil
}

func describePlatform(ctx context.Context, src Source, entry ocispec.Descriptor) (PlatformInfo, error) {
	p := PlatformInfo{OS: entry.Platform.OS, Arch: entry.Platform.Architecture, Digest: entry.Digest}
	data, err := readBlob(ctx, src, entry, MaxManifest)
	if err != nil {
		return p, fmt.Errorf("manifest for %s: %w", p.Arch, err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return p, fmt.Errorf("manifest for %s: blob %s is no manifest: %s", p.Arch, short(entry.Digest), jsonTrouble(err))
	}
	if isWrapped(&m) {
		p.wrapper = m.Config
		unwrap(&m)
	}
	if !isGadget(&m) {
		return p, &NotGadgetError{entry.Digest, manifestKind(&m)}
	}
	if len(m.Layers) > maxLayers {
		return p, fmt.Errorf("manifest for %s: %d layers, more than the %d that are read", p.Arch, len(m.Layers), maxLayers)
	}
	p.Annotations, p.Config, p.Layers = m.Annotations, m.Config, m.Layers
	return p, nil
}

// parseIndex reads the top of an image, which must be an index.
func parseIndex(d ocispec.Descriptor, data []byte) (*ocispec.Index, error) {
	var both struct {
		ocispec.Manifest
		Manifests *[]ocispec.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(data, &both); err != nil {
		return nil, &NotGadgetError{d.Digest, fmt.Sprintf("%s and no index (%s)", mediaTypeWords(d.MediaType), jsonTrouble(err))}
	}
	if both.Manifests == nil {
		what := manifestKind(&both.Manifest)
		if isGadget(&both.Manifest) {
			what = "the manifest of one platform of a gadget; use the digest of the index"
		}
		return nil, &NotGadgetError{d.Digest, what}
	}
	return &ocispec.Index{Annotations: both.Annotations, Manifests: *both.Manifests}, nil
}

// choose returns the manifests to read: the first of each architecture, or
// those of archs. The operating system is not compared.
func choose(index *ocispec.Index, archs []string) ([]ocispec.Descriptor, error) {
	var entries []ocispec.Descriptor
	var have []string
	for _, m := range index.Manifests {
		// Other tools add manifests for "unknown" that hold no content of their own.
		if m.Platform == nil || m.Platform.Architecture == "" || m.Platform.Architecture == "unknown" || slices.Contains(have, m.Platform.Architecture) {
			continue
		}
		have = append(have, m.Platform.Architecture)
		entries = append(entries, m)
	}
	if len(entries) > maxPlatforms {
		return nil, fmt.Errorf("the index has %d platforms, more than the %d that are read", len(entries), maxPlatforms)
	}
	if len(archs) == 0 {
		if len(entries) == 0 {
			return nil, &PlatformError{}
		}
		return entries, nil
	}
	var chosen []ocispec.Descriptor
	for _, arch := range archs {
		i := slices.Index(have, arch)
		if i < 0 {
			return nil, &PlatformError{arch, have}
		}
		chosen = append(chosen, entries[i])
	}
	return chosen, nil
}

func isGadget(m *ocispec.Manifest) bool {
	if m.ArtifactType == schemas.ArtifactType || m.Config.MediaType == schemas.MediaTypeConfig {
		return true
	}
	return slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.MediaType == schemas.MediaTypeProgram })
}

// manifestKind says in words what a manifest that is no gadget holds.
func manifestKind(m *ocispec.Manifest) string {
	kind := m.ArtifactType
	if kind == "" {
		kind = m.Config.MediaType
	}
	return mediaTypeWords(kind)
}

func mediaTypeWords(t string) string {
	switch {
	case t == ocispec.MediaTypeImageConfig, t == "application/vnd.docker.container.image.v1+json":
		return "a container image"
	case strings.HasPrefix(t, "application/vnd.cncf.helm."):
		return "a Helm chart"
	case strings.Contains(t, "cosign"), strings.Contains(t, "sigstore"), strings.Contains(t, "notary"):
		return "a signature"
	case t == "":
		return "something of unknown type"
	}
	return fmt.Sprintf("of type %q", t)
}

// jsonTrouble drops the Go type names from the errors of encoding/json.
func jsonTrouble(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok {
		return fmt.Sprintf("a %s where %q has another type", t.Value, t.Field)
	}
	return err.Error()
}
