package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/content"
)

// Limits on what one image may consist of when it is copied.
const (
	maxManifests = 512
	maxBlobs     = 4096
	maxDepth     = 8
)

// graph is all that is copied with an image.
type graph struct {
	root ocispec.Descriptor
	// created is when the image says it was built, zero when it does not say.
	created time.Time
	// leaves are configs and layers, manifests all else, each after what it leads
	// to or is about.
	leaves    []ocispec.Descriptor
	manifests []blob
	attached  []attachment
	seen      map[digest.Digest]bool
	// about has the manifests that name a subject.
	about map[digest.Digest]bool
}

// node is what a manifest of any kind leads to.
type node struct {
	MediaType                string
	ArtifactType             string
	Config, Subject          *ocispec.Descriptor
	Manifests, Layers, Blobs []ocispec.Descriptor
}

func isManifestType(mediaType string) bool {
	return strings.Contains(mediaType, "manifest") || strings.Contains(mediaType, "image.index")
}

// survey finds all that belongs to the image root: every platform or those that
// are asked for, and what is attached to any of its manifests. It reads
// manifests and nothing else.
func survey(ctx context.Context, from Source, root ocispec.Descriptor, platforms []string) (*graph, error) {
	src := &readOnce{Source: from}
	data, err := readBlob(ctx, src, root, MaxManifest)
	if err != nil {
		return nil, err
	}
	index, err := parseIndex(root, data)
	if err != nil {
		return nil, err
	}
	info, err := Describe(ctx, src, root)
	if err != nil {
		return nil, err
	}
	g := &graph{root: root, created: info.Created, seen: map[digest.Digest]bool{}, about: map[digest.Digest]bool{}}
	top := blob{root, data}
	if len(platforms) > 0 {
		if top, err = narrow(index, root, data, platforms); err != nil {
			return nil, err
		}
		g.root = top.Descriptor
	}
	if err := g.add(ctx, src, top, 0); err != nil {
		return nil, err
	}
	return g, g.attach(ctx, from)
}

// ReadOnce returns a Source that reads each manifest of src once, for asking several
// things about one image.
func ReadOnce(src Source) Source { return &readOnce{Source: src} }

type readOnce struct {
	Source
	read sync.Map // by digest: []byte
}

func (s *readOnce) attachments(ctx context.Context, subject ocispec.Descriptor) ([]attachment, error) {
	if from, ok := s.Source.(attachmentSource); ok {
		return from.attachments(ctx, subject)
	}
	return nil, nil
}

// Fetch implements Source.
func (s *readOnce) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	if !isManifestType(d.MediaType) {
		return s.Source.Fetch(ctx, d)
	}
	data, known := s.read.Load(d.Digest)
	if !known {
		// The caller has seen to the size.
		fetched, err := content.FetchAll(ctx, s.Source, d)
		if err != nil {
			return nil, err
		}
		s.read.Store(d.Digest, fetched)
		data = fetched
	}
	return blob{d, data.([]byte)}.open()
}

// narrow returns an index with the manifests of some platforms, which is another
// image with another digest, unless these are all.
func narrow(index *ocispec.Index, root ocispec.Descriptor, data []byte, platforms []string) (blob, error) {
	kept := []ocispec.Descriptor{}
	for _, want := range platforms {
		os, arch, ok := strings.Cut(want, "/")
		if !ok {
			os, arch = "", want
		}
		n := len(kept)
		var have []string
		for _, m := range index.Manifests {
			if m.Platform == nil {
				continue
			}
			have = append(have, m.Platform.Architecture)
			if m.Platform.Architecture == arch && (os == "" || os == m.Platform.OS) && !containsDigest(kept, m.Digest) {
				kept = append(kept, m)
			}
		}
		if len(kept) == n {
			return blob{}, &PlatformError{arch, have}
		}
	}
	if len(kept) == len(index.Manifests) {
		return blob{root, data}, nil
	}
	var whole ocispec.Index
	if err := json.Unmarshal(data, &whole); err != nil {
		return blob{}, fmt.Errorf("index %s: %s", short(root.Digest), jsonTrouble(err))
	}
	// In the order of the whole index, so that the digest depends on the set only.
	whole.Manifests = slices.DeleteFunc(whole.Manifests, func(m ocispec.Descriptor) bool { return !containsDigest(kept, m.Digest) })
	data, err := json.Marshal(whole)
	if err != nil {
		return blob{}, fmt.Errorf("write index: %w", err)
	}
	return blob{content.NewDescriptorFromBytes(root.MediaType, data), data}, nil
}

