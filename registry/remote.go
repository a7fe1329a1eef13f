package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Remote is one repository of a registry: a Source and a Target.
type Remote struct {
	client *Client
	ref    Reference
	used   usedCredential

	mu   sync.Mutex
	repo *remote.Repository
}

// open returns the client of the repository, after finding out how it is spoken to.
func (r *Remote) open(ctx context.Context) (*remote.Repository, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repo != nil {
		return r.repo, nil
	}
	repo, err := r.client.repository(ctx, r.ref, &r.used)
	if err != nil {
		return nil, r.explain("reach", err)
	}
	r.repo = repo
	return repo, nil
}

// Resolve asks for an image of the repository by its full name.
func (r *Remote) Resolve(ctx context.Context, name string) (ocispec.Descriptor, error) {
	ref, err := ParseReference(name)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if ref.Repository() != r.ref.Repository() {
		return ocispec.Descriptor{}, fmt.Errorf("image %q is not in the repository %s", name, r.ref.Repository())
	}
	key := ref.Tag
	if ref.Digest != "" {
		key = ref.Digest.String()
	}
	d, err := r.resolve(ctx, key)
	if errors.Is(err, errdef.ErrNotFound) {
		return d, &NotFoundError{Name: name, Reference: ref, Where: "registry " + r.ref.Domain}
	}
	return d, err
}

// resolve asks for a tag or digest.
func (r *Remote) resolve(ctx context.Context, key string) (ocispec.Descriptor, error) {
	repo, err := r.open(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := repo.Resolve(ctx, key)
	if err != nil {
		return d, r.explain("find "+key, err)
	}
	if mediaType, _, _ := strings.Cut(d.MediaType, ";"); !isManifestType(mediaType) {
		return d, fmt.Errorf("registry %s answered with %q instead of a manifest", r.ref.Domain, mediaType)
	}
	return plain(d), nil
}

// Fetch opens a blob or manifest. When the connection breaks, it goes on where it
// was. The caller verifies the content.
func (r *Remote) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	repo, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	fetch := func() (io.ReadCloser, error) {
		body, err := repo.Fetch(ctx, d)
		if errors.Is(err, errdef.ErrNotFound) {
			return nil, &DamagedError{d.Digest, "it is missing from registry " + r.ref.Domain}
		}
		if err != nil {
			return nil, r.explain("get blob "+short(d.Digest), err)
		}
		return body, nil
	}
	body, err := fetch()
	if err != nil {
		return nil, err
	}
	return &resumedReader{body: body, size: d.Size, fetch: fetch, explain: func(err error) error {
		return r.explain("get blob "+short(d.Digest), err)
	}}, nil
}

// resumedReader reads a blob, over several connections when they break.
type resumedReader struct {
	body    io.ReadCloser
	at      int64
	size    int64
	broken  int
	fetch   func() (io.ReadCloser, error)
	explain func(error) error
}

// Read implements io.Reader.
func (r *resumedReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.at += int64(n)
	if n > 0 || err == nil || err == io.EOF || r.at >= r.size {
		if n > 0 && err != io.EOF {
			err = nil // the next read meets it again
		}
		return n, err
	}
	if r.broken++; r.broken > 3 || errors.Is(err, context.Canceled) {
		return 0, r.explain(err)
	}
	if err := r.resume(); err != nil {
		return 0, err
	}
	return 0, nil
}

// resume gets the rest of the blob over a new connection.
func (r *resumedReader) resume() error {
	body, err := r.fetch()
	if err != nil {
		return err
	}
	_ = r.body.Close()
	r.body = body
	if seeker, ok := body.(io.Seeker); ok {
		if _, err := seeker.Seek(r.at, io.SeekStart); err == nil {
			return nil
		}
	}
	if _, err := io.CopyN(io.Discard, body, r.at); err != nil {
		return r.explain(err)
	}
	return nil
}

// Close implements io.Closer.
func (r *resumedReader) Close() error { return r.body.Close() }

