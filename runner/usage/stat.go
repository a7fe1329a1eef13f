package usage

import (
	"bytes"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// parseStat reads /proc/PID/stat into a row, pages as pages and times as ticks. It
// reports whether the text is complete. Fields are counted from 1, as in
// proc_pid_stat(5); a name may hold any bytes, parentheses among them.
func parseStat(text []byte, r *plan.ProcessRow) bool {
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	_, pid, ok := nextNumber(text)
	if !ok || begin < 0 || end < begin || end+3 > len(text) {
		return false
	}
	r.PID = int32(pid)
	setText(r.Comm[:], text[begin+1:end])
	r.State[0] = text[end+2]
	rest := text[end+3:]
	for field := 4; field <= 24; field++ {
		var v int64
		if rest, v, ok = nextNumber(rest); !ok {
			return false
		}
		switch field {
		case 4:
			r.PPID = int32(v)
		case 14, 15: // in user mode, and in the kernel
			r.CPUTime += uint64(v)
		case 18:
			r.Priority = int32(v)
		case 19:
			r.Nice = int32(v)
		case 20:
			r.Threads = int32(v)
		case 22:
			r.StartTime = uint64(v)
		case 23:
			r.Virtual = uint64(v)
		case 24:
			r.RSS = uint64(v)
		}
	}
	return true
}

// nextNumber reads a whole number after spaces; ok is false when there is none.
func nextNumber(text []byte) (rest []byte, v int64, ok bool) {
	for len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	for len(text) > 0 && '0' <= text[0] && text[0] <= '9' {
		v = v*10 + int64(text[0]-'0')
		text, ok = text[1:], true
	}
	if negative {
		v = -v
	}
	return text, v, ok
}
