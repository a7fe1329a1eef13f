// Package engine runs a docker engine of its own, with one tiny image and without
// a network or a registry, so that tests and the demo have real containers.
//
// It needs root and, on PATH, dockerd and docker (Debian: docker.io), and a static
// busybox (Debian: busybox-static).
package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Image is the name of the tiny image: busybox and the links of its commands.
const Image = "gadget-tiny"

// startTimeout is how long an engine may take until it answers.
const startTimeout = 30 * time.Second

// applets are the commands of the tiny image.
var applets = []string{"sh", "sleep", "cat", "ls", "true", "false", "touch", "echo", "id", "wget", "nc", "mkdir", "rm", "kill", "ps"}

// Engine is a running docker engine. Its methods may be called by several
// goroutines at once.
type Engine struct {
	// Host is where it listens, as in DOCKER_HOST.
	Host string

	dir    string
	daemon *exec.Cmd
	exited chan struct{}
}

// Start starts an engine and gives it the tiny image. It keeps its files in a
// directory of its own below the one for temporary files. Whoever starts an
// engine stops it.
func Start(ctx context.Context) (*Engine, error) {
	// A short path: that of a unix socket has 107 bytes at most.
	dir, err := os.MkdirTemp("", "gadget-engine-")
	if err != nil {
		return nil, fmt.Errorf("start docker: %w", err)
	}
	e := &Engine{Host: "unix://" + filepath.Join(dir, "docker.sock"), dir: dir, exited: make(chan struct{})}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start docker: %w\n%s", err, e.logTail()), e.Stop())
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context) error {
	log, err := os.Create(filepath.Join(e.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	e.daemon = exec.Command("dockerd", "--host", e.Host,
		"--data-root", filepath.Join(e.dir, "data"), "--exec-root", filepath.Join(e.dir, "run"),
		"--pidfile", filepath.Join(e.dir, "pid"), "--config-file", filepath.Join(e.dir, "none.json"),
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--log-level=warn")
	e.daemon.Stdout, e.daemon.Stderr = log, log
	// Not killed by the Ctrl-C meant for the program that started it: that program
	// still wants to stop its containers.
	e.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := os.WriteFile(filepath.Join(e.dir, "none.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	if err := e.daemon.Start(); err != nil {
		return err
	}
	go func() {
		_ = e.daemon.Wait()
		close(e.exited)
	}()
	if err := e.waitReady(ctx); err != nil {
		return err
	}
	return e.importImage(ctx)
}

// waitReady returns when the engine answers.
func (e *Engine) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if e.Docker(ctx, "version").Run() == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", ctx.Err())
		case <-e.exited:
			return errors.New("dockerd ended at once")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// importImage makes the tiny image from this machine's busybox.
func (e *Engine) importImage(ctx context.Context) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	files := []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(binary))},
	}
	for _, a := range applets {
		files = append(files, tar.Header{Name: "bin/" + a, Typeflag: tar.TypeSymlink, Linkname: "busybox"})
	}
	for _, h := range files {
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(binary); err != nil {
				return err
			}
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	cmd := e.Docker(ctx, "import", "--change", "ENV PATH=/bin", "--change", `CMD ["/bin/sh"]`, "-", Image)
	cmd.Stdin = &root
	return run(cmd)
}

// Docker is the docker client with the given arguments, for this engine.
func (e *Engine) Docker(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host)
	return cmd
}

// Run runs a command in a new container of that name and waits for it; the
// container is removed. The result is what it printed.
func (e *Engine) Run(ctx context.Context, name string, command ...string) (string, error) {
	args := append([]string{"run", "--rm", "--network=none", "--name", name, Image}, command...)
	return output(e.Docker(ctx, args...))
}

// Keep starts a container of that name that runs until it is removed, and returns
// its id.
func (e *Engine) Keep(ctx context.Context, name string, command ...string) (string, error) {
	if len(command) == 0 {
		command = []string{"sleep", "3600"}
	}
	args := append([]string{"run", "--detach", "--network=none", "--name", name, Image}, command...)
	return output(e.Docker(ctx, args...))
}

// Exec runs a command in a container that Keep started and returns what it printed.
func (e *Engine) Exec(ctx context.Context, name string, command ...string) (string, error) {
	return output(e.Docker(ctx, append([]string{"exec", name}, command...)...))
}

// Remove ends and removes a container.
func (e *Engine) Remove(ctx context.Context, name string) error {
	return run(e.Docker(ctx, "rm", "--force", name))
}

// Stop ends all containers and the engine, and removes its files.
func (e *Engine) Stop() error {
	var errs []error
	if e.daemon != nil && e.daemon.Process != nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if ids, err := output(e.Docker(ctx, "ps", "--quiet")); err == nil && ids != "" {
			errs = append(errs, run(e.Docker(ctx, append([]string{"rm", "--force"}, strings.Fields(ids)...)...)))
		}
		_ = e.daemon.Process.Signal(syscall.SIGTERM)
		select {
		case <-e.exited:
		case <-ctx.Done():
			_ = e.daemon.Process.Kill()
			errs = append(errs, errors.New("stop docker: it did not end by itself"))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(e.dir))...)
}

// logTail is the end of what dockerd said.
func (e *Engine) logTail() string {
	log, _ := os.ReadFile(filepath.Join(e.dir, "log"))
	return string(log[max(0, len(log)-2000):])
}

func run(cmd *exec.Cmd) error {
	_, err := output(cmd)
	return err
}

// output runs cmd and returns its trimmed stdout; an error has its stderr.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
