package view

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// key is a key that was pressed: its character, or one of those below.
type key rune

// Keys without a character; the numbers are private ones of Unicode.
const (
	keyLeft key = 0xf700 + iota
	keyRight
)

// keyboard reads keys as they are pressed. A nil keyboard has none.
type keyboard struct {
	// tty is a descriptor of our own: it can be closed while it is read.
	tty    *os.File
	before *unix.Termios
}

// openKeyboard opens the terminal that f is; nil when f is none.
func openKeyboard(f *os.File) *keyboard {
	if f == nil || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	tty, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	return &keyboard{tty: tty}
}

// enter makes the terminal give keys at once and without showing them. Ctrl-C and
// its like stay signals: they work when nothing else does.
func (k *keyboard) enter() {
	if k == nil {
		return
	}
	_ = k.control(func(fd int) error {
		mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		before := *mode
		mode.Lflag &^= unix.ICANON | unix.ECHO
		mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, mode); err != nil {
			return err
		}
		k.before = &before
		return nil
	})
}

// leave undoes enter.
func (k *keyboard) leave() {
	if k == nil || k.before == nil {
		return
	}
	_ = k.control(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, k.before) })
	k.before = nil
}

// control calls do with the descriptor, which Fd would make a blocking one.
func (k *keyboard) control(do func(fd int) error) error {
	raw, err := k.tty.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// read calls press for each key until the keyboard is closed.
func (k *keyboard) read(press func(key)) {
	buf := make([]byte, 64)
	for {
		n, err := k.tty.Read(buf)
		if err != nil || n == 0 {
			return
		}
		for _, pressed := range keysOf(buf[:n]) {
			press(pressed)
		}
	}
}

// keysOf decodes what a terminal sends: characters, and arrows as ESC [ C or
// ESC O C. Other sequences are left out.
func keysOf(sent []byte) []key {
	var keys []key
	for i := 0; i < len(sent); i++ {
		if sent[i] != 0x1b {
			keys = append(keys, key(sent[i]))
			continue
		}
		if i++; i == len(sent) || sent[i] != '[' && sent[i] != 'O' {
			continue
		}
		for i++; i < len(sent) && (sent[i] < '@' || sent[i] > '~'); i++ {
			// parameters of the sequence
		}
		switch {
		case i == len(sent):
		case sent[i] == 'C':
			keys = append(keys, keyRight)
		case sent[i] == 'D':
			keys = append(keys, keyLeft)
		}
	}
	return keys
}

// listen begins to hear keys and signals.
func (s *Screen) listen() {
	if s.keyboard = openKeyboard(s.o.Keys); s.keyboard != nil {
		go s.keyboard.read(func(k key) {
			defer s.surrender()
			s.press(k)
		})
	}
	s.signals = make(chan os.Signal, 8)
	signal.Notify(s.signals, unix.SIGWINCH, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGTSTP, unix.SIGCONT)
	go func(signals <-chan os.Signal) {
		defer s.surrender()
		for got := range signals {
			s.signal(got)
		}
	}(s.signals)
}

// deafen ends listen.
func (s *Screen) deafen() {
	signal.Stop(s.signals)
	close(s.signals)
	if s.keyboard != nil {
		_ = s.keyboard.tty.Close()
	}
}

// surrender gives the terminal back before a panic ends the process.
func (s *Screen) surrender() {
	if p := recover(); p != nil {
		s.disown()
		panic(p)
	}
}

func (s *Screen) press(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case k == 'q':
		s.o.Quit()
	case s.picture != nil && s.picture.press(k):
		s.draw()
	}
}

// signal does what a signal asks of the terminal. Those that end the process are
// handled elsewhere, too, or are sent on.
func (s *Screen) signal(got os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch got {
	case unix.SIGWINCH:
		s.draw()
	case unix.SIGCONT:
		s.own()
		s.draw()
	case unix.SIGTSTP:
		s.disown()
		s.write("\r\n")
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
	case unix.SIGHUP, unix.SIGQUIT:
		s.disown()
		signal.Reset(got)
		_ = unix.Kill(os.Getpid(), got.(unix.Signal))
	default:
		// The run ends now. Should it hang, the next signal ends the process.
		s.disown()
	}
}

// foreground reports whether the terminal is ours to change and to draw on, and not
// that of a shell which has put us into the background.
func (s *Screen) foreground() bool {
	group, err := unix.IoctlGetInt(int(s.o.Out.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}
