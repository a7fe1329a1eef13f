package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/detached"
	"github.com/gadget-bpf/gadget/internal/history"
	"github.com/gadget-bpf/gadget/runner"
)

const sectionDetached = "Running on without a terminal"

// defaultKeep is how much of the events a detached run keeps.
const defaultKeep = 10 << 20

// detachOptions are about runs that go on without a terminal.
type detachOptions struct {
	detach, noFork, replace bool
	stats                   bool
	name, id                string
	keep                    byteSize
}

func (o *detachOptions) addTo(a *app, cmd *cobra.Command) {
	o.keep = defaultKeep
	fs := a.addRuns(cmd)
	inSection(fs, sectionDetached, "runs")
	fs.BoolVarP(&o.detach, "detach", "d", false, "leave the gadget running, print the id of the run when everything is attached; see gadget list, logs, attach, stop")
	fs.StringVar(&o.name, "name", "", "`NAME` of the detached run; the default is that of the gadget")
	fs.Var(&o.keep, "keep", "how much of its events a detached run keeps, the newest")
	fs.BoolVar(&o.replace, "replace", false, "with --name: remove a run of that name that has ended")
	fs.BoolVar(&o.stats, "stats", false, "of a detached run: measure its programs all the time, not only while somebody looks; costs every eBPF program of this machine some 40 ns")
	fs.BoolVar(&o.noFork, "no-fork", false, "with --detach: be the run, for supervisors such as systemd")
	inSection(fs, sectionDetached, "detach", "name", "keep", "replace", "stats", "no-fork")
	fs.StringVar(&o.id, "id", "", "id of the detached run")
	fs.Lookup("id").Hidden = true
}

// addRuns gives cmd the flag with the directory of detached runs.
func (a *app) addRuns(cmd *cobra.Command) *pflag.FlagSet {
	cmd.Flags().StringVar(&a.runs, "runs", "", "`DIR` of the detached runs (default /run/gadget for root, else $XDG_RUNTIME_DIR/gadget)")
	return cmd.Flags()
}

// check finds what makes no sense before anything is done.
func (o *detachOptions) check(cmd *cobra.Command) error {
	fs := cmd.Flags()
	if !o.detach {
		for _, name := range []string{"name", "keep", "replace", "stats", "no-fork", "id"} {
			if fs.Changed(name) {
				return usageErrorf(cmd, "--%s is for detached runs", name).hint("give --detach, too")
			}
		}
		return nil
	}
	switch {
	case afterDash(cmd):
		return usageErrorf(cmd, "a command after -- ends with this process, and --detach leaves the gadget running").
			hint("start the gadget with --detach, then the command by itself")
	case fs.Changed("output-file"):
		return usageErrorf(cmd, "--output-file: a detached run keeps its events").hint("gadget logs NAME > FILE gives them in any format")
	case o.keep < history.MinKeep:
		return usageErrorf(cmd, "--keep: %s is too little; it is 256KiB at least", &o.keep)
	case o.id != "" && !detached.IsID(o.id):
		return usageErrorf(cmd, "--id: %q is not 12 to 32 digits of 0-9 a-f", o.id)
	}
	if o.name == "" {
		return nil
	}
	if err := detached.CheckName(o.name); err != nil {
		return usageErrorf(cmd, "--name: %w", err)
	}
	return nil
}

// The process of a detached run is told by these that it is one: the directory of the
// run, and the number of a pipe on which it says that it is ready.
const (
	envDetached = "GADGET_DETACHED_RUN"
	readyPipe   = 3
)

// leaves reports whether another process is to be the run.
func (o *detachOptions) leaves(a *app) bool {
	_, forked := a.env(envDetached)
	return o.detach && !o.noFork && !forked
}

// runsDir is the directory of this user's runs: --runs or GADGET_RUNS, for root a place
// of the system, else one of the user that does not outlive the machine.
func (a *app) runsDir() (*detached.Dir, error) {
	chosen := a.runs
	if chosen == "" {
		chosen, _ = a.env("GADGET_RUNS") // verbs that are about something else have no flag
	}
	if chosen != "" {
		path, err := filepath.Abs(chosen)
		return detached.At(path), err
	}
	if os.Getuid() == 0 {
		return detached.At("/run/gadget"), nil
	}
	if dir, _ := a.env("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return detached.At(filepath.Join(dir, "gadget")), nil
	}
	if dir, _ := a.env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return detached.At(filepath.Join(dir, "gadget", "run")), nil
	}
	if home, _ := a.env("HOME"); filepath.IsAbs(home) {
		return detached.At(filepath.Join(home, ".local", "state", "gadget", "run")), nil
	}
	f := &fault{code: exitUsage, err: errors.New("where are the detached runs? neither XDG_RUNTIME_DIR, XDG_STATE_HOME nor HOME is set")}
	return nil, f.hint("set GADGET_RUNS, or give --runs DIR")
}

