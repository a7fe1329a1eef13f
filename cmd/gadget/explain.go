package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/runner"
)

// explain turns any error into one worded for a person. What the libraries return
// as types gets its hints and its exit code here and nowhere else.
func explain(err error) *fault {
	if f := asFault(err); f != nil {
		return f
	}
	if f := explainHost(err); f != nil {
		return f
	}
	f := &fault{code: exitFailure, err: err}
	var compile *builder.CompileError
	var platform *registry.PlatformError
	var remote *registry.RemoteError
	var buffer *runner.BufferError
	var engine *builder.EngineError
	switch {
	case errors.As(err, &engine):
		return f.hint("%s", engine.Hint)
	case errors.As(err, &compile):
		f.hints = append(f.hints, compile.Hints...)
		return f.hint("nothing has been tagged; what clang says is above")
	case errors.Is(err, builder.ErrNoHeaders):
		return f
	case errors.As(err, &remote):
		f.hints = append(f.hints, remote.Hints...)
		return f
	case errors.As(err, &buffer):
		return f.hint("a larger --buffer-size, or a smaller struct in the gadget")
	case errors.Is(err, registry.ErrOffline):
		return f.hint("--offline or GADGET_OFFLINE is set")
	case errors.As(err, &platform):
		f.code = exitHost
		return f
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return f.hint("the disk is full: free some space and try again")
	}
	return f
}

// explainHost words what this host lacks to run a gadget, nil for other errors.
func explainHost(err error) *fault {
	f := &fault{code: exitHost, err: err}
	var permission *runner.PermissionError
	var host *runner.HostError
	var attach *runner.AttachError
	var unmet *runner.UnmetError
	var change *runner.ChangeError
	switch {
	case errors.As(err, &permission):
		if os.Getuid() != 0 {
			f.hint("run it as root: sudo %s", shellLine(os.Args))
		}
		caps := strings.ToLower(strings.Join(permission.Missing, ","))
		return f.hint("or give the program what it lacks: sudo setcap %s+ep $(command -v gadget)", caps)
	case errors.As(err, &host):
		return f.hint("%s", host.Hint)
	case errors.As(err, &attach) && errors.Is(err, fs.ErrNotExist):
		return f.hint("the gadget was written for a kernel that has it; gadget image inspect shows all hooks of an image")
	case errors.As(err, &attach) && (errors.Is(err, runner.ErrNotSupported) || errors.Is(err, runner.ErrNoHook)):
		f.code = exitFailure
		return f
	case errors.As(err, &change):
		f.code = exitPolicy
		return f.hint("a gadget that is not built in does that only if you let it: --allow %s", allowChange)
	case errors.As(err, &attach) && errors.Is(err, runner.ErrNotPermitted):
		f.code = exitPolicy
		return f
	case errors.As(err, &attach), errors.As(err, &unmet):
		return f
	}
	return nil
}

// shellLine is a command line that a shell reads as these words.
func shellLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		plain := w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-") == ""
		if quoted[i] = w; !plain {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// What --verifier-log takes besides the name of a file.
const (
	verifierShort = "short"
	verifierFull  = "full"
)

// verifierFault tells why the kernel refused a program, and keeps all that the
// verifier said of it where --verifier-log says.
func (a *app) verifierFault(e *runner.VerifierError, where string) error {
	f := &fault{code: exitHost, err: e}
	text := strings.Join(e.Log, "\n") + "\n"
	switch where {
	case verifierFull:
		fmt.Fprint(a.err, text)
		return f
	case verifierShort:
		path, err := a.keepVerifierLog(text)
		if err != nil {
			a.log.Info("the verifier's log was not kept", "error", err)
			return f.hint("--verifier-log full prints all that the verifier said")
		}
		return f.hint("all that the verifier said is in %s", path)
	}
	if err := os.WriteFile(where, []byte(text), 0o600); err != nil {
		return f.hint("--verifier-log: %v", err)
	}
	return f.hint("all that the verifier said is in %s", where)
}

// keepVerifierLog writes the log to a file of the user's state directory.
func (a *app) keepVerifierLog(text string) (string, error) {
	dir, err := a.stateDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "verifier")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, time.Now().UTC().Format("20060102T150405.000")+".log")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// stateDir is where this program keeps what it remembers of its own accord. It may
// not exist yet.
func (a *app) stateDir() (string, error) {
	if dir, _ := a.env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "gadget"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "gadget"), nil
}
