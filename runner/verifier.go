package runner

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cilium/ebpf"
)

// VerifierError says that the kernel refused a program, and why.
type VerifierError struct {
	// Program is the C function, "" when unknown.
	Program string
	// Source is the line of C at which the verifier stopped, as the object
	// records it, "" when unknown.
	Source string
	// Reason is the verifier's own last word, Cause one sentence of ours about
	// it, "" when we have none.
	Reason, Cause string
	// Log is everything the verifier wrote.
	Log []string
	Err error
}

func (e *VerifierError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the kernel's verifier refused program %s: %s", e.Program, e.Reason)
	if e.Source != "" {
		fmt.Fprintf(&b, "\n  at: %s", e.Source)
	}
	if e.Cause != "" {
		fmt.Fprintf(&b, "\n  %s", e.Cause)
	}
	return b.String()
}

// Unwrap returns the library's error.
func (e *VerifierError) Unwrap() error { return e.Err }

// causes explain what the verifier means, in the words of somebody who can
// change the program. The first that matches is used.
var causes = []struct{ pattern, cause string }{
	{`invalid mem access 'map_value_or_null'|invalid mem access 'ringbuf_mem_or_null'|invalid mem access 'mem_or_null'|or_null`,
		"A pointer that may be NULL is used without a check; test it and return before using it."},
	{`invalid mem access 'scalar'|invalid mem access 'inv'`,
		"The program dereferences a number that the verifier does not know as a pointer; read kernel memory by BPF_CORE_READ or bpf_probe_read_kernel."},
	{`Unreleased reference`,
		"A reserved ring buffer record is neither submitted nor discarded on some path."},
	{`unbounded memory access|R\d+ max value is outside|min value is negative`,
		"An offset or length has no proven bounds; mask it or compare it with a constant right before its use."},
	{`too many states|BPF program is too large|The sequence of \d+ jumps is too complex|processed \d+ insns.*limit`,
		"The program is too complex for the verifier; shorten loops or split it."},
	{`unknown func|invalid func`,
		"This kernel, or this type of program, does not have a helper function that the program calls."},
	{`cannot call GPL-restricted function`,
		"A helper may only be called by GPL programs; add: char LICENSE[] SEC(\"license\") = \"GPL\";"},
	{`invalid indirect read from stack|invalid read from stack`,
		"The program passes stack memory that it has not written entirely; initialise the variable, padding included."},
	{`combined stack size|stack depth|looks like the BPF stack limit`,
		"The program needs more than 512 bytes of stack; move large variables to a per-CPU array."},
	{`back-edge|infinite loop detected`,
		"A loop has no bound that the verifier can see; use a constant limit or bpf_loop."},
	{`helper access to the packet|invalid access to packet`,
		"A packet is read beyond what was compared with data_end."},
}

// sourceLine matches the lines of C that the verifier quotes in its log.
var sourceLine = regexp.MustCompile(`^; (.*?)(?: @ (\S+:\d+))?$`)

// summary matches the lines that end a log without saying anything.
var summary = regexp.MustCompile(`^(processed \d+ insns|verification time|stack depth|insns processed|peak_states|mark_read)`)

func newVerifierError(program string, ve *ebpf.VerifierError, err error) *VerifierError {
	e := &VerifierError{Program: program, Log: ve.Log, Err: err}
	for i := len(ve.Log) - 1; i >= 0; i-- {
		line := strings.TrimSpace(ve.Log[i])
		if line == "" || summary.MatchString(line) {
			continue
		}
		if m := sourceLine.FindStringSubmatch(line); m != nil {
			if e.Source = strings.TrimSpace(m[1]); m[2] != "" {
				e.Source = m[2] + ": " + e.Source
			}
			break
		}
		if e.Reason == "" {
			e.Reason = line
		}
	}
	if e.Reason == "" {
		e.Reason = ve.Cause.Error()
	}
	for _, c := range causes {
		if regexp.MustCompile(c.pattern).MatchString(e.Reason) {
			e.Cause = c.cause
			break
		}
	}
	return e
}
