package runner

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/gadget-bpf/gadget/runner/verifier"
)

// VerifierError says that the kernel refused a program, and why.
type VerifierError struct {
	// Program is the C function, "" when unknown.
	Program string
	verifier.Finding
	// Log is everything the verifier wrote.
	Log []string
	Err error
}

// Error is several lines: the reason, the place, what the verifier knew, what is
// wrong, what helps.
func (e *VerifierError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the kernel's verifier refused program %s: %s", e.Program, e.Reason)
	writePlace(&b, "at", e.At)
	writePlace(&b, "reserved at", e.Reserved)
	for _, v := range e.Known {
		fmt.Fprintf(&b, "\n  %s is %s", v.Register, v.Raw)
		if v.Words != "" {
			fmt.Fprintf(&b, ": %s", v.Words)
		}
	}
	if e.Cause != "" {
		fmt.Fprintf(&b, "\n  %s\n  %s", e.Cause, e.Fix)
	}
	return b.String()
}

// writePlace quotes a line of the source with a mark below the column.
func writePlace(b *strings.Builder, what string, p verifier.Place) {
	if p.Text == "" {
		return
	}
	margin := "  "
	if p.Line > 0 {
		fmt.Fprintf(b, "\n  %s %s:%d", what, p.File, p.Line)
		if p.Column > 0 {
			fmt.Fprintf(b, ":%d", p.Column)
		}
		margin = fmt.Sprintf("  %5d | ", p.Line)
	}
	fmt.Fprintf(b, "\n%s%s", margin, strings.TrimRight(p.Text, " \t"))
	if p.Column > 0 && p.Column <= len(p.Text) {
		// Tabs stay, so that the mark stands where the terminal puts the column.
		lead := strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return ' '
		}, p.Text[:p.Column-1])
		fmt.Fprintf(b, "\n%s| %s^", strings.Repeat(" ", len(margin)-2), lead)
	}
}

// Unwrap returns the library's error.
func (e *VerifierError) Unwrap() error { return e.Err }

func newVerifierError(program string, instructions asm.Instructions, ve *ebpf.VerifierError, err error) *VerifierError {
	e := &VerifierError{Program: program, Finding: verifier.Read(ve.Log, instructions), Log: ve.Log, Err: err}
	if e.Reason == "" {
		e.Reason = ve.Cause.Error()
	}
	return e
}
