package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/schemas"
)

// instanceField is the field that tells the events of several runs apart.
const instanceField = "instance"

// fileOptions are about runs that a file describes.
type fileOptions struct{ path string }

func (o *fileOptions) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.path, "file", "f", "", "run the gadgets that `FILE` describes, in place of IMAGE: YAML documents of kind instance-spec; - is stdin")
}

// notWithFile are flags that are about one gadget.
var notWithFile = []string{"name", "id", "no-fork", "ready-fd", "ready-file", "watch", "output-file"}

// notByFile are flags that say whom and what the user trusts: a file, which may come
// from anywhere, does not decide that.
var notByFile = []string{"allow", "verify-image", "public-keys", "allowed-gadgets", "store", "insecure", "plain-http"}

// checkTrust refuses such flags among the parameters of a file.
func checkTrust(instances []schemas.Instance) error {
	for i := range instances {
		for _, key := range slices.Sorted(maps.Keys(instances[i].ParamValues)) {
			if flag := paramFlagOf(key); slices.Contains(notByFile, flag) {
				f := &fault{code: exitUsage, err: fmt.Errorf("%s: error: paramValues: %q is for the user to decide, not for the file", instances[i].Pos, key)}
				return f.hint("give --%s on the command line", flag)
			}
		}
	}
	return nil
}

// check refuses what is about one gadget.
func (o *fileOptions) check(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageErrorf(cmd, "unexpected argument %q: the file says which gadgets to run", args[0])
	}
	for _, name := range notWithFile {
		if cmd.Flags().Changed(name) {
			return usageErrorf(cmd, "--%s is about one gadget, and --file runs what a file describes", name)
		}
	}
	return nil
}

// read reads the file.
func (o *fileOptions) read(a *app) ([]schemas.Instance, error) {
	var src []byte
	var err error
	switch {
	case o.path == "-" && a.in != nil:
		src, err = io.ReadAll(io.LimitReader(a.in, schemas.MaxFile+1))
	case strings.Contains(o.path, "://"):
		return nil, &fault{code: exitUsage, err: fmt.Errorf("--file %s: only files of this machine are read", o.path),
			hints: []string{"curl -s " + o.path + " | gadget run -f -"}}
	default:
		src, err = os.ReadFile(o.path)
	}
	if err != nil {
		return nil, &fault{code: exitUsage, err: fmt.Errorf("--file: %w", err)}
	}
	if len(src) > schemas.MaxFile {
		return nil, &fault{code: exitUsage, err: fmt.Errorf("--file: %s has more than %d bytes", o.path, schemas.MaxFile)}
	}
	instances, problems, err := schemas.ParseInstances(o.path, src)
	if err == nil {
		err = schemas.Refusal(problems, false)
	}
	if err != nil {
		return nil, &fault{code: exitUsage, err: err}
	}
	return instances, checkTrust(instances)
}

// run runs what the file describes, with the flags of this command for each.
func (o *fileOptions) run(ctx context.Context, a *app, cmd *cobra.Command) error {
	instances, err := o.read(a)
	if err != nil {
		return err
	}
	names, err := instanceNames(instances)
	if err != nil {
		return err
	}
	detach := cmd.Flags().Changed("detach")
	lines := make([][]string, len(instances))
	for i := range instances {
		lines[i] = instanceArgs(&instances[i], names[i], a.args, detach)
	}
	if detach {
		return a.leaveAll(ctx, names, lines)
	}
	return a.runTogether(ctx, names, lines)
}

// instanceNames are the names of the runs, each different: those of the file, or of
// the gadgets.
func instanceNames(instances []schemas.Instance) ([]string, error) {
	var names []string
	for i := range instances {
		in := &instances[i]
		name := in.Name
		if name == "" {
			base, _, _ := strings.Cut(filepath.Base(in.Image), "@")
			base, _, _ = strings.Cut(base, ":")
			name = base
			for n := 2; slices.Contains(names, name); n++ {
				name = base + "-" + strconv.Itoa(n)
			}
		}
		if slices.Contains(names, name) {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("%s: error: there is a run %q already in this file", in.Pos, name)}
		}
		names = append(names, name)
	}
	return names, nil
}

// instanceArgs is the command line of one run of a file: its image, its parameters, then
// the flags that were given to all.
func instanceArgs(in *schemas.Instance, name string, given []string, detach bool) []string {
	line := []string{"run", in.Image}
	for _, key := range slices.Sorted(maps.Keys(in.ParamValues)) {
		line = append(line, "--"+paramFlagOf(key)+"="+in.ParamValues[key])
	}
	if detach && in.Name != "" {
		line = append(line, "--name="+name)
	}
	if detach && in.ID != "" {
		line = append(line, "--id="+in.ID)
	}
	return append(line, withoutFile(given)...)
}

