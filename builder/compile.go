package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// CompileError says that clang refused a program.
type CompileError struct {
	// Program is the file, Platform what it was compiled for.
	Program, Platform string
	// Diagnostics is clang's own text, "" when Options.Stderr has received it.
	Diagnostics string
	// Hints are what usually helps, one sentence each.
	Hints []string
	// Err is how clang ended.
	Err error
}

// Error returns one line, with clang's text below it if nobody has seen it yet.
func (e *CompileError) Error() string {
	msg := fmt.Sprintf("compile %s for %s: clang: %v", e.Program, e.Platform, e.Err)
	if e.Diagnostics != "" {
		msg += "\n" + strings.TrimRight(e.Diagnostics, "\n")
	}
	return msg
}

// Unwrap returns how clang ended.
func (e *CompileError) Unwrap() error { return e.Err }

// compiler runs clang. It may be used by several goroutines.
type compiler struct {
	clang   string
	headers headers
	// container runs clang in place of this machine, unless it is nil.
	container *container
	// tmp is a private directory for what clang writes.
	tmp string
	// color and quiet: how diagnostics look, and whether errors must carry them.
	color, quiet bool
}

// newCompiler finds clang and unpacks the headers.
func newCompiler(ctx context.Context, o Options) (*compiler, error) {
	c := &compiler{color: o.Color, quiet: o.Stderr == nil}
	var err error
	if c.headers, err = openHeaders(embedded, o.CacheDir); err != nil {
		return nil, err
	}
	if err = c.find(ctx, &o); err == nil {
		c.tmp, err = os.MkdirTemp("", "gadget-build-")
	}
	if err != nil {
		c.headers.close()
		return nil, err
	}
	return c, nil
}

// close removes what clang has written.
func (c *compiler) close() {
	_ = os.RemoveAll(c.tmp)
	c.headers.close()
}

// compile compiles program and returns the stripped object and what clang said
// of it, whether or not it failed.
func (c *compiler) compile(ctx context.Context, program string, p platform) (object, diagnostics []byte, err error) {
	// Clang sees the absolute path, because the bytes depend on how a path is
	// spelled and are made independent of it only then; messages are turned back.
	abs, err := filepath.Abs(program)
	if err != nil {
		return nil, nil, fmt.Errorf("compile %s: %w", program, err)
	}
	// Each run has a directory of its own, which is all that a container may write.
	out := filepath.Join(c.tmp, p.arch)
	if err := os.Mkdir(out, 0o755); err != nil {
		return nil, nil, fmt.Errorf("compile %s: %w", program, err)
	}
	seen := c.viewOf(abs, out, p)
	text, runErr := c.run(ctx, seen, filepath.Dir(abs), out, p)
	diagnostics = asWritten(text, seen, program)

	var engine *EngineError
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case errors.As(runErr, &engine):
		return nil, nil, runErr
	case runErr != nil:
		return nil, diagnostics, c.failure(program, p, diagnostics, runErr)
	}
	if object, err = readObject(filepath.Join(out, p.arch+".bpf.o")); err == nil {
		object, err = stripDebug(object)
	}
	if err != nil {
		return nil, diagnostics, fmt.Errorf("compile %s for %s: %w", program, p, err)
	}
	return object, diagnostics, nil
}

// maxObject bounds what clang may have written, in bytes.
const maxObject = 256 << 20

// readObject reads what clang has written. That of a stranger's image may have left a
// link there.
func readObject(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", filepath.Base(path))
	}
	if err != nil {
		return nil, err
	}
	return readFile(path, maxObject)
}

// run runs clang and returns what it said.
func (c *compiler) run(ctx context.Context, seen view, source, out string, p platform) ([]byte, error) {
	if c.container != nil {
		return c.container.run(ctx, source, c.headers.dir, out, c.args(seen, p))
	}
	cmd := exec.CommandContext(ctx, c.clang, c.args(seen, p)...)
	cmd.Dir = out
	// Nothing else of the environment reaches clang: CPATH and friends add
	// directories, and __DATE__ is the clock.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + out, "LC_ALL=C", "SOURCE_DATE_EPOCH=0"}
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Run()
	return text.Bytes(), err
}

// args of clang.
func (c *compiler) args(seen view, p platform) []string {
	color := "-fno-color-diagnostics"
	if c.color {
		color = "-fcolor-diagnostics"
	}
	return append(flags(seen.headers, p),
		"-mcpu=v3", "-O2", "-g", color,
		// No directory in the bytes. The source lines that BTF carries for the
		// verifier come from the embedded source, as the mapped path does not exist.
		"-gdwarf-5", "-gembed-source", "-fdebug-compilation-dir=.",
		"-ffile-prefix-map="+filepath.Join(seen.headers, "include")+"/=",
		"-ffile-prefix-map="+seen.headers+"/=",
		"-ffile-prefix-map="+filepath.Dir(seen.source)+"/=",
		"-x", "c", "-c", seen.source, "-o", seen.object,
	)
}

// flags decide what a program means to clang: language, target and headers. The
// order of directories is that of testing: vmlinux.h and libbpf first, the kernel's
// UAPI headers after all others.
func flags(headers string, p platform) []string {
	in := func(name string) string { return filepath.Join(headers, name) }
	return []string{
		"-target", "bpf", "-Wall", "-D__TARGET_ARCH_" + p.define,
		// Clang's own headers yes, those of the machine no.
		"-nostdlibinc",
		"-I", in("vmlinux/" + p.arch),
		"-I", in("libbpf"),
		"-I", in("include"),
		"-idirafter", in("uapi-" + p.arch),
		"-idirafter", in("uapi"),
	}
}

// asWritten gives the paths in clang's messages the form that the user wrote.
func asWritten(text []byte, seen view, program string) []byte {
	text = bytes.ReplaceAll(text, []byte(filepath.Join(seen.headers, "include")+"/"), nil)
	text = bytes.ReplaceAll(text, []byte(seen.headers+"/"), nil)
	dir, _ := filepath.Split(program)
	return bytes.ReplaceAll(text, []byte(filepath.Dir(seen.source)+"/"), []byte(dir))
}

// failure says why clang did not make an object.
func (c *compiler) failure(program string, p platform, diagnostics []byte, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("compile %s: run clang: %w", program, err)
	}
	e := &CompileError{Program: program, Platform: p.String(), Hints: hints(diagnostics), Err: err}
	if c.container != nil && bytes.Contains(diagnostics, []byte("file not found")) {
		e.Hints = append(e.Hints, "clang runs in a container, which sees nothing but the directory of the program and the headers of gadget")
	}
	if c.quiet {
		e.Diagnostics = string(diagnostics)
	}
	if bytes.Contains(diagnostics, []byte("No available targets are compatible")) {
		e.Err = fmt.Errorf("%s cannot compile eBPF programs; apt install clang llvm", c.clang)
	}
	return e
}
