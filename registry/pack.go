package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/gadget-bpf/gadget/schemas"
)

// blob is content with its descriptor.
type blob struct {
	ocispec.Descriptor
	data []byte
}

// Digest returns the digest that an image has wherever it is stored. The same
// image has the same digest.
func Digest(img *schemas.Image) (digest.Digest, error) {
	_, root, err := pack(img)
	return root.Digest, err
}

// pack turns an image into blobs, children before parents, and the descriptor
// of its index (compat-spec §1.2, §1.3).
func pack(img *schemas.Image) (blobs []blob, root ocispec.Descriptor, err error) {
	if err := checkImage(img); err != nil {
		return nil, root, err
	}
	add := func(mediaType string, data []byte) ocispec.Descriptor {
		d := content.NewDescriptorFromBytes(mediaType, data)
		if !slices.ContainsFunc(blobs, func(b blob) bool { return b.Digest == d.Digest }) {
			blobs = append(blobs, blob{d, data})
		}
		return d
	}
	configType, metadata := schemas.MediaTypeConfig, img.Metadata
	if metadata == nil {
		configType, metadata = schemas.MediaTypeEmptyJSON, []byte("{}")
	}
	config := add(configType, metadata)
	annotations := imageAnnotations(img)
	config.Annotations = annotations
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{}, Annotations: annotations,
	}
	for _, p := range sortedPlatforms(img) {
		// Manifests of this format have no mediaType of their own.
		m := ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, ArtifactType: schemas.ArtifactType,
			Config: config, Layers: []ocispec.Descriptor{}, Annotations: annotations,
		}
		for _, l := range sortedLayers(p) {
			m.Layers = append(m.Layers, add(l.MediaType, l.Data))
		}
		data, err := json.Marshal(m)
		if err != nil {
			return nil, root, fmt.Errorf("write manifest for %s: %w", p.Arch, err)
		}
		d := add(ocispec.MediaTypeImageManifest, data)
		d.Annotations = annotations
		d.Platform = &ocispec.Platform{Architecture: p.Arch, OS: p.OS}
		index.Manifests = append(index.Manifests, d)
	}
	data, err := json.Marshal(index)
	if err != nil {
		return nil, root, fmt.Errorf("write index: %w", err)
	}
	return blobs, add(ocispec.MediaTypeImageIndex, data), nil
}

// checkImage refuses what no reader would take.
func checkImage(img *schemas.Image) error {
	if len(img.Platforms) == 0 {
		return fmt.Errorf("the image has no platform")
	}
	if len(img.Metadata) > MaxMetadata {
		return fmt.Errorf("the metadata has %d bytes, more than %d", len(img.Metadata), MaxMetadata)
	}
	seen := map[string]bool{}
	for _, p := range img.Platforms {
		if p.Arch == "" || p.OS == "" || seen[p.Arch] {
			return fmt.Errorf("the image has platform \"%s/%s\" twice or without a name", p.OS, p.Arch)
		}
		seen[p.Arch] = true
		if len(p.Layers) > maxLayers {
			return fmt.Errorf("%d layers for %s, more than %d", len(p.Layers), p.Arch, maxLayers)
		}
		for _, l := range p.Layers {
			if len(l.Data) > MaxLayer {
				return fmt.Errorf("%s layer for %s has %d bytes, more than %d", l.MediaType, p.Arch, len(l.Data), MaxLayer)
			}
		}
	}
	return nil
}

func sortedPlatforms(img *schemas.Image) []schemas.Platform {
	return slices.SortedFunc(slices.Values(img.Platforms), func(a, b schemas.Platform) int { return cmp.Compare(a.Arch, b.Arch) })
}

func sortedLayers(p schemas.Platform) []schemas.Layer {
	rank := func(l schemas.Layer) int {
		i := slices.Index([]string{schemas.MediaTypeProgram, schemas.MediaTypeWASM, schemas.MediaTypeBTFGen}, l.MediaType)
		if i < 0 {
			return 3
		}
		return i
	}
	return slices.SortedStableFunc(slices.Values(p.Layers), func(a, b schemas.Layer) int { return cmp.Compare(rank(a), rank(b)) })
}

// imageAnnotations puts what the metadata says over what the builder says;
// only the time of creation is the builder's in any case.
func imageAnnotations(img *schemas.Image) map[string]string {
	all := maps.Clone(img.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, contentAnnotations(img.Metadata))
	if created, ok := img.Annotations[ocispec.AnnotationCreated]; ok {
		all[ocispec.AnnotationCreated] = created
	}
	return all
}

// contentAnnotations are those that follow from gadget.yaml.
func contentAnnotations(metadata []byte) map[string]string {
	md, _, err := schemas.ParseMetadata("gadget.yaml", metadata)
	if err != nil {
		return nil // a stranger's image; builders refuse such a file
	}
	all := map[string]string{}
	for key, value := range map[string]string{
		ocispec.AnnotationTitle:         md.Name,
		ocispec.AnnotationDescription:   md.Description,
		ocispec.AnnotationURL:           md.HomepageURL,
		ocispec.AnnotationDocumentation: md.DocumentationURL,
		ocispec.AnnotationSource:        md.SourceURL,
	} {
		if value != "" {
			all[key] = value
		}
	}
	maps.Copy(all, md.Annotations)
	return all
}

// ownAnnotations are those of an image that do not follow from its content.
func ownAnnotations(info *Info) map[string]string {
	own := maps.Clone(info.Annotations)
	for key, value := range contentAnnotations(info.Metadata) {
		if own[key] == value && key != ocispec.AnnotationCreated {
			delete(own, key)
		}
	}
	return own
}
