package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Mirror is another place for the images of a registry, or of a part of one. Both are
// a host, or a host with the beginning of a path: ghcr.io, ghcr.io/acme.
type Mirror struct{ Of, At string }

// ParseMirror reads OF=AT.
func ParseMirror(s string) (Mirror, error) {
	of, at, ok := strings.Cut(s, "=")
	m := Mirror{Of: strings.TrimRight(of, "/"), At: strings.TrimRight(at, "/")}
	if !ok || m.Of == "" || m.At == "" {
		return m, fmt.Errorf("%q is not of the form REGISTRY=MIRROR", s)
	}
	for _, place := range []string{m.Of, m.At} {
		// With two parts no name is completed.
		ref, err := ParseReference(place + "/x/x")
		if err != nil {
			return m, err
		}
		if ref.Repository() != place+"/x/x" {
			return m, fmt.Errorf("%q is no registry: one has a dot or a port, as in ghcr.io or localhost:5000", place)
		}
	}
	return m, nil
}

// of returns the name that an image has in the mirror.
func (m Mirror) of(ref Reference) (Reference, bool) {
	rest, ok := strings.CutPrefix(ref.Repository()+"/", m.Of+"/")
	if !ok {
		return ref, false
	}
	ref.Domain, ref.Path, _ = strings.Cut(strings.TrimSuffix(m.At+"/"+rest, "/"), "/")
	return ref, ref.Path != ""
}

// RemoteFor is a Source for an image that asks the mirrors of its registry first, in
// their order, and then the registry itself. What has the image is asked for all of
// it. Nothing is dialled yet.
func (c *Client) RemoteFor(ref Reference, mirrors []Mirror) Source {
	s := &mirrored{client: c}
	for _, m := range mirrors {
		if there, ok := m.of(ref); ok {
			s.places = append(s.places, c.Remote(there))
		}
	}
	s.origin = c.Remote(ref)
	if len(s.places) == 0 {
		return s.origin
	}
	s.chosen = s.origin
	return s
}

// mirrored is the repository of an image, in one of several places.
type mirrored struct {
	client *Client
	places []*Remote
	origin *Remote

	mu     sync.Mutex
	chosen *Remote
}

// Resolve implements Source.
func (s *mirrored) Resolve(ctx context.Context, name string) (ocispec.Descriptor, error) {
	ref, err := ParseReference(name)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	for _, place := range s.places {
		there := place.ref
		there.Tag, there.Digest = ref.Tag, ref.Digest
		d, err := place.Resolve(ctx, there.String())
		switch {
		case err == nil:
			s.client.log.Info("using a mirror", "of", ref.Domain, "at", place.ref.Repository())
			s.choose(place)
			return d, nil
		case ctx.Err() != nil, errors.Is(err, ErrOffline):
			return d, err
		case errors.Is(err, ErrNotFound):
			s.client.log.Info("a mirror does not have the image", "mirror", place.ref.Repository())
		default:
			s.client.log.Warn("a mirror is passed over: " + err.Error())
		}
	}
	s.choose(s.origin)
	return s.origin.Resolve(ctx, name)
}

func (s *mirrored) choose(place *Remote) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chosen = place
}

func (s *mirrored) place() *Remote {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chosen
}

// Fetch implements Source.
func (s *mirrored) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	return s.place().Fetch(ctx, d)
}

func (s *mirrored) attachments(ctx context.Context, subject ocispec.Descriptor) ([]attachment, error) {
	return s.place().attachments(ctx, subject)
}
