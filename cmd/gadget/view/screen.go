package view

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Screen shows the newest picture of a run in place of the one before, in the
// whole terminal; what was there has scrolled up and comes back with the mouse
// wheel. The last line says what is shown and which keys do something. It is used
// by any number of goroutines:
//
//	NewScreen, then Table or Text   the terminal is left alone
//	Open                            it is taken over, and drawn on with each picture
//	Close                           the last picture stays, the terminal is as before
//
// The terminal is also given back when a signal ends or suspends the process.
type Screen struct {
	o ScreenOptions

	mu      sync.Mutex
	picture picture
	// open is true from Open to Close, owned while the terminal is in our hands.
	open, owned bool
	keyboard    *keyboard
	signals     chan os.Signal
	// held are messages that have come since Open; more have been dropped.
	held    []string
	dropped int
	err     error
}

// ScreenOptions say where a Screen is.
type ScreenOptions struct {
	// Out is the terminal; Term says what it can.
	Out  *os.File
	Term Terminal
	// Keys is the terminal with the keyboard. Without one, nil or something that is
	// no terminal, there are no keys.
	Keys *os.File
	// Messages is where messages go while the screen is not open.
	Messages io.Writer
	// Quit is called, maybe several times, when the reader wants to see no more, or
	// when the terminal cannot be written to.
	Quit func()
}

// picture is what a Screen shows. The Screen calls it with its lock held.
type picture interface {
	// lines are as many as fit into the cells and lines of a terminal.
	lines(width, height int) []line
	// status says in a few words what lines has returned.
	status() string
	// press answers to a key and reports whether that has changed anything.
	press(k key) bool
	// keys explains the keys that it answers to.
	keys() string
}

// line is one line of a picture, of printable text.
type line struct {
	text string
	bold bool
}

// NewScreen makes a Screen and leaves the terminal alone.
func NewScreen(o ScreenOptions) *Screen { return &Screen{o: o} }

// Open takes the terminal over.
func (s *Screen) Open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
	s.listen()
	s.own()
	s.draw()
}

// Close gives the terminal back and leaves the last picture on it. It returns the
// first error of a write. It may be called at any time, also twice.
func (s *Screen) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return s.err
	}
	s.open = false
	s.disown()
	s.deafen()
	if s.foreground() {
		width, height := s.size()
		text := home
		for _, l := range s.body(width, height-1, true) {
			text += l + "\r\n"
		}
		s.write(text + eraseBelow)
	}
	s.flush()
	return s.err
}

// patience is how long Abandon waits for a write that hangs.
const patience = 100 * time.Millisecond

// Abandon puts the settings of the terminal right for a process that ends at once.
func (s *Screen) Abandon() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open = false
		s.disown()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		s.keyboard.leave()
	}
}

// update lets change put new content into the picture, and draws it.
func (s *Screen) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.draw()
}

// Control sequences (ECMA-48; the two modes are those of DEC terminals).
const (
	home       = "\x1b[H"
	eraseRest  = "\x1b[K" // of the line
	eraseBelow = "\x1b[J"
	// A line that is longer than the terminal must not become two.
	takeOver = "\x1b[?25l\x1b[?7l" // no cursor, no wrapping
	giveBack = "\x1b[?7h\x1b[?25h"
)

// own takes the terminal's modes, and moves up what is on it, unless another
// process has the terminal now.
func (s *Screen) own() {
	if s.owned || !s.open || !s.foreground() {
		return
	}
	s.owned = true
	s.keyboard.enter()
	_, height := s.size()
	s.write(takeOver + strings.Repeat("\n", height-1))
}

// disown gives the modes back.
func (s *Screen) disown() {
	if !s.owned {
		return
	}
	s.owned = false
	s.keyboard.leave()
	s.write(giveBack)
}

// draw writes the whole terminal at once: the picture, what has been said, and the
// line about keys.
func (s *Screen) draw() {
	if !s.owned || !s.foreground() {
		return
	}
	width, height := s.size()
	room := height
	if height > 1 {
		room-- // for the keys
	}
	said := len(s.held) > 0 && height > 2
	if said {
		room--
	}
	lines := s.body(width, room, false)
	for len(lines) < room {
		lines = append(lines, eraseRest)
	}
	if said {
		lines = append(lines, fill(cut(Safe(s.held[len(s.held)-1]), width), width, s.o.Term.Yellow))
	}
	if height > 1 {
		lines = append(lines, fill(cut(s.footer(), width), width, s.o.Term.Dim))
	}
	s.write(home + strings.Join(lines, "\r\n"))
}

// body is the picture as the terminal gets it. Lines that are too long are cut,
// unless they are to be whole.
func (s *Screen) body(width, height int, whole bool) []string {
	if s.picture == nil {
		return nil
	}
	var lines []string
	for _, l := range s.picture.lines(width, height) {
		paint := func(text string) string { return text }
		if l.bold {
			paint = s.o.Term.Bold
		}
		if !whole {
			l.text = cut(l.text, width)
		}
		lines = append(lines, fill(l.text, width, paint))
	}
	return lines
}

// fill paints a line, and leaves nothing behind it.
func fill(text string, width int, paint func(string) string) string {
	painted := paint(text)
	// Behind the last cell, erasing would take that.
	if cells := event.Cells(text); cells == 0 || cells%width != 0 {
		painted += eraseRest
	}
	return painted
}

// footer says what is shown, and which keys there are.
func (s *Screen) footer() string {
	var words []string
	if s.picture != nil {
		words = append(words, s.picture.status())
	}
	if s.keyboard != nil {
		if s.picture != nil {
			words = append(words, s.picture.keys())
		}
		words = append(words, "q quit")
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "   ")
}

// size of the terminal in cells and lines; the one of old for a terminal that does
// not tell.
func (s *Screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.o.Out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// write writes to the terminal. The first error is kept and ends the run.
func (s *Screen) write(text string) {
	if s.err != nil {
		return
	}
	if _, err := io.WriteString(s.o.Out, text); err != nil {
		s.err = fmt.Errorf("write to the terminal: %w", err)
		s.o.Quit()
	}
}

// maxHeld is how many messages are kept until the terminal is given back.
const maxHeld = 100

// Messages returns a writer for lines of text that would end up on the terminal.
// While the screen is open the last one is shown above the keys; all come out when
// it is closed.
func (s *Screen) Messages() io.Writer { return messages{s} }

type messages struct{ s *Screen }

func (m messages) Write(p []byte) (int, error) {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if !m.s.open {
		return m.s.o.Messages.Write(p)
	}
	if len(m.s.held) == maxHeld {
		m.s.held = m.s.held[1:]
		m.s.dropped++
	}
	m.s.held = append(m.s.held, strings.TrimRight(string(p), "\n"))
	m.s.draw()
	return len(p), nil
}

// flush writes what has been kept.
func (s *Screen) flush() {
	if s.dropped > 0 {
		fmt.Fprintf(s.o.Messages, "(%d earlier messages are gone)\n", s.dropped)
	}
	for _, text := range s.held {
		fmt.Fprintln(s.o.Messages, text)
	}
	s.held, s.dropped = nil, 0
}
