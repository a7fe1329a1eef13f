package signature

import (
	_ "crypto/sha256" // go-digest knows only the algorithms that are linked in
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Names of manifests with signatures (cosign, pkg/oci/remote).
const (
	artifactTypeSimple      = "application/vnd.dev.cosign.artifact.sig.v1+json"
	annotationContent       = "dev.sigstore.bundle.content"
	annotationPredicateType = "dev.sigstore.bundle.predicateType"
)

// Blob is content with its descriptor.
type Blob struct {
	ocispec.Descriptor
	Data []byte
}

func newBlob(mediaType string, data []byte) Blob {
	return Blob{ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, data}
}

// Artifact is a manifest with signatures, and the blobs that it names.
type Artifact struct {
	Manifest Blob
	Blobs    []Blob
	// Tag is the tag by which the manifest is found, "" when it names its subject.
	Tag string
}

// TagOf is the tag under which cosign looks for the signatures of a digest.
func TagOf(d digest.Digest) string { return d.Algorithm().String() + "-" + d.Encoded() + ".sig" }

// Sign signs subject, the manifest or index of an image, in one of the forms.
// repository is where the image belongs, "" for nowhere. earlier are the manifests
// that have its tag now: the new one has their signatures, too.
func Sign(form Form, subject ocispec.Descriptor, repository string, key *PrivateKey, earlier ...[]byte) (*Artifact, error) {
	var a *Artifact
	var layer Blob
	var err error
	switch form {
	case Tag:
		if layer, err = signSimple(subject.Digest, repository, key); err == nil {
			a, err = tagged(layer, earlier)
		}
	case Referrer:
		if layer, err = signSimple(subject.Digest, repository, key); err == nil {
			a, err = referrer(subject, newBlob(artifactTypeSimple, []byte("{}")), artifactTypeSimple, layer)
		}
	case Bundle:
		if layer, err = signBundle(subject.Digest, key); err == nil {
			a, err = referrer(subject, newBlob(ocispec.MediaTypeEmptyJSON, []byte("{}")), mediaTypeBundle, layer)
		}
	default:
		err = fmt.Errorf("the form %q is unknown", form)
	}
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", subject.Digest, err)
	}
	if form == Tag {
		a.Tag = TagOf(subject.Digest)
	}
	return a, nil
}

// referrer makes a manifest with a subject.
func referrer(subject ocispec.Descriptor, config Blob, artifactType string, layer Blob) (*Artifact, error) {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
		Config: config.Descriptor, Layers: []ocispec.Descriptor{layer.Descriptor},
		Subject: &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	}
	if artifactType == mediaTypeBundle {
		m.Annotations = map[string]string{annotationContent: "dsse-envelope", annotationPredicateType: predicateSign}
	}
	return newArtifact(m, artifactType, config, layer)
}

// tagged makes the manifest that cosign keeps under a tag: one of a container image
// whose layers are the signatures, so that every registry takes it.
func tagged(layer Blob, earlier [][]byte) (*Artifact, error) {
	var layers []ocispec.Descriptor
	for _, data := range earlier {
		var m ocispec.Manifest
		if len(data) > MaxManifest || json.Unmarshal(data, &m) != nil {
			return nil, errors.New("what has the tag of its signatures is no manifest")
		}
		for _, l := range m.Layers {
			if !slices.ContainsFunc(layers, func(o ocispec.Descriptor) bool { return sameLayer(o, l) }) {
				layers = append(layers, l)
			}
		}
	}
	layers = append(layers, layer.Descriptor)
	if len(layers) > MaxSignatures {
		return nil, fmt.Errorf("it would have %d signatures, more than the %d that are read", len(layers), MaxSignatures)
	}
	config, err := imageConfig(layers)
	if err != nil {
		return nil, err
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config.Descriptor, Layers: layers,
	}
	return newArtifact(m, "", config, layer)
}

func sameLayer(a, b ocispec.Descriptor) bool {
	return a.Digest == b.Digest && a.Annotations[annotationSignature] == b.Annotations[annotationSignature]
}

// imageConfig is the config of a container image that has these layers.
func imageConfig(layers []ocispec.Descriptor) (Blob, error) {
	config := ocispec.Image{RootFS: ocispec.RootFS{Type: "layers"}}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest) // nothing is compressed
	}
	data, err := json.Marshal(config)
	return newBlob(ocispec.MediaTypeImageConfig, data), err
}

func newArtifact(m ocispec.Manifest, artifactType string, blobs ...Blob) (*Artifact, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	top := newBlob(ocispec.MediaTypeImageManifest, data)
	top.ArtifactType = artifactType
	return &Artifact{Manifest: top, Blobs: blobs}, nil
}

// Layers returns the layers of a manifest that hold signatures, none when it is
// about something else. They are no larger than MaxLayer, and no more than
// MaxSignatures.
func Layers(manifest []byte) []ocispec.Descriptor {
	var m struct {
		Layers []ocispec.Descriptor `json:"layers"`
	}
	if len(manifest) > MaxManifest || json.Unmarshal(manifest, &m) != nil {
		return nil
	}
	found := slices.DeleteFunc(m.Layers, func(l ocispec.Descriptor) bool {
		known := l.MediaType == mediaTypeSimple || strings.HasPrefix(l.MediaType, mediaTypeBundlePrefix)
		return !known || l.Digest.Validate() != nil || l.Size < 0 || l.Size > MaxLayer
	})
	return found[:min(len(found), MaxSignatures)]
}