func containsDigest(list []ocispec.Descriptor, d digest.Digest) bool {
	return slices.ContainsFunc(list, func(m ocispec.Descriptor) bool { return m.Digest == d })
}

// add adds a manifest behind all that it leads to.
func (g *graph) add(ctx context.Context, src Source, b blob, depth int) error {
	if g.seen[b.Digest] {
		return nil
	}
	g.seen[b.Digest] = true
	if depth > maxDepth {
		return fmt.Errorf("manifest %s: more than %d indexes inside each other", short(b.Digest), maxDepth)
	}
	var n node
	if err := json.Unmarshal(b.data, &n); err != nil {
		return fmt.Errorf("blob %s is no manifest: %s", short(b.Digest), jsonTrouble(err))
	}
	for _, m := range n.Manifests {
		if g.seen[m.Digest] {
			continue
		}
		data, err := readBlob(ctx, src, m, MaxManifest)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", short(m.Digest), err)
		}
		if err := g.add(ctx, src, blob{plain(m), data}, depth+1); err != nil {
			return err
		}
	}
	leaves := append(slices.Clone(n.Layers), n.Blobs...)
	if n.Config != nil {
		leaves = append(leaves, *n.Config)
	}
	for _, l := range leaves {
		if err := g.addLeaf(l); err != nil {
			return err
		}
	}
	g.about[b.Digest] = n.Subject != nil
	g.manifests = append(g.manifests, b)
	if len(g.manifests) > maxManifests {
		return fmt.Errorf("the image has more than %d manifests", maxManifests)
	}
	return nil
}

func (g *graph) addLeaf(l ocispec.Descriptor) error {
	switch {
	case l.Digest.Validate() != nil:
		return fmt.Errorf("the image names a blob by %q, which is no digest", l.Digest)
	case l.Size < 0 || l.Size > MaxLayer:
		return fmt.Errorf("blob %s has %d bytes, more than the %d that are read", short(l.Digest), l.Size, MaxLayer)
	case g.seen[l.Digest]:
		return nil
	case len(g.leaves) >= maxBlobs:
		return fmt.Errorf("the image has more than %d blobs", maxBlobs)
	}
	g.seen[l.Digest] = true
	g.leaves = append(g.leaves, plain(l))
	return nil
}

// attach adds what is attached to the manifests so far, and to what is attached.
func (g *graph) attach(ctx context.Context, src Source) error {
	from, ok := src.(attachmentSource)
	if !ok {
		return nil
	}
	for done := 0; done < len(g.manifests); {
		todo := g.manifests[done:]
		done = len(g.manifests)
		found := make([][]attachment, len(todo))
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for i, m := range todo {
			group.Go(func() (err error) {
				found[i], err = from.attachments(groupCtx, m.Descriptor)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return fmt.Errorf("look for signatures and other attachments: %w", err)
		}
		for _, a := range slices.Concat(found...) {
			data, err := readBlob(ctx, src, a.Descriptor, MaxManifest)
			if err != nil {
				return fmt.Errorf("attachment %s: %w", short(a.Digest), err)
			}
			if err := g.add(ctx, src, blob{plain(a.Descriptor), data}, 0); err != nil {
				return fmt.Errorf("attachment %s: %w", short(a.Digest), err)
			}
			g.attached = append(g.attached, a)
		}
	}
	return nil
}
