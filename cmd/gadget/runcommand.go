package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/runner"
)

const sectionCommand = "The command after --"

// commandOptions are about the command of gadget run IMAGE -- COMMAND.
type commandOptions struct {
	asRoot, waitAll bool
	outputFile      string
	// args are those after the dashes, the name of the program first; none when
	// there is no command.
	args []string
}

func (o *commandOptions) addTo(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&o.asRoot, "as-root", false, "run the command as root also under sudo, where it runs as who called sudo")
	fs.BoolVar(&o.waitAll, "wait-all", false, "go on until all that descends from the command has ended, too")
	inSection(fs, sectionCommand, "as-root", "wait-all")
	fs.StringVar(&o.outputFile, "output-file", "", "write events to `FILE` instead of stdout, or of stderr when there is a command")
	inSection(fs, sectionShow, "output-file")
}

// afterDash reports whether there are dashes among the arguments, and so a command.
func afterDash(cmd *cobra.Command) bool { return cmd.ArgsLenAtDash() >= 0 }

// take takes the command out of the arguments.
func (o *commandOptions) take(cmd *cobra.Command, args []string) []string {
	n := cmd.ArgsLenAtDash()
	if n < 0 {
		return args
	}
	o.args = args[n:]
	return args[:n]
}

// check refuses what makes no sense together.
func (o *commandOptions) check(cmd *cobra.Command) error {
	if len(o.args) > 0 {
		return nil
	}
	for _, flag := range []string{"as-root", "wait-all"} {
		if cmd.Flags().Changed(flag) {
			return usageErrorf(cmd, "--%s is about a command, and there is none: gadget run IMAGE -- COMMAND", flag)
		}
	}
	return nil
}

// direct opens the place where events go. A command has stdout to itself.
func (o *commandOptions) direct(a *app, show *showOptions) (closed func() error, err error) {
	closed = func() error { return nil }
	if len(o.args) > 0 {
		a.out, a.term = a.err, a.errTerm()
		show.noRedraw = true
	}
	if o.outputFile == "" {
		return closed, nil
	}
	file, err := os.Create(o.outputFile)
	if err != nil {
		return closed, fmt.Errorf("--output-file: %w", err)
	}
	a.out, a.term = file, view.Terminal{}
	return file.Close, nil
}

// hold starts the command, held before its first instruction, with the streams of
// this process; nil when there is none.
func (o *commandOptions) hold(s streams) (*child, error) {
	if len(o.args) == 0 {
		return nil, nil
	}
	path, err := exec.LookPath(o.args[0])
	if err != nil {
		return nil, refusedCommand(o.args[0], err)
	}
	c := heldCommand{Path: path, Args: o.args, Env: os.Environ()}
	if !o.asRoot {
		if c.User, c.Env, err = invokingUser(c.Env); err != nil {
			return nil, err
		}
	}
	return hold(c, s)
}

// refusedCommand says why a command could not be started, with the code that shells
// have for it.
func refusedCommand(name string, err error) error {
	f := &fault{code: exitCommandRefused, err: fmt.Errorf("%s: %w", name, err)}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), syscall.ENOENT.Error()) {
		f.code = exitCommandMissing
	}
	var look *exec.Error
	if errors.As(err, &look) {
		f.err = fmt.Errorf("%s: %w", name, look.Err)
	}
	return f
}

// invokingUser is who called sudo, nil when nobody did, and the environment that
// the command of that user gets.
func invokingUser(env []string) (*identity, []string, error) {
	uid, gid := os.Getenv("SUDO_UID"), os.Getenv("SUDO_GID")
	if os.Geteuid() != 0 || uid == "" || uid == "0" {
		return nil, env, nil
	}
	id := &identity{}
	var err error
	if id.UID, err = strconv.Atoi(uid); err == nil {
		id.GID, err = strconv.Atoi(gid)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("SUDO_UID=%s SUDO_GID=%s: not the numbers of a user: %w", uid, gid, err)
	}
	id.Groups = []int{id.GID}
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "SUDO_") })
	u, err := user.LookupId(uid)
	if err != nil {
		// Users from elsewhere than /etc/passwd have at least their numbers.
		return id, append(env, "USER="+os.Getenv("SUDO_USER"), "LOGNAME="+os.Getenv("SUDO_USER")), nil
	}
	if groups, err := u.GroupIds(); err == nil {
		for _, g := range groups {
			if n, err := strconv.Atoi(g); err == nil && !slices.Contains(id.Groups, n) {
				id.Groups = append(id.Groups, n)
			}
		}
	}
	// Of a name that is there twice the last one counts.
	return id, append(env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username), nil
}

// follow makes a run that of the command: it ends with it. The command begins when
// the gadget is attached.
func (o *commandOptions) follow(h *child, ro *runner.Options) {
	ro.Processes.Command = h.pid()
	ro.Ended, ro.Descendants = h.ended, o.waitAll
	attached := ro.Ready
	ro.Ready = func() {
		attached()
		h.release()
	}
}

// forwarded are the signals that the command gets when gadget gets them.
var forwarded = []os.Signal{
	unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2,
}

// relay passes signals on to the command until stop is called. gadget itself ends
// when the command does.
func (h *child) relay(s streams) (stop func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded...)
	s.last.hold(true)
	go func() {
		for sig := range signals {
			if !fromTerminal(sig) {
				_ = h.cmd.Process.Signal(sig) // It may have ended.
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		s.last.hold(false)
	}
}

// fromTerminal says whether a signal comes, as it seems, from the keys of our
// terminal, which sends it to the command, too.
func fromTerminal(sig os.Signal) bool {
	if sig != unix.SIGINT && sig != unix.SIGQUIT && sig != unix.SIGHUP {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// commandEnd is how the command of a run ended: its code becomes ours.
type commandEnd struct{ code exitCode }

func (e *commandEnd) Error() string { return fmt.Sprintf("the command exited with code %d", e.code) }

// result waits for the end of the command, which a run that is over does not hurry,
// and says how it was. err is that of the run.
func (h *child) result(err error) error {
	if !h.released {
		h.abandon()
	}
	<-h.ended
	switch {
	case h.refused != nil:
		return refusedCommand(h.name, h.refused)
	case err != nil && !errors.Is(err, syscall.EPIPE):
		return err
	}
	return &commandEnd{h.exit()}
}
