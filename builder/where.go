package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Values of [Options.Builder], besides image=REF.
const (
	// Auto is clang on this machine where it is new enough, else podman, else docker.
	Auto = "auto"
	// Host is clang on this machine.
	Host = "host"
	// Podman and Docker run clang in a container.
	Podman = "podman"
	Docker = "docker"
	// imagePrefix begins the name of an image to run by podman, else docker.
	imagePrefix = "image="
)

// CheckBuilder refuses what is no value of [Options.Builder].
func CheckBuilder(where string) error {
	image, ok := strings.CutPrefix(where, imagePrefix)
	switch {
	case ok && image == "":
		return errors.New("image= wants the name of an image with clang")
	case ok && (strings.HasPrefix(image, "-") || !imageName.MatchString(image)):
		return fmt.Errorf("%q is no name of an image", image)
	case ok, where == "", where == Auto, where == Host, where == Podman, where == Docker:
		return nil
	}
	return fmt.Errorf("%q is not one of %s, %s, %s, %s, %sREF", where, Auto, Host, Podman, Docker, imagePrefix)
}

// imageName is loose: the engine knows better what is a name.
var imageName = regexp.MustCompile(`^[A-Za-z0-9._/:@\[\]-]+$`)

// release is a version that a builder image was made for.
var release = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

// DefaultBuilderImage is the image that goes with a version of gadget.
func DefaultBuilderImage(version string) string {
	if !release.MatchString(version) || version == "v0.0.0" {
		version = "latest"
	}
	return "ghcr.io/gadget-bpf/builder:" + version
}

// EngineError says that clang could not be run in a container.
type EngineError struct {
	// Engine is podman or docker, Image what it was to run.
	Engine, Image string
	// Doing is what failed, Said the engine's own last words.
	Doing, Said string
	// Hint is what helps, "" when the engine's words have to do.
	Hint string
	Err  error
}

// Error says what failed and why.
func (e *EngineError) Error() string {
	why := e.Said
	if why == "" {
		why = e.Err.Error()
	}
	return fmt.Sprintf("build in a container: %s by %s: %s", e.Doing, e.Engine, why)
}

// Unwrap returns how the engine ended.
func (e *EngineError) Unwrap() error { return e.Err }

// find sets where clang runs: clang for this machine, or container.
func (c *compiler) find(ctx context.Context, o *Options) error {
	if err := CheckBuilder(o.Builder); err != nil {
		return err
	}
	if o.BuilderImage != "" {
		if err := CheckBuilder(imagePrefix + o.BuilderImage); err != nil {
			return err
		}
	}
	if o.Clang != "" {
		path, err := exec.LookPath(o.Clang)
		c.clang = path
		return err
	}
	image := o.BuilderImage
	if named, ok := strings.CutPrefix(o.Builder, imagePrefix); ok {
		image = named
	}
	var tried error
	if o.Builder == Host || image == "" && (o.Builder == "" || o.Builder == Auto) {
		found, err := FindClang(ctx, os.Getenv("PATH"))
		if err == nil || o.Builder == Host {
			c.clang = found.Path
			return err
		}
		tried = err
	}
	engines := []string{Podman, Docker}
	if o.Builder == Podman || o.Builder == Docker {
		engines = []string{o.Builder}
	}
	if image == "" {
		image = DefaultBuilderImage(o.Version)
	}
	var missing []string
	for _, name := range engines {
		box, err := newContainer(ctx, name, image)
		if err == nil {
			c.container, c.clang = box, "clang of the image "+image
			return box.fetch(ctx, o)
		}
		missing = append(missing, err.Error())
	}
	if tried != nil {
		return fmt.Errorf("%w, or a container engine to do without (%s)", tried, strings.Join(missing, "; "))
	}
	return fmt.Errorf("build in a container: %s; install it, or use clang on this machine: %s", strings.Join(missing, "; "), ClangRemedy)
}

// engineAnswers is how long an engine may take to say that it is there.
const engineAnswers = 15 * time.Second

// newContainer asks an engine whether it is there and whose rights it has.
func newContainer(ctx context.Context, name, image string) (*container, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("no %s on PATH", name)
	}
	format := "{{.SecurityOptions}}"
	if name == Podman {
		format = "rootless={{.Host.Security.Rootless}}"
	}
	ctx, cancel := context.WithTimeout(ctx, engineAnswers)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "info", "--format", format).Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s does not answer", name)
	case errors.As(err, &exit):
		return nil, fmt.Errorf("%s does not work: %s", name, lastLine(exit.Stderr))
	case err != nil:
		return nil, fmt.Errorf("%s does not work: %w", name, err)
	}
	answer := string(out)
	return &container{
		engine: path, name: name, image: image,
		rootless: strings.Contains(answer, "rootless=true") || strings.Contains(answer, "name=rootless"),
	}, nil
}

// lastLine is where programs say what went wrong.
func lastLine(text []byte) string {
	trimmed := strings.TrimSpace(string(text))
	return trimmed[strings.LastIndexByte(trimmed, '\n')+1:]
}
