package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/detached"
)

func serviceCmd(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "service",
		Short:   "Make runs that survive reboots",
		GroupID: groupRun,
		Example: `  gadget service install execs`,
	})
	cmd.AddCommand(serviceInstallCmd(a))
	return cmd
}

type serviceOptions struct {
	dir          string
	print, force bool
}

func serviceInstallCmd(a *app) *cobra.Command {
	opts := serviceOptions{}
	cmd := &cobra.Command{
		Use:   "install NAME",
		Short: "Write a systemd unit that runs what a detached run does",
		Long: `Write a systemd unit, gadget-NAME.service, that runs what a detached run does: the same
command, in the same directory, with the same settings from the environment. The service
is a run of that name again: gadget list, logs and attach work as before. It may do no
more than gadgets need, and is started again when it fails.

Nothing is started; the commands that do are told on stderr.`,
		Example: `  gadget run -d trace_exec --name execs
  gadget service install execs
  gadget service install execs --print | less`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			return runServiceInstall(a, args[0], opts)
		},
	}
	fs := a.addRuns(cmd)
	fs.StringVar(&opts.dir, "dir", "/etc/systemd/system", "`DIR` of the unit")
	fs.BoolVar(&opts.print, "print", false, "print the unit and write nothing")
	fs.BoolVar(&opts.force, "force", false, "write over a unit that is there")
	return cmd
}

func runServiceInstall(a *app, name string, opts serviceOptions) error {
	dir, run, err := a.findRun(name)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	unit := unitText(program, dir.Path(), run.State)
	if opts.print {
		_, err := fmt.Fprint(a.out, unit)
		return err
	}
	file := "gadget-" + run.State.Name + ".service"
	path := filepath.Join(opts.dir, file)
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if opts.force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		failed := &fault{code: exitFailure, err: fmt.Errorf("%s is there already", path)}
		return failed.hint("--force writes over it")
	}
	if err != nil {
		return fmt.Errorf("write the unit: %w", err)
	}
	_, err = f.WriteString(unit)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write the unit: %w", err), os.Remove(path))
	}
	a.notice("next: systemctl daemon-reload && gadget stop " + run.State.Name + " && systemctl enable --now " + file)
	_, err = fmt.Fprintln(a.out, path)
	return err
}

// ownFlags of a detached run are given anew by the unit.
var ownFlags = []string{"detach", "no-fork", "replace", "name", "id", "ready-fd", "ready-file", "runs"}

// unitText is the unit of a run. What would give the process a mount namespace of its
// own is left out: it would no longer be one of the host's.
func unitText(program, runs string, s *detached.State) string {
	var b strings.Builder
	line := func(key string, words ...string) {
		for i := range words {
			words[i] = unitWord(words[i])
		}
		b.WriteString(key + "=" + strings.Join(words, " ") + "\n")
	}
	b.WriteString("# Made by gadget service install.\n[Unit]\n")
	b.WriteString("Description=gadget run " + strings.ReplaceAll(s.Name, "%", "%%") + "\n")
	b.WriteString("After=docker.service containerd.service crio.service\n\n[Service]\nType=notify\n")
	command := []string{program, "run", "--detach", "--no-fork", "--replace", "--name=" + s.Name, "--runs=" + runs}
	line("ExecStart", append(command, withoutOwn(s.Args)...)...)
	b.WriteString("WorkingDirectory=" + strings.ReplaceAll(s.Directory, "%", "%%") + "\n")
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if name != "GADGET_RUNS" {
			line("Environment", name+"="+s.Env[name])
		}
	}
	b.WriteString(`Restart=on-failure
RestartSec=5
# Ended by a signal, as systemd does it.
SuccessExitStatus=130
TimeoutStopSec=30
RuntimeDirectory=gadget
RuntimeDirectoryMode=0750
RuntimeDirectoryPreserve=yes
UMask=0027
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_BPF CAP_PERFMON CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_SYS_RESOURCE CAP_SYSLOG CAP_NET_ADMIN CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`)
	return b.String()
}

// withoutOwn are the arguments of a run after the verb, without those of ownFlags. They
// have been parsed before, so each is what it looks like.
func withoutOwn(args []string) []string {
	var rest []string
	verb := false
	for i := 0; i < len(args); i++ {
		name, _, hasValue := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		own := strings.HasPrefix(args[i], "--") && slices.Contains(ownFlags, name)
		bare := slices.Contains([]string{"detach", "no-fork", "replace"}, name)
		switch {
		case !verb && args[i] == "run":
			verb = true
		case args[i] == "-d":
		case own && !hasValue && !bare:
			i++
		case !own:
			rest = append(rest, args[i])
		}
	}
	return rest
}

// unitWord is a word as systemd reads it (systemd.service(5), systemd.unit(5)).
func unitWord(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\;") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(word) + `"`
}
