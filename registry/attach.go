package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Annotations of the entries of attachments in the index of a store: the image
// with which they come and go, the manifest they are about, and their tag.
const (
	annotationOf      = "io.gadget.store.of"
	annotationSubject = "io.gadget.store.subject"
	annotationTag     = "io.gadget.store.tag"
)

// attachment is a manifest about another one, such as a signature.
type attachment struct {
	// Descriptor has an artifact type, when that is known, but no annotations.
	ocispec.Descriptor
	// subject is the manifest that it is about.
	subject digest.Digest
	// tag is sha256-<hex>.sig or the like for what is found by its tag, "" for what
	// names its subject itself.
	tag string
}

// attachmentSource is a Source that knows what is attached to a manifest.
type attachmentSource interface {
	attachments(ctx context.Context, subject ocispec.Descriptor) ([]attachment, error)
}

// tagSuffixes end the tags under which cosign keeps signatures, attestations and
// bills of materials.
var tagSuffixes = []string{".sig", ".att", ".sbom"}

// tagAbout is the tag of an index of referrers, and the beginning of cosign's tags.
func tagAbout(d digest.Digest) string { return d.Algorithm().String() + "-" + d.Encoded() }

var attachedTag = regexp.MustCompile(`^sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})(\.[a-z]+)?$`)

// tagOf returns the tag by which the attachment m of an index is found, "" when m
// is none or names its subject itself.
func tagOf(m ocispec.Descriptor) string {
	if t := m.Annotations[annotationTag]; t != "" {
		return t
	}
	name := nameOf(m)
	if t := name[strings.LastIndexByte(name, ':')+1:]; attachedTag.MatchString(t) {
		return t
	}
	return ""
}

// isAttachment tells entries of attachments from those of images.
func isAttachment(m ocispec.Descriptor) bool {
	return m.Annotations[annotationOf] != "" || tagOf(m) != ""
}

// setAttachment adds the entry of an attachment to the index of a store.
func setAttachment(index *ocispec.Index, a attachment, of digest.Digest, repository string) {
	entry := plain(a.Descriptor)
	entry.ArtifactType = a.ArtifactType
	entry.Annotations = map[string]string{annotationOf: of.String(), annotationSubject: a.subject.String()}
	if a.tag != "" {
		entry.Annotations[annotationTag] = a.tag
		if repository != "" {
			entry.Annotations[ocispec.AnnotationRefName] = repository + ":" + a.tag
		}
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(m ocispec.Descriptor) bool {
		same := m.Digest == a.Digest && m.Annotations[annotationOf] == of.String() && tagOf(m) == a.tag && nameOf(m) == nameOf(entry)
		return same || nameOf(m) != "" && nameOf(m) == nameOf(entry)
	})
	index.Manifests = append(index.Manifests, entry)
}

// replaceAttachment is setAttachment for something new about an image that the index
// has: what had its tag before loses it.
func replaceAttachment(index *ocispec.Index, a attachment, of digest.Digest) {
	repository := ""
	for _, m := range index.Manifests {
		if ref, err := ParseReference(nameOf(m)); m.Digest == of && err == nil && repository == "" && nameOf(m) == ref.String() {
			repository = ref.Repository()
		}
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(m ocispec.Descriptor) bool {
		return a.tag != "" && tagOf(m) == a.tag
	})
	setAttachment(index, a, of, repository)
}

// dropOrphans removes the attachments of images that the index has no more.
func dropOrphans(index *ocispec.Index) {
	images := map[string]bool{}
	for _, m := range index.Manifests {
		if !isAttachment(m) {
			images[m.Digest.String()] = true
		}
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(m ocispec.Descriptor) bool {
		of := m.Annotations[annotationOf]
		return of != "" && !images[of]
	})
}

// attachments finds what is attached to a manifest, as gadget, cosign or oras
// have put it into the layout.
func (l *Layout) attachments(ctx context.Context, subject ocispec.Descriptor) ([]attachment, error) {
	data, err := l.readIndex()
	if err != nil || len(data) == 0 {
		return nil, err
	}
	index, err := decodeIndex(data)
	if err != nil {
		return nil, l.indexError(err)
	}
	var found []attachment
	add := func(a attachment) {
		if !slices.ContainsFunc(found, func(f attachment) bool { return f.Digest == a.Digest && f.tag == a.tag }) {
			found = append(found, a)
		}
	}
	for _, m := range index.Manifests {
		tag := tagOf(m)
		a := attachment{plain(m), subject.Digest, ""}
		a.ArtifactType = m.ArtifactType
		switch {
		case m.Digest == subject.Digest:
		case tag == tagAbout(subject.Digest):
			for _, r := range l.manifestOf(ctx, m).Manifests {
				if l.refersTo(ctx, r, subject.Digest) {
					add(attachment{plain(r), subject.Digest, ""})
				}
			}
		case strings.HasPrefix(tag, tagAbout(subject.Digest)+"."):
			a.tag = tag
			add(a)
		case tag != "", taggedAt(m) != taggedAt(ocispec.Descriptor{}):
			// Something about another manifest, or an image of ours.
		case m.Annotations[annotationSubject] != "":
			if m.Annotations[annotationSubject] == subject.Digest.String() {
				add(a)
			}
		case nameOf(m) == "" && l.refersTo(ctx, m, subject.Digest):
			add(a)
		}
	}
	slices.SortFunc(found, func(a, b attachment) int {
		return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.Digest, b.Digest))
	})
	return found, nil
}

// manifestOf reads a manifest, and takes what cannot be read for one that leads
// nowhere: it belongs to some other image.
func (l *Layout) manifestOf(ctx context.Context, d ocispec.Descriptor) (n node) {
	if data, err := readBlob(ctx, l, d, MaxManifest); err == nil {
		_ = json.Unmarshal(data, &n)
	}
	return n
}

func (l *Layout) refersTo(ctx context.Context, d ocispec.Descriptor, subject digest.Digest) bool {
	n := l.manifestOf(ctx, d)
	return n.Subject != nil && n.Subject.Digest == subject
}
