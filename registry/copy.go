package registry

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// parallel is how many blobs are moved at once.
const parallel = 4

// Target is where images are written to: a *Store, a *Remote or a *TarWriter.
type Target interface {
	// receive calls move with what takes the parts of one image. When that or
	// receive itself fails, the target has no more images than before.
	receive(ctx context.Context, move func(receiver) error) error
}

// receiver takes the parts of one image: blobs before the manifests that name
// them. Blobs may be pushed concurrently.
type receiver interface {
	// has says whether a blob or manifest is there already.
	has(ctx context.Context, d ocispec.Descriptor) (bool, error)
	push(ctx context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error
	// name is called last. The zero Reference is no name.
	name(ctx context.Context, root ocispec.Descriptor, to Reference, attached []attachment) error
}

var (
	_ Target = (*Store)(nil)
	_ Target = (*Remote)(nil)
	_ Target = (*TarWriter)(nil)
)

// CopyOptions are the choices of Copy. The zero value copies everything.
type CopyOptions struct {
	// Platforms, such as linux/amd64 or amd64, are copied instead of all. The copy
	// is an image with a digest of its own, without what is attached to the whole.
	Platforms []string
	// Progress is told of every blob and manifest; its calls never overlap. Nil is
	// silent.
	Progress func(Progress)
}

// Progress is how far the copying of one blob is.
type Progress struct {
	ocispec.Descriptor
	// Bytes of Size that are copied.
	Bytes int64
	// Existed is true for what the target had already, Done when nothing follows.
	Existed, Done bool
	// Blobs and Total count all parts of the image and their bytes.
	Blobs int
	Total int64
}

// Copied says what Copy did.
type Copied struct {
	// Descriptor of the copy.
	ocispec.Descriptor
	// Blobs and Bytes of blobs and manifests that were moved, and how many the
	// target had already.
	Blobs   int
	Bytes   int64
	Existed int
	// Attached are signatures and the like that were copied with the image.
	Attached []digest.Digest
}

// Copy copies the image that src knows by name to dst, where it gets the name to;
// the zero Reference leaves it without one. All platforms move, and all that is
// attached to them: referrers, and the tags of cosign. Digests stay the same.
// Blobs move in parallel and are verified as they stream. When Copy fails, the
// target is as it was, or, for a registry, has parts that no name leads to.
func Copy(ctx context.Context, src Source, name string, dst Target, to Reference, o CopyOptions) (*Copied, error) {
	root, err := src.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	g, err := survey(ctx, src, root, o.Platforms)
	if err != nil {
		return nil, err
	}
	if to.Digest != "" && to.Digest != g.root.Digest {
		return nil, fmt.Errorf("name %s: the image has digest %s", to, g.root.Digest)
	}
	c := &copier{src: src, graph: g, tell: o.Progress, copied: Copied{Descriptor: g.root}}
	for _, a := range g.attached {
		c.copied.Attached = append(c.copied.Attached, a.Digest)
	}
	err = dst.receive(ctx, func(r receiver) error {
		if remote, ok := r.(*remoteReceiver); ok {
			remote.mountFrom = neighbour(src, root.Digest, remote.ref)
		}
		if err := c.move(ctx, r); err != nil {
			return err
		}
		return r.name(ctx, g.root, to, g.attached)
	})
	if err != nil {
		return nil, err
	}
	return &c.copied, nil
}

// copier is one Copy.
type copier struct {
	src   Source
	graph *graph
	tell  func(Progress)

	mu     sync.Mutex // below, and calls of tell
	copied Copied
}

// move pushes the blobs, then the manifests in their order.
func (c *copier) move(ctx context.Context, r receiver) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	if w, serial := r.(*TarWriter); serial {
		w.begin(c.graph.created)
		group.SetLimit(1) // a stream, always in the same order
	}
	for _, l := range c.graph.leaves {
		group.Go(func() error { return c.leaf(groupCtx, r, l) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, m := range c.graph.manifests {
		if err := c.manifest(ctx, r, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) leaf(ctx context.Context, r receiver, d ocispec.Descriptor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	there, err := r.has(ctx, d)
	if err != nil {
		return err
	}
	if !there {
		c.progress(Progress{Descriptor: d})
		// What is not even opened was there after all, in another repository.
		there = true
		err = r.push(ctx, d, func() (io.ReadCloser, error) {
			there = false
			body, err := c.src.Fetch(ctx, d)
			if err != nil {
				return nil, err
			}
			return &checkedReader{body: body, want: d, hash: d.Digest.Algorithm().Digester(), tell: func(n int64) {
				c.progress(Progress{Descriptor: d, Bytes: n})
			}}, nil
		})
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", short(d.Digest), err)
	}
	c.done(d, there)
	return nil
}

func (c *copier) manifest(ctx context.Context, r receiver, m blob) error {
	there, err := r.has(ctx, m.Descriptor)
	_, remote := r.(*remoteReceiver)
	// A registry learns by the push of a referrer that there is one, and a push
	// before may have been cut off just then.
	if err == nil && (!there || remote && c.graph.about[m.Digest]) {
		err = r.push(ctx, m.Descriptor, m.open)
	}
	if err != nil {
		return fmt.Errorf("manifest %s: %w", short(m.Digest), err)
	}
	c.done(m.Descriptor, there)
	return nil
}

func (c *copier) done(d ocispec.Descriptor, existed bool) {
	c.mu.Lock()
	if existed {
		c.copied.Existed++
	} else {
		c.copied.Blobs++
		c.copied.Bytes += d.Size
	}
	c.mu.Unlock()
	c.progress(Progress{Descriptor: d, Bytes: d.Size, Existed: existed, Done: true})
}

func (c *copier) progress(p Progress) {
	if c.tell == nil {
		return
	}
	p.Blobs = len(c.graph.leaves) + len(c.graph.manifests)
	for _, l := range c.graph.leaves {
		p.Total += l.Size
	}
	for _, m := range c.graph.manifests {
		p.Total += m.Size
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(p)
}

// checkedReader reads a blob and fails at its end if it is not what its
// descriptor promises, and as soon as it is longer.
type checkedReader struct {
	body io.ReadCloser
	want ocispec.Descriptor
	hash digest.Digester
	n    int64
	tell func(n int64)
}

// Read implements io.Reader.
func (r *checkedReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.n += int64(n)
	r.hash.Hash().Write(p[:n])
	if n > 0 {
		r.tell(r.n)
	}
	switch {
	case r.n > r.want.Size, err == io.EOF && r.n < r.want.Size:
		return 0, damaged(r.want, "it does not have the %d bytes it should have", r.want.Size)
	// Whoever reads no further than the size must be told too.
	case (err == io.EOF || r.n == r.want.Size) && r.hash.Digest() != r.want.Digest:
		return 0, damaged(r.want, "its content has another digest")
	}
	return n, err
}

// Close implements io.Closer.
func (r *checkedReader) Close() error { return r.body.Close() }