// paramFlagOf is the flag of a parameter that is named in full or by its key alone
// (compat-spec §5.2).
func paramFlagOf(key string) string {
	lower := strings.ToLower(key)
	if flag, ok := flagsByFullName[lower]; ok {
		return flag
	}
	if source, ok := strings.CutPrefix(lower, "operator.filter.filter."); ok {
		return "filter." + source
	}
	for _, prefix := range []string{"operator.", "custom."} {
		if strings.HasPrefix(lower, prefix) {
			return key[strings.LastIndexByte(key, '.')+1:]
		}
	}
	return key
}

// isFileFlag reports whether an argument is --file, and whether its value is the next one.
func isFileFlag(arg string) (is, next bool) {
	switch {
	case arg == "-f", arg == "--file":
		return true, true
	}
	return strings.HasPrefix(arg, "--file=") || strings.HasPrefix(arg, "-f") && len(arg) > 2, false
}

// namesFile reports whether --file is among the arguments.
func namesFile(args []string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if is, _ := isFileFlag(arg); is {
			return true
		}
	}
	return false
}

// withoutFile are the arguments after the verb, without --file.
func withoutFile(args []string) []string {
	var rest []string
	verb := false
	for i := 0; i < len(args); i++ {
		is, next := isFileFlag(args[i])
		switch {
		case !verb && args[i] == "run":
			verb = true
		case is && next:
			i++
		case !is:
			rest = append(rest, args[i])
		}
	}
	return rest
}

// runTogether runs several gadgets in this process, with one output. Nothing begins
// before all of them have been found right; when one fails the others end.
func (a *app) runTogether(ctx context.Context, names []string, lines [][]string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out, words := &shared{w: a.out}, &shared{w: a.err}
	together := newRendezvous(len(lines))
	codes := make([]exitCode, len(lines))
	var group sync.WaitGroup
	for i, line := range lines {
		s := a.streams
		s.out, s.err, s.in = out, &namedMessages{name: names[i], w: words}, nil
		s.instance, s.together = names[i], together
		group.Go(func() {
			if codes[i] = run(ctx, line, s); codes[i] != exitOK {
				together.leave()
				cancel(errOther)
			}
		})
	}
	group.Wait()
	for _, code := range codes {
		if code != exitOK && code != exitInterrupted {
			return &fault{code: code, err: errors.New("a run has failed"), silent: true}
		}
	}
	if err := context.Cause(ctx); errors.Is(err, errInterrupted) {
		return err
	}
	return nil
}

// errOther is the cause of the end of a run because another one has failed.
var errOther = errors.New("another run has failed")

// leaveAll leaves a run behind for each, one after the other. When one cannot be
// started, those before it are taken back.
func (a *app) leaveAll(ctx context.Context, names []string, lines [][]string) error {
	var ids []string
	for i, line := range lines {
		var printed bytes.Buffer
		s := a.streams
		s.out, s.err = &printed, &namedMessages{name: names[i], w: &shared{w: a.err}}
		code := run(ctx, line, s)
		if code == exitOK {
			ids = append(ids, strings.TrimSpace(printed.String()))
			continue
		}
		for _, id := range ids {
			dir, r, err := a.findRun(id)
			if err == nil {
				err = killRun(r)
			}
			if err == nil {
				err = dir.Remove(r)
			}
			if err != nil {
				a.log.Warn(err.Error())
			}
		}
		return &fault{code: code, err: errors.New("a run has failed"), silent: true}
	}
	_, err := fmt.Fprintln(a.out, strings.Join(ids, "\n"))
	return err
}

// shared is a writer for several goroutines, each of which writes what belongs together.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// namedMessages puts a name before each message.
type namedMessages struct {
	name string
	w    io.Writer
}

// Write implements io.Writer.
func (n *namedMessages) Write(p []byte) (int, error) {
	if _, err := n.w.Write(append([]byte(n.name+": "), p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// rendezvous is where runs wait until all of them have come, or one has failed. A nil
// one is that of a run by itself.
type rendezvous struct {
	mu     sync.Mutex
	absent int
	all    chan struct{}
	failed chan struct{}
	once   sync.Once
}

func newRendezvous(n int) *rendezvous {
	return &rendezvous{absent: n, all: make(chan struct{}), failed: make(chan struct{})}
}

// arrive waits for the others.
func (r *rendezvous) arrive(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	if r.absent--; r.absent == 0 {
		close(r.all)
	}
	r.mu.Unlock()
	select {
	case <-r.all:
		return nil
	case <-r.failed:
	case <-ctx.Done():
	}
	return &fault{code: exitInterrupted, err: errOther, silent: true}
}

// leave says that somebody will not come, or has gone.
func (r *rendezvous) leave() { r.once.Do(func() { close(r.failed) }) }
