package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/runner/doctor"
)

// writeReport writes what a doctor found, a line for each check and a few more for
// what is missing.
func writeReport(w io.Writer, t view.Terminal, r *doctor.Report) error {
	width := 0
	for i := range r.Checks {
		width = max(width, len(r.Checks[i].Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Linux %s, %s\n", view.Safe(r.Kernel), r.Arch)
	section := ""
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.Section != section {
			section = c.Section
			fmt.Fprintf(&b, "\n%s\n", t.Bold(strings.ToUpper(section)))
		}
		writeCheck(&b, t, c, width)
	}
	fmt.Fprintf(&b, "\n%s\n", verdict(r))
	_, err := io.WriteString(w, b.String())
	return err
}

func writeCheck(b *strings.Builder, t view.Terminal, c *doctor.Check, width int) {
	paint := map[doctor.State]func(string) string{
		doctor.OK: t.Green, doctor.Limited: t.Yellow, doctor.Missing: t.Red, doctor.Unknown: t.Dim,
	}[c.State]
	line := fmt.Sprintf("%-*s  %s", width, c.Name, view.Safe(c.Detail))
	fmt.Fprintf(b, "  %s  %s\n", paint(fmt.Sprintf("%-7s", c.State)), strings.TrimRight(line, " "))
	below := strings.Repeat(" ", len("  unknown  ")+width+2)
	if c.Remedy != "" {
		fmt.Fprintf(b, "%s→ %s\n", below, view.Safe(c.Remedy))
	}
	if len(c.Blocks) > 0 {
		fmt.Fprintf(b, "%sdoes not run: %s\n", below, strings.Join(c.Blocks, ", "))
	}
}

// verdict sums a report up in a sentence.
func verdict(r *doctor.Report) string {
	count := map[doctor.State]int{}
	var vital []string
	for i := range r.Checks {
		c := &r.Checks[i]
		count[c.State]++
		if c.Vital && (c.State == doctor.Missing || c.State == doctor.Unknown) {
			vital = append(vital, c.Name)
		}
	}
	if !r.Runs {
		why := "no hook works"
		if len(vital) > 0 {
			why = strings.Join(vital, ", ")
		}
		return "No gadget with an eBPF program runs here: " + why + "."
	}
	var parts []string
	for _, s := range []doctor.State{doctor.OK, doctor.Limited, doctor.Missing, doctor.Unknown} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	return "Gadgets run here: " + strings.Join(parts, ", ") + "."
}
