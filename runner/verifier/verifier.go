// Package verifier reads what the kernel's verifier says of a program that it
// refuses: at which line of C it stopped, what it knew there, what is wrong in the
// words of somebody who can change the program, and the usual way to mend it.
//
// It only reads text: no kernel is asked, and any text is fine.
package verifier

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Finding is why a program was refused.
type Finding struct {
	// Reason is the verifier's own last word.
	Reason string
	// At is where it stopped.
	At Place
	// Reserved is where the record was reserved that the program keeps, the zero
	// value for all other findings.
	Reserved Place
	// Known are the values that the verifier knew of the registers in question.
	Known []Value
	// Cause is one sentence about the reason, Fix the usual way out; "" when we
	// have none.
	Cause, Fix string
}

// Place is a place in the source, as the object records it.
type Place struct {
	// File and Line, "" and 0 when unknown. Column counts from 1, in bytes.
	File         string
	Line, Column int
	// Text of the line.
	Text string
}

// Value is what the verifier knew of a register.
type Value struct {
	// Register is R0 to R10.
	Register string
	// Raw is the verifier's notation, Words what it means.
	Raw, Words string
}

var (
	// instruction matches the lines that trace the program: 7: (79) r1 = …
	instruction = regexp.MustCompile(`^(\d+): \([0-9a-f]{2}\) (.*)`)
	// source matches the lines of C that are quoted, with their place on kernels
	// since 6.10.
	source = regexp.MustCompile(`^; (.*?)(?: @ (\S+):(\d+))?$`)
	// aside matches the lines that say nothing of the reason.
	aside = regexp.MustCompile(`^(processed \d+ insns|verification time|stack depth|insns processed|peak_states|mark_read|cur state:|old state:|regs=|last_idx|parent |from \d+ to \d+:|propagating|mark_precise|func#|Live regs|Stack layout|R\d+[_rwD]*=)`)
	// result is the register that an instruction overwrites.
	result = regexp.MustCompile(`^[rw]\d+ = `)
	alloc  = regexp.MustCompile(`alloc_insn=(\d+)`)
	reg    = regexp.MustCompile(`\b[Rr](\d+)\b`)
)

// Read reads a log. program are the instructions that were loaded; without them
// the finding has no column, and no line on kernels before 6.10.
func Read(log []string, program asm.Instructions) Finding {
	f := Finding{}
	stopped, last := -1, len(log)
	text := ""
	for i := len(log) - 1; i >= 0; i-- {
		line := strings.TrimSpace(log[i])
		if m := instruction.FindStringSubmatch(line); m != nil {
			stopped, _ = strconv.Atoi(m[1])
			last, text = i, m[2]
			break
		}
		if line != "" && f.Reason == "" && !aside.MatchString(line) && !source.MatchString(line) {
			f.Reason = line
		}
	}
	f.At = place(program, stopped)
	if f.At.Text == "" {
		f.At = quoted(log[:last])
	}
	// What is said below the reason may be more to the point than the reason.
	said := strings.Join(log[min(last+1, len(log)):], "\n")
	if m := alloc.FindStringSubmatch(said); m != nil {
		n, _ := strconv.Atoi(m[1])
		f.Reserved = place(program, n)
	}
	f.Cause, f.Fix = explain(f.Reason, said)
	f.Known = known(log, last, f.Reason+" "+result.ReplaceAllString(text, ""))
	return f
}

// place finds the line of C of an instruction.
func place(program asm.Instructions, number int) Place {
	if number < 0 {
		return Place{}
	}
	var at Place
	for iter := program.Iterate(); iter.Next(); {
		if int(iter.Offset) > number {
			break
		}
		if l, ok := iter.Ins.Source().(*btf.Line); ok {
			at = Place{File: l.FileName(), Line: int(l.LineNumber()), Column: int(l.LineColumn()), Text: l.Line()}
		}
	}
	return at
}

// quoted finds the last line of C that the log quotes.
func quoted(log []string) Place {
	for i := len(log) - 1; i >= 0; i-- {
		if m := source.FindStringSubmatch(strings.TrimSpace(log[i])); m != nil {
			n, _ := strconv.Atoi(m[3])
			return Place{File: m[2], Line: n, Text: m[1]}
		}
	}
	return Place{}
}

// maxKnown values are told: more than a person would read.
const maxKnown = 3

// known finds the last values of the registers that a text names, in the log up to
// and including the state after its line number last.
func known(log []string, last int, names string) []Value {
	var out []Value
	seen := map[string]bool{"R10": true} // the frame, which never changes
	for _, m := range reg.FindAllStringSubmatch(names, -1) {
		name := "R" + m[1]
		if seen[name] || len(out) == maxKnown {
			continue
		}
		seen[name] = true
		state := regexp.MustCompile(`\b` + name + `(?:_[rwD]+)?=`)
		for i := min(last+1, len(log)-1); i >= 0; i-- {
			at := state.FindAllStringIndex(log[i], -1)
			if len(at) == 0 {
				continue
			}
			raw := value(log[i][at[len(at)-1][1]:])
			out = append(out, Value{Register: name, Raw: raw, Words: words(raw)})
			break
		}
	}
	return out
}

// value cuts a register's value off the state that follows it.
func value(s string) string {
	depth := 0
	for i, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ' ' && depth <= 0:
			return s[:i]
		}
	}
	return s
}
