package builder

import (
	"maps"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/schemas"
)

// annotations of the image (compat-spec §1.3). Those of gadget.yaml may replace
// ours, except the date.
func annotations(md *schemas.Metadata, headers string, o Options) map[string]string {
	out := map[string]string{schemas.AnnotationBuilderVersion: o.Version}
	if o.Version == "" {
		out[schemas.AnnotationBuilderVersion] = "v0.0.0"
	}
	for key, value := range map[string]string{
		ocispec.AnnotationTitle:         md.Name,
		ocispec.AnnotationDescription:   md.Description,
		ocispec.AnnotationURL:           md.HomepageURL,
		ocispec.AnnotationDocumentation: md.DocumentationURL,
		ocispec.AnnotationSource:        md.SourceURL,
		schemas.AnnotationHeaders:       headers,
	} {
		if value != "" {
			out[key] = value
		}
	}
	maps.Copy(out, md.Annotations)

	created := o.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	out[ocispec.AnnotationCreated] = created.UTC().Format(time.RFC3339)
	return out
}
