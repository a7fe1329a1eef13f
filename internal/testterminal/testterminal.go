// Package testterminal is a terminal for tests: a pty, and what stands on it after
// all that programs have written. Only tests import it.
package testterminal

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Terminal is one terminal. It knows the control sequences that this project uses
// and fails the test for others. Its methods may be called from any goroutine.
type Terminal struct {
	t *testing.T
	// Device is where programs write and read.
	Device *os.File
	// master is the other end, where keys are pressed.
	master *os.File

	mu            sync.Mutex
	width, height int
	cells         [][]rune
	row, col      int
	state         State
	unknown       []string
}

// State is what a terminal has become by control sequences.
type State struct {
	// Wraps and Cursor are true for a terminal as it should be.
	Wraps, Cursor bool
	// Scrolled are the lines that have left it at the top.
	Scrolled []string
	// Controls is the number of control sequences so far.
	Controls int
}

// New makes a terminal of some cells and lines, until the test ends.
func New(t *testing.T, width, height int) *Terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	control(t, master, func(fd int) (err error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	device, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &Terminal{t: t, Device: device, master: master, state: State{Wraps: true, Cursor: true}}
	term.Resize(width, height)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		var rest []byte
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			rest = term.feed(append(rest, buf[:n]...))
		}
	}()
	t.Cleanup(func() {
		device.Close()
		master.Close()
		<-done
		for _, u := range term.unknown {
			t.Errorf("the terminal does not know %q", u)
		}
	})
	return term
}

// control calls do with the descriptor of f, which Fd would make a blocking one: a
// read could then not be ended.
func control(t *testing.T, f *os.File, do func(fd int) error) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if failed := raw.Control(func(fd uintptr) { err = do(int(fd)) }); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
}

// Resize gives the terminal another size. What stands on it stays at the top left.
func (term *Terminal) Resize(width, height int) {
	term.mu.Lock()
	defer term.mu.Unlock()
	control(term.t, term.master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)})
	})
	cells := make([][]rune, height)
	for i := range cells {
		cells[i] = []rune(strings.Repeat(" ", width))
		if i < len(term.cells) {
			copy(cells[i], term.cells[i])
		}
	}
	term.cells, term.width, term.height = cells, width, height
	term.row, term.col = min(term.row, height-1), min(term.col, width-1)
}

// Mode are the settings of the device.
func (term *Terminal) Mode() unix.Termios {
	term.t.Helper()
	mode, err := unix.IoctlGetTermios(int(term.Device.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return *mode
}

// State returns what control sequences have made of the terminal.
func (term *Terminal) State() State {
	term.mu.Lock()
	defer term.mu.Unlock()
	state := term.state
	state.Scrolled = slices.Clone(state.Scrolled)
	return state
}

// Press sends keys.
func (term *Terminal) Press(keys string) {
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Error(err)
	}
}

// Text is what stands on the terminal, without the space behind it.
func (term *Terminal) Text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	var b strings.Builder
	for _, line := range term.cells {
		b.WriteString(strings.TrimRight(strings.ReplaceAll(string(line), "\x00", ""), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Shows waits until the terminal shows want.
func (term *Terminal) Shows(want string) {
	term.t.Helper()
	want = strings.TrimPrefix(want, "\n")
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if term.Text() == want {
			return
		}
	}
	term.t.Fatalf("(-want +got)\n%s", cmp.Diff(want, term.Text()))
}

// feed takes what a program has written, and returns an unfinished rest.
func (term *Terminal) feed(b []byte) []byte {
	term.mu.Lock()
	defer term.mu.Unlock()
	for len(b) > 0 {
		if b[0] == 0x1b {
			end := bytes.IndexFunc(b[min(2, len(b)):], func(r rune) bool { return '@' <= r && r <= '~' })
			if end < 0 {
				return b
			}
			term.control(string(b[:end+3]))
			b = b[end+3:]
			continue
		}
		if !utf8.FullRune(b) {
			return b
		}
		r, size := utf8.DecodeRune(b)
		b = b[size:]
		switch {
		case r == '\r':
			term.col = 0
		case r == '\n':
			term.down()
		case r == '\t':
			term.col = min(term.col/8*8+8, term.width-1)
		case r < ' ':
			term.unknown = append(term.unknown, string(r))
		default:
			term.put(r)
		}
	}
	return nil
}

func (term *Terminal) put(r rune) {
	w := event.Cells(string(r))
	if term.col+w > term.width {
		if term.state.Wraps {
			term.col = 0
			term.down()
		} else {
			term.col = term.width - w
		}
	}
	term.cells[term.row][term.col] = r
	for i := 1; i < w; i++ {
		term.cells[term.row][term.col+i] = 0
	}
	term.col += w
}

func (term *Terminal) down() {
	if term.row++; term.row < term.height {
		return
	}
	term.row--
	term.state.Scrolled = append(term.state.Scrolled, strings.TrimRight(string(term.cells[0]), " "))
	term.cells = append(term.cells[1:], []rune(strings.Repeat(" ", term.width)))
}

func (term *Terminal) control(sequence string) {
	erase := func(row, from int) {
		for i := from; i < term.width; i++ {
			term.cells[row][i] = ' '
		}
	}
	term.state.Controls++
	switch sequence {
	case "\x1b[H":
		term.row, term.col = 0, 0
	case "\x1b[K":
		// A cursor behind the last cell is on it.
		erase(term.row, min(term.col, term.width-1))
	case "\x1b[J":
		erase(term.row, term.col)
		for row := term.row + 1; row < term.height; row++ {
			erase(row, 0)
		}
	case "\x1b[?25l", "\x1b[?25h":
		term.state.Cursor = sequence == "\x1b[?25h"
	case "\x1b[?7l", "\x1b[?7h":
		term.state.Wraps = sequence == "\x1b[?7h"
	case "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m":
	default:
		term.unknown = append(term.unknown, sequence)
	}
}
