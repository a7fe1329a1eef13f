package builder

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Where a container sees what it is given. The bytes of an object do not depend on
// it, as they do not depend on directories of this machine.
const (
	boxSource  = "/gadget/source"
	boxHeaders = "/gadget/headers"
	boxOut     = "/gadget/out"
)

// compileWithin bounds one run of clang in a container.
const compileWithin = 5 * time.Minute

// container runs clang in containers of an engine, one for each object.
type container struct {
	// engine is the path of the program, name what it is: podman or docker.
	engine, name, image string
	// rootless engines run what is root in a container as the user.
	rootless bool
}

func (b *container) failed(doing string, said []byte, err error) *EngineError {
	return &EngineError{Engine: b.name, Image: b.image, Doing: doing, Said: lastLine(said), Err: err}
}

// fetch makes sure that the image is here.
func (b *container) fetch(ctx context.Context, o *Options) error {
	here := exec.CommandContext(ctx, b.engine, "image", "inspect", b.image).Run() == nil
	switch {
	case o.BuilderPull == "always" && !o.Offline, !here && !o.Offline && o.BuilderPull != "never":
	case here:
		return nil
	default:
		e := b.failed("run "+b.image, nil, errors.New("the image is not here"))
		e.Hint = fmt.Sprintf("it may not be pulled now (offline); where there is a network: %s pull %s", b.name, b.image)
		if !o.Offline {
			e.Hint = fmt.Sprintf("it may not be pulled (--builder-image-pull never); get it with %s pull %s", b.name, b.image)
		}
		return e
	}
	if o.Notice != nil {
		o.Notice(fmt.Sprintf("pulling the builder image %s by %s", b.image, b.name))
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, b.engine, "pull", b.image)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e := b.failed("pull "+b.image, said.Bytes(), err)
		e.Hint = "clang on this machine makes it unnecessary (" + ClangRemedy + "); packaging/builder in the source of gadget makes the image, and --builder image=REF takes another one"
		return e
	}
	return nil
}

// run runs clang on the source directory and returns what it said.
func (b *container) run(ctx context.Context, source, headers, out string, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, compileWithin)
	defer cancel()
	name := "gadget-build-" + strings.ToLower(rand.Text()[:12])
	options := []string{
		"run", "--rm", "--name", name, "--pull", "never",
		// Nothing that clang does needs a network, a privilege, or a place to write but
		// the one that it is given. Labels stay off: with them on, the files of the user
		// would have to be relabelled for the container to read them.
		"--network", "none", "--read-only", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--security-opt", "label=disable",
		// The first process of a container does not mind SIGTERM.
		"--stop-signal", "KILL",
		"--workdir", boxOut, "--env", "TMPDIR=" + boxOut, "--env", "LC_ALL=C", "--env", "SOURCE_DATE_EPOCH=0",
		"--mount", bind(source, boxSource, true), "--mount", bind(headers, boxHeaders, true), "--mount", bind(out, boxOut, false),
	}
	if !b.rootless {
		user, err := owner(source, out)
		if err != nil {
			return nil, fmt.Errorf("build in a container: %w", err)
		}
		options = append(options, "--user", user)
	}
	options = append(options, "--entrypoint", "clang", b.image)
	cmd := exec.Command(b.engine, append(options, args...)...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		b.end(name, cmd.Process, done)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("clang is not done after %s", compileWithin)
			return nil, b.failed("run "+b.image, []byte(err.Error()), err)
		}
		return nil, ctx.Err()
	}
	return text.Bytes(), b.explain(text.Bytes(), err)
}

// endWithin bounds the end of a container that is not wanted any more.
const endWithin = 20 * time.Second

// end kills the container that the engine's process p runs, as soon as there is one:
// killing p would leave behind what it has just begun to start. What is killed is
// removed, for it was started so.
func (b *container) end(name string, p *os.Process, done <-chan error) {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	for ctx.Err() == nil {
		// Until it runs, this fails.
		_ = exec.CommandContext(ctx, b.engine, "kill", name).Run()
		select {
		case <-done:
			return
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	_ = p.Kill() // It may have ended.
	<-done
}

// explain tells failures of the engine from those of clang.
func (b *container) explain(said []byte, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	// As docker-run(1) and podman-run(1) have it.
	switch exit.ExitCode() {
	case 125:
		return b.failed("run "+b.image, said, err)
	case 126, 127:
		e := b.failed("run "+b.image, said, err)
		e.Hint = "the image must have clang " + strconv.Itoa(MinClang) + " or later, by the name clang, on its PATH"
		return e
	}
	return err
}

// bind is the value of --mount for a directory, whose path may have commas.
func bind(from, to string, readOnly bool) string {
	fields := []string{"type=bind", "source=" + from, "target=" + to}
	if readOnly {
		fields = append(fields, "readonly")
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	// A strings.Builder takes everything.
	_ = w.Write(fields)
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// owner is the user that clang runs as, UID:GID: whoever owns the source, so that it
// can be read, and need not be root when this process is. The directory out is given
// to that user.
func owner(source, out string) (string, error) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		info, err := os.Stat(source)
		if err != nil {
			return "", err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(stat.Uid), int(stat.Gid)
		}
		if err := os.Chown(out, uid, gid); err != nil {
			return "", err
		}
	}
	return strconv.Itoa(uid) + ":" + strconv.Itoa(gid), nil
}

// view is what clang sees: paths on this machine, or in a container.
type view struct {
	source, headers, object string
}

// viewOf returns the paths of a source as clang sees them. The object is written in
// the directory out.
func (c *compiler) viewOf(abs, out string, p platform) view {
	object := p.arch + ".bpf.o"
	if c.container == nil {
		return view{abs, c.headers.dir, filepath.Join(out, object)}
	}
	return view{path.Join(boxSource, filepath.Base(abs)), boxHeaders, path.Join(boxOut, object)}
}
