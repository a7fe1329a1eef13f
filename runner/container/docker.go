package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
)

const (
	// dockerSocket is where docker listens unless it is told otherwise.
	dockerSocket = "/run/docker.sock"
	// dockerTimeout is how long docker may take for an answer.
	dockerTimeout = 2 * time.Second
	// dockerBodyLimit bounds an answer in bytes: nothing that comes over a
	// socket is trusted.
	dockerBodyLimit = 16 << 20
	// dockerBatch is how many containers are asked for in one request: more
	// would make its address very long.
	dockerBatch = 64
)

// docker asks the docker API about containers. It lists instead of inspecting:
// a list is answered from docker's index at once, an inspection waits for as long
// as docker is busy with the container, which is while it starts.
type docker struct {
	socket string
	// configured is true when somebody said where docker is.
	configured bool
	http       http.Client
}

// dockerContainer is what the list says of a container.
type dockerContainer struct {
	ID     string `json:"Id"`
	Names  []string
	Image  string
	Labels map[string]string
}

// dockerError is the body of a refusal.
type dockerError struct {
	Message string `json:"message"`
}

// newDocker makes a client for a DOCKER_HOST; "" is the usual socket.
func newDocker(host string) (*docker, error) {
	socket, configured := dockerSocket, false
	if host != "" {
		path, ok := strings.CutPrefix(host, "unix://")
		if !ok || path == "" {
			return nil, fmt.Errorf("docker host %q is not supported: only unix:// sockets of this machine are; containers appear under their ids", host)
		}
		socket, configured = path, true
	}
	d := &docker{socket: socket, configured: configured}
	d.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		},
		MaxIdleConns: 1, IdleConnTimeout: time.Minute,
	}
	return d, nil
}

// absent says whether an error means that there simply is no docker here.
func (d *docker) absent(err error) bool {
	return !d.configured && (errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED))
}

// lookup asks about containers by id. The answer has those that docker knows.
func (d *docker) lookup(ctx context.Context, ids []string) (map[string]dockerContainer, error) {
	found := make(map[string]dockerContainer, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), dockerBatch)
		filter, err := json.Marshal(map[string][]string{"id": ids[:n]})
		if err != nil {
			return nil, err
		}
		var list []dockerContainer
		query := url.Values{"all": {"true"}, "filters": {string(filter)}}
		if err := d.get(ctx, "/containers/json?"+query.Encode(), &list); err != nil {
			return nil, err
		}
		for _, c := range list {
			found[c.ID] = c
		}
		ids = ids[n:]
	}
	return found, nil
}

// version asks docker which it is.
func (d *docker) version(ctx context.Context) (string, error) {
	var answer struct{ Version string }
	err := d.get(ctx, "/version", &answer)
	return answer.Version, err
}

func (d *docker) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, dockerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return d.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, dockerBodyLimit+1))
	switch {
	case err != nil:
		return d.explain(err)
	case len(body) > dockerBodyLimit:
		return fmt.Errorf("docker at %s: the answer is larger than %d MiB", d.socket, dockerBodyLimit>>20)
	case resp.StatusCode != http.StatusOK:
		var e dockerError
		_ = json.Unmarshal(body, &e) // Without a message there is still the status.
		return fmt.Errorf("docker at %s: %s %s", d.socket, resp.Status, e.Message)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("docker at %s: the answer is not what the docker API gives: %w", d.socket, err)
	}
	return nil
}

// explain turns an error of the HTTP client, which speaks of addresses that we
// made up, into one about the socket.
func (d *docker) explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", dockerTimeout)
	}
	return fmt.Errorf("docker at %s: %w", d.socket, err)
}

// apply returns a copy of a container with what docker says of it.
func (d *dockerContainer) apply(c *event.Container) *event.Container {
	named := *c
	named.Runtime = "docker"
	named.Image = d.Image
	named.Labels = d.Labels
	// Links add names with a second slash; the container's own has one.
	for _, name := range d.Names {
		if name = strings.TrimPrefix(name, "/"); name != "" && !strings.Contains(name, "/") {
			named.Name = name
			break
		}
	}
	named.Pod = d.Labels["io.kubernetes.pod.name"]
	named.Namespace = d.Labels["io.kubernetes.pod.namespace"]
	named.PodContainer = d.Labels["io.kubernetes.container.name"]
	return &named
}