// attachments asks for the referrers of a manifest, by the API or by the tag that
// stands for it, and for cosign's tags.
func (r *Remote) attachments(ctx context.Context, subject ocispec.Descriptor) ([]attachment, error) {
	// At once, as each is a way to the registry and back.
	found := make([][]attachment, 1+len(tagSuffixes))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		found[0], err = r.referrers(ctx, subject)
		return err
	})
	for i, suffix := range tagSuffixes {
		group.Go(func() error {
			tag := tagAbout(subject.Digest) + suffix
			d, err := r.resolve(ctx, tag)
			if errors.Is(err, errdef.ErrNotFound) {
				return nil
			}
			found[1+i] = []attachment{{d, subject.Digest, tag}}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// referrers are the attachments that name their subject.
func (r *Remote) referrers(ctx context.Context, subject ocispec.Descriptor) (found []attachment, err error) {
	repo, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	referrers, err := repo.Predecessors(ctx, subject)
	var answer *errcode.ErrorResponse
	if errors.As(err, &answer) && !isRefusal(answer.StatusCode) && answer.StatusCode < 500 {
		// Not every registry says 404 to what it does not know.
		_ = repo.SetReferrersCapability(false)
		referrers, err = repo.Predecessors(ctx, subject)
	}
	if err != nil {
		return nil, r.explain("list what is attached", err)
	}
	for _, d := range referrers {
		a := attachment{plain(d), subject.Digest, ""}
		a.ArtifactType = d.ArtifactType
		found = append(found, a)
	}
	return found, nil
}

func isRefusal(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

// receive implements Target.
func (r *Remote) receive(ctx context.Context, move func(receiver) error) error {
	repo, err := r.open(ctx)
	if err != nil {
		return err
	}
	return move(&remoteReceiver{Remote: r, repo: repo})
}

// remoteReceiver receives one image into a repository.
type remoteReceiver struct {
	*Remote
	repo *remote.Repository
	// mountFrom is a repository of the same registry that may have the blobs, "" when
	// none is known.
	mountFrom string
}

func (r *remoteReceiver) has(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	there, err := r.repo.Exists(ctx, d)
	if err != nil {
		return false, r.explain("look for "+short(d.Digest), err)
	}
	return there, nil
}

// push pushes a blob, again when the registry was busy: a stream cannot be sent
// again by the transport.
func (r *remoteReceiver) push(ctx context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	if r.mount(ctx, d, open) {
		return nil
	}
	for attempt := 0; ; attempt++ {
		ctx, after := withRetryAfter(ctx)
		err := r.pushOnce(ctx, d, open)
		var damage *DamagedError
		if err == nil || errors.As(err, &damage) {
			return err
		}
		var answer *errcode.ErrorResponse
		busy := errors.As(err, &answer) && (answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500)
		if !busy || attempt == 3 {
			return r.explain("push "+short(d.Digest), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(pause(attempt, *after), maxPause)):
		}
	}
}

func (r *remoteReceiver) pushOnce(ctx context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close()
	err = r.repo.Push(ctx, d, body)
	if errors.Is(err, errdef.ErrAlreadyExists) {
		return nil
	}
	return err
}

// name tags what is attached first, so that nobody sees the image without it.
func (r *remoteReceiver) name(ctx context.Context, root ocispec.Descriptor, to Reference, attached []attachment) error {
	for _, a := range attached {
		if a.tag == "" {
			continue
		}
		if err := r.repo.Tag(ctx, a.Descriptor, a.tag); err != nil {
			return r.explain("tag "+a.tag, err)
		}
	}
	if to.Tag == "" {
		return nil
	}
	if err := r.repo.Tag(ctx, root, to.Tag); err != nil {
		return r.explain("tag "+to.Tag, err)
	}
	return nil
}

// Ping logs in to the registry and does nothing there.
func (r *Remote) Ping(ctx context.Context) error {
	repo, err := r.open(ctx)
	if err != nil {
		return err
	}
	reg := &remote.Registry{RepositoryOptions: remote.RepositoryOptions{Client: repo.Client, Reference: repo.Reference, PlainHTTP: repo.PlainHTTP}}
	if err := reg.Ping(ctx); err != nil {
		return r.explain("log in", err)
	}
	return nil
}
