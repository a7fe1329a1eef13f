package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// docker asks the API of docker, or of podman. It lists instead of inspecting: a
// list is answered from docker's index at once, an inspection waits for as long as
// docker is busy with the container, which is while it starts.
type docker struct {
	// runtime is docker or podman.
	runtime, socket string
	http            http.Client
	images          images
}

// dockerContainer is what the list says of a container.
type dockerContainer struct {
	ID      string `json:"Id"`
	Names   []string
	Image   string
	ImageID string
	Labels  map[string]string
}

func newDocker(runtime, socket string) *docker {
	d := &docker{runtime: runtime, socket: socket}
	d.http.Transport = &http.Transport{
		DialContext: dialer(socket), MaxIdleConns: 1, IdleConnTimeout: time.Minute,
	}
	return d
}

// Lookup implements Engine.
func (d *docker) Lookup(ctx context.Context, refs []Ref) (map[Ref]Info, error) {
	found := make(map[Ref]Info, len(refs))
	for len(refs) > 0 {
		n := min(len(refs), batch)
		ids := make([]string, n)
		for i := range ids {
			ids[i] = refs[i].ID
		}
		filter, err := json.Marshal(map[string][]string{"id": ids})
		if err != nil {
			return found, err
		}
		var list []dockerContainer
		query := url.Values{"all": {"true"}, "filters": {string(filter)}}
		if err := d.get(ctx, "/containers/json?"+query.Encode(), &list); err != nil {
			return found, err
		}
		byID := make(map[string]*dockerContainer, len(list))
		for i := range list {
			byID[list[i].ID] = &list[i]
		}
		for _, ref := range refs[:n] {
			if c := byID[ref.ID]; c != nil {
				found[ref] = c.info(d.runtime, d.digest(ctx, c.ImageID))
			}
		}
		refs = refs[n:]
	}
	return found, nil
}

// Version implements Engine.
func (d *docker) Version(ctx context.Context) (string, error) {
	var answer struct{ Version string }
	err := d.get(ctx, "/version", &answer)
	return answer.Version, err
}

// digest is the digest under which a registry has an image, or its id.
func (d *docker) digest(ctx context.Context, image string) string {
	return d.images.of(image, func() (imageNames, error) {
		var answer struct{ RepoDigests []string }
		err := d.get(ctx, "/images/"+url.PathEscape(image)+"/json", &answer)
		for _, name := range answer.RepoDigests {
			if _, digest, ok := strings.Cut(name, "@"); ok {
				return imageNames{digest: digest}, nil
			}
		}
		return imageNames{digest: image}, err
	}).digest
}

func (d *docker) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine"+path, nil)
	if err != nil {
		return err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return d.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	switch {
	case err != nil:
		return d.explain(err)
	case len(body) > bodyLimit:
		return d.explain(tooLarge())
	case resp.StatusCode != http.StatusOK:
		var refusal struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(body, &refusal) // Without a message there is still the status.
		return d.explain(fmt.Errorf("%s %s", resp.Status, refusal.Message[:min(len(refusal.Message), maxName)]))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return d.explain(fmt.Errorf("the answer is not what the docker API gives: %w", err))
	}
	return nil
}

// explain takes away the address that we made up for the HTTP client.
func (d *docker) explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return explain(d.runtime, d.socket, err)
}

// info is what is taken over.
func (c *dockerContainer) info(runtime, digest string) Info {
	i := Info{Runtime: runtime, Image: c.Image, ImageDigest: digest, Labels: c.Labels}
	// Links add names with a second slash; the container's own has one.
	for _, name := range c.Names {
		if name = strings.TrimPrefix(name, "/"); name != "" && !strings.Contains(name, "/") {
			i.Name = name
			break
		}
	}
	i.kubernetes(c.Labels)
	i.bound()
	return i
}