// register makes the directory of a new run, with this process as its own for now.
func (o *runOptions) register(ctx context.Context, a *app, cmd *cobra.Command) (*detached.Dir, *detached.Run, error) {
	dir, err := a.runsDir()
	if err != nil {
		return nil, nil, err
	}
	self, err := detached.Self()
	if err != nil {
		return nil, nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, nil, err
	}
	g := a.gadget
	s := &detached.State{
		Version: detached.Version, ID: o.detach.id, Name: o.detach.name, Status: detached.Starting,
		Process: self, UID: os.Geteuid(), Created: time.Now(),
		Gadget: g.name, Digest: a.digestOf(ctx, g.name), Args: a.args, Directory: here, Env: ownEnv(os.Environ()),
		Params: g.flags.values(cmd), Filters: slices.Concat(o.show.filters, o.show.exprs),
		Output: o.show.output.String(), Fields: o.show.fields.String(),
	}
	run, err := dir.Create(s, o.detach.replace)
	var taken *detached.TakenError
	if errors.As(err, &taken) {
		f := &fault{code: exitFailure, err: err}
		f.hint("choose another --name, or remove it: gadget rm --force %s", taken.Run.State.Name)
		if taken.Run.State.Status.Ended() {
			f.hint("--replace does so when it has ended, as this one has")
		}
		err = f
	}
	return dir, run, err
}

// digestOf is the digest of an image on this machine, "" when the name means none.
func (a *app) digestOf(ctx context.Context, name string) string {
	if isSource(name) || parsePlace(name).kind != "" {
		return ""
	}
	found, err := a.find(ctx, name)
	if err != nil {
		return ""
	}
	return found.desc.Digest.String()
}

// ownEnv are the variables that change what a run does.
func ownEnv(environ []string) map[string]string {
	env := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "GADGET_") && name != envDetached || name == "DOCKER_HOST" {
			env[name] = value
		}
	}
	return env
}

// startDetached leaves a process of this program behind as the run, waits until it is
// ready, and prints its id. When it does not come to that, nothing is left.
func (o *runOptions) startDetached(ctx context.Context, a *app, cmd *cobra.Command) error {
	dir, run, err := o.register(ctx, a, cmd)
	if err != nil {
		return err
	}
	code, said, err := a.leaveBehind(ctx, run)
	fmt.Fprint(a.err, said)
	if err != nil || code != exitOK {
		if gone := dir.Remove(run); gone != nil {
			a.log.Warn(gone.Error())
		}
	}
	switch {
	case err != nil:
		return err
	case code != exitOK:
		return &fault{code: code, err: errors.New("the run has failed"), silent: true}
	}
	if err := o.ready.tell(a, run); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, run.State.ID)
	return err
}

// leaveBehind starts the process of a run and waits until it is ready. It returns the
// code with which it ended, if it did, and what it said.
func (a *app) leaveBehind(ctx context.Context, run *detached.Run) (code exitCode, said string, err error) {
	log, err := os.OpenFile(run.Log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return 0, "", fmt.Errorf("make the log of the run: %w", err)
	}
	defer log.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return 0, "", fmt.Errorf("start the run: %w", err)
	}
	defer ready.Close()
	// The file of this program may have been replaced meanwhile; this is the one that runs.
	child := exec.Command("/proc/self/exe")
	child.Args = append([]string{os.Args[0]}, a.args...)
	child.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "NOTIFY_SOCKET=") })
	child.Env = append(child.Env, envDetached+"="+run.Path)
	child.Stderr = log
	child.ExtraFiles = []*os.File{tell}
	inheritNothing()
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = child.Start()
	tell.Close()
	if err != nil {
		return 0, "", fmt.Errorf("start the run: %w", err)
	}
	over := context.AfterFunc(ctx, func() { _ = child.Process.Signal(syscall.SIGTERM) })
	defer over()
	word, err := io.ReadAll(ready)
	if err == nil && len(word) == 0 {
		_ = child.Wait()
		if err = context.Cause(ctx); err == nil {
			code = max(exitCode(child.ProcessState.ExitCode()), exitFailure)
		}
	}
	return code, saidIn(run.Log()), err
}

// inheritNothing keeps files that a shell has opened for this process, such as that of
// --ready-fd, from being open for as long as the run goes on.
func inheritNothing() {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, f := range files {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// saidIn is what a run has said so far, without the times.
func saidIn(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for line := range bytes.Lines(text) {
		b.Write(withoutTime(line))
	}
	return b.String()
}

// runDetached is the process of a detached run, from its claim to its end.
func (o *runOptions) runDetached(ctx context.Context, a *app, cmd *cobra.Command, ro runner.Options) error {
	path, forked := a.env(envDetached)
	var run *detached.Run
	var err error
	if forked {
		run, err = detached.Load(path)
	} else {
		_, run, err = o.register(ctx, a, cmd)
	}
	if err != nil {
		return err
	}
	// What it starts itself is not this run.
	if err := os.Unsetenv(envDetached); err != nil {
		return err
	}
	d, err := newDetachedRun(a, run, o, forked)
	if err != nil {
		return err
	}
	return d.run(ctx, ro)
}

// sourceCounts are the counters of a report as they stand in a state.
func sourceCounts(report *runner.Report) []detached.Source {
	var list []detached.Source
	for _, s := range report.Sources {
		list = append(list, detached.Source{Name: s.Name, Delivered: s.Delivered, Filtered: s.Filtered, Lost: s.Lost, LossUnknown: s.LossUnknown})
	}
	return list
}
