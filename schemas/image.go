package schemas

// Media types of a gadget image (compat-spec §1.1). They are those of the
// published gadgets, so that images move freely between the tools.
const (
	ArtifactType       = "application/vnd.gadget.v1+binary"
	MediaTypeConfig    = "application/vnd.gadget.config.v1+yaml"
	MediaTypeProgram   = "application/vnd.gadget.ebpf.program.v1+binary"
	MediaTypeWASM      = "application/vnd.gadget.wasm.program.v1+binary"
	MediaTypeBTFGen    = "application/vnd.gadget.btfgen.v1+binary"
	MediaTypeEmptyJSON = "application/vnd.oci.empty.v1+json"
)

// Annotations that our builder writes beside the standard ones of OCI.
const (
	// AnnotationBuilderVersion is the key other tools of this format read.
	AnnotationBuilderVersion = "io.inspektor-gadget.builder.version"
	// AnnotationHeaders is the digest of the header set the programs were compiled with.
	AnnotationHeaders = "io.gadget.builder.headers"
)

// Image is a gadget image in memory: what a builder makes, a registry stores and
// a runner loads. It holds content only; digests and names belong to the registry.
type Image struct {
	// Metadata is gadget.yaml, byte for byte; nil when the image has none.
	Metadata []byte
	// Annotations of the index, without those that follow from the content.
	Annotations map[string]string
	// Platforms, sorted by architecture.
	Platforms []Platform
}

// Platform is what an image holds for one machine type.
type Platform struct {
	// OS and Arch in the words of Go: linux, amd64.
	OS, Arch string
	// Layers in the order program, wasm, btfgen. Unknown media types are kept.
	Layers []Layer
}

// Layer is one blob of a platform.
type Layer struct {
	MediaType string
	Data      []byte
}

// Layer returns the first layer of that media type, nil when there is none.
func (p *Platform) Layer(mediaType string) *Layer {
	for i := range p.Layers {
		if p.Layers[i].MediaType == mediaType {
			return &p.Layers[i]
		}
	}
	return nil
}

// Platform returns the content for an architecture in Go's words, nil when the
// image does not have it. The operating system is not compared, as readers of
// this format never did.
func (i *Image) Platform(arch string) *Platform {
	for n := range i.Platforms {
		if i.Platforms[n].Arch == arch {
			return &i.Platforms[n]
		}
	}
	return nil
}
