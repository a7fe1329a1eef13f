package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/detached"
)

func showCmd(a *app) *cobra.Command {
	output := oneOf("FORMAT", "text", "json", "yaml")
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show all that is known of a detached run",
		GroupID: groupRun,
		Long: `Show all that is known of a detached run: its process, image, parameters and filters, the
programs that are attached, what became of its events, how much of them is kept, what it
costs, and what it said last.`,
		Example: `  gadget show execs
  gadget show execs -o json | jq .sources`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			_, r, err := a.findRun(args[0])
			if err != nil {
				return err
			}
			a.askAll([]*detached.Run{r}, glance)
			shown := struct {
				*detached.State
				Log []string `json:"log"`
			}{r.State, lastLines(r.Log(), 10)}
			return a.print(output.String(), shown, func(w io.Writer, t view.Terminal) error {
				return writeRun(w, r.State, shown.Log)
			})
		},
	}
	addOutput(cmd, &output)
	a.addRuns(cmd)
	return cmd
}

// lastLines are the last lines of a log.
func lastLines(path string, n int) []string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return []string{}
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-n):]
}

// writeRun prints what is known of a run, a line for each thing.
func writeRun(w io.Writer, s *detached.State, log []string) error {
	var b strings.Builder
	line := func(title, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(&b, "%-10s %s\n", title, view.Safe(text))
		}
	}
	line("name", "%s", s.Name)
	line("id", "%s", s.ID)
	line("status", "%s", s.Status)
	line("error", "%s", strings.ReplaceAll(s.Error, "\n", " "))
	if s.ExitCode != nil {
		line("exit code", "%d", *s.ExitCode)
	}
	line("gadget", "%s", s.Gadget)
	line("digest", "%s", s.Digest)
	line("process", "%d of user %d", s.Process.PID, s.UID)
	line("command", "gadget %s", shellLine(s.Args))
	line("directory", "%s", s.Directory)
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		line("param", "%s=%s", name, s.Params[name])
	}
	for _, f := range s.Filters {
		line("filter", "%s", f)
	}
	line("created", "%s", s.Created.Format(time.RFC3339))
	if s.Started != nil {
		line("started", "%s, %s", s.Started.Format(time.RFC3339), shortTime(s.Uptime(time.Now())))
	}
	if s.Ended != nil {
		line("ended", "%s", s.Ended.Format(time.RFC3339))
	}
	for _, p := range s.Programs {
		line("program", "%d %s %s", p.ID, p.Name, strings.TrimSpace(p.Type+" "+p.Hook))
	}
	for _, source := range s.Sources {
		lost := fmt.Sprint(source.Lost)
		if source.LossUnknown {
			lost = "unknown"
		}
		line("source", "%s: delivered %d, filtered %d, lost %s", source.Name, source.Delivered, source.Filtered, lost)
	}
	if h := s.History; h != nil {
		line("history", "%d events, %d of them overwritten; %s of %s", h.Records, h.Overwritten, size(h.Bytes), size(h.Capacity))
	}
	if c := s.Cost; c != nil {
		line("memory", "%s of the process, %s of maps", size(c.RSS), size(c.MapMemory))
		if c.ProcessCPU != nil && c.ProgramsCPU != nil {
			line("cpu", "%.1f %% of the process, %.1f %% of programs", *c.ProcessCPU, *c.ProgramsCPU)
		}
		if c.NsPerEvent != nil {
			line("per event", "%.0f ns", *c.NsPerEvent)
		}
	}
	for i, text := range log {
		line(cmp.Or(map[int]string{0: "log"}[i], " "), "%s", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
