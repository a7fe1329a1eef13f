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

// aboutTag is the digest that a tag is about, the inverse of tagAbout; "" for "".
func aboutTag(tag string) digest.Digest {
	name, _, _ := strings.Cut(tag, ".")
	return digest.Digest(strings.Replace(name, "-", ":", 1))
}

// tagOf returns the tag by which the attachment m of an index is found, "" when m
// is none or names its subject itself.
func tagOf(m ocispec.Descriptor) string {
	if t := m.Annotations[annotationTag]; attachedTag.MatchString(t) {
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
	all, err := l.attachedTo(ctx, func(d digest.Digest) bool { return d == subject.Digest })
	return all[subject.Digest], err
}

// Snapshot returns the layout as it is now, for asking about the signatures of many
// images: its list of attachments is read once.
func (l *Layout) Snapshot(ctx context.Context) (Source, error) {
	all, err := l.attachedTo(ctx, func(digest.Digest) bool { return true })
	return &snapshot{l, all}, err
}

// snapshot is a Layout with the attachments that it had.
type snapshot struct {
	*Layout
	attached map[digest.Digest][]attachment
}

func (s *snapshot) attachments(_ context.Context, subject ocispec.Descriptor) ([]attachment, error) {
	return s.attached[subject.Digest], nil
}

// attachedTo lists what is attached to the wanted manifests.
func (l *Layout) attachedTo(ctx context.Context, wanted func(digest.Digest) bool) (map[digest.Digest][]attachment, error) {
	data, err := l.readIndex()
	if err != nil || len(data) == 0 {
		return nil, err
	}
	index, err := decodeIndex(data)
	if err != nil {
		return nil, l.indexError(err)
	}
	found := map[digest.Digest][]attachment{}
	add := func(a attachment) {
		same := func(f attachment) bool { return f.Digest == a.Digest && f.tag == a.tag }
		if a.Digest != a.subject && wanted(a.subject) && !slices.ContainsFunc(found[a.subject], same) {
			found[a.subject] = append(found[a.subject], a)
		}
	}
	for _, m := range index.Manifests {
		tag := tagOf(m)
		a := attachment{plain(m), aboutTag(tag), tag}
		a.ArtifactType = m.ArtifactType
		switch {
		case tag != "" && tag == tagAbout(a.subject):
			if !wanted(a.subject) {
				continue
			}
			for _, r := range l.manifestOf(ctx, m).Manifests {
				if l.subjectOf(ctx, r) == a.subject {
					add(attachment{plain(r), a.subject, ""})
				}
			}
		case tag != "":
			add(a)
		case taggedAt(m) != taggedAt(ocispec.Descriptor{}):
			// An image of ours.
		case m.Annotations[annotationSubject] != "":
			a.subject = digest.Digest(m.Annotations[annotationSubject])
			add(a)
		case nameOf(m) == "":
			if a.subject = l.subjectOf(ctx, m); a.subject != "" {
				add(a)
			}
		}
	}
	for _, list := range found {
		slices.SortFunc(list, func(a, b attachment) int {
			return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.Digest, b.Digest))
		})
	}
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

// subjectOf is what a manifest is about, "" for nothing.
func (l *Layout) subjectOf(ctx context.Context, d ocispec.Descriptor) digest.Digest {
	n := l.manifestOf(ctx, d)
	if n.Subject == nil {
		return ""
	}
	return n.Subject.Digest
}
