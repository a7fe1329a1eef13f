package detached

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// Files in the directory of a run.
const (
	stateFile   = "state.json"
	socketFile  = "control"
	historyFile = "history"
	layoutFile  = "layout.json"
	logFile     = "log"
)

// Dir is the directory of all runs of a user. Its methods may be called from any
// number of processes.
type Dir struct{ path string }

// Run is a run with what its state file said when it was looked at.
type Run struct {
	// Path of the run's directory.
	Path  string
	State *State
}

// History and Layout are the files of package history, Log what the run's process
// says.
func (r *Run) History() string { return filepath.Join(r.Path, historyFile) }

// Layout is the file with the description of the history.
func (r *Run) Layout() string { return filepath.Join(r.Path, layoutFile) }

// Log is the file with what the run's process says.
func (r *Run) Log() string { return filepath.Join(r.Path, logFile) }

// At is the directory at a path, which need not exist yet.
func At(path string) *Dir { return &Dir{path: path} }

// Path of the directory.
func (d *Dir) Path() string { return d.path }

// check refuses a directory in which others could play tricks.
func (d *Dir) check() error {
	info, err := os.Lstat(d.path)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", d.path)
	case int(owner) != os.Geteuid() && (owner != 0 || os.Geteuid() == 0):
		return fmt.Errorf("%s belongs to user %d, not to you: %w", d.path, owner, fs.ErrPermission)
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0:
		return fmt.Errorf("others may write to %s: %w", d.path, fs.ErrPermission)
	}
	return nil
}

// lock keeps other processes from making and removing runs.
func (d *Dir) lock() (unlock func(), err error) {
	if err := os.MkdirAll(d.path, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of runs: %w", err)
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	l := flock.New(filepath.Join(d.path, ".lock"), flock.SetPermissions(0o600))
	if err := l.Lock(); err != nil {
		return nil, fmt.Errorf("lock %s: %w", d.path, err)
	}
	return func() { _ = l.Unlock() }, nil
}

// TakenError says that a name or an id is another run's.
type TakenError struct{ Run *Run }

func (e *TakenError) Error() string {
	return fmt.Sprintf("there is a run %s already (%s, %s)", e.Run.State.Name, e.Run.State.ID, e.Run.State.Status)
}

// Create makes the directory of a new run. A state without ID gets one, without Name
// that of its gadget with a number if need be. replace removes a run of that name
// that has ended.
func (d *Dir) Create(s *State, replace bool) (*Run, error) {
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	others, err := d.list()
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = freeName(s.Gadget, others)
	}
	if s.ID == "" {
		s.ID = newID()
	}
	for _, o := range others {
		if o.State.Name != s.Name && o.State.ID != s.ID {
			continue
		}
		if !replace || !o.State.Status.Ended() {
			return nil, &TakenError{o}
		}
		if err := os.RemoveAll(o.Path); err != nil {
			return nil, fmt.Errorf("remove run %s: %w", o.State.Name, err)
		}
	}
	r := &Run{Path: filepath.Join(d.path, s.ID), State: s}
	if err := os.Mkdir(r.Path, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of the run: %w", err)
	}
	if err := r.Save(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.Path))
	}
	return r, nil
}

// freeName is a name after that of the gadget that no other run has.
func freeName(gadget string, others []*Run) string {
	name, _, _ := strings.Cut(gadget, "@")
	name, _, _ = strings.Cut(filepath.Base(name), ":")
	name = strings.Map(func(r rune) rune {
		if r = toLower(r); nameForm.MatchString("a" + string(r)) {
			return r
		}
		return '-'
	}, name)
	name = name[:min(len(name), 40)]
	if CheckName(name) != nil {
		name = "run"
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(others, func(o *Run) bool { return o.State.Name == name })
	}
	free := name
	for n := 2; taken(free); n++ {
		free = name + "-" + strconv.Itoa(n)
	}
	return free
}

func toLower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// Save writes the state as it is now.
func (r *Run) Save() error { return writeState(r.Path, r.State) }

// SaveLayout writes the description of the history.
func (r *Run) SaveLayout(text []byte) error { return replaceFile(r.Layout(), text) }

// Load reads the state of a run in a directory. Of a run whose process is gone without
// a word it says so.
func Load(path string) (*Run, error) {
	s, err := readState(path)
	if err != nil {
		return nil, err
	}
	r := &Run{Path: path, State: s}
	if s.Status.Ended() || s.Process.Alive() {
		return r, nil
	}
	// It may have ended between the two looks.
	if s, err = readState(path); err != nil {
		return nil, err
	}
	if r.State = s; !s.Status.Ended() {
		r.declareDead()
	}
	return r, nil
}

// declareDead makes the last state of a run that was killed that of one that failed.
func (r *Run) declareDead() {
	s := r.State
	was := s.Status
	s.Status = Failed
	switch {
	case s.Process.Boot != bootID():
		s.Error = "the machine was started anew while the run was " + string(was)
	default:
		s.Error = fmt.Sprintf("process %d is gone without a word while it was %s: killed, out of memory, or crashed", s.Process.PID, was)
	}
	if info, err := os.Stat(filepath.Join(r.Path, stateFile)); err == nil {
		last := info.ModTime()
		s.Ended = &last
	}
}

// List returns all runs, the oldest first. What is no run is passed over.
func (d *Dir) List() ([]*Run, error) {
	if err := d.check(); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return d.list()
}

func (d *Dir) list() ([]*Run, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var runs []*Run
	for _, e := range entries {
		if !e.IsDir() || !idForm.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(d.path, e.Name())
		r, err := Load(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // just made, or just removed
		case err != nil:
			r = &Run{Path: path, State: &State{ID: e.Name(), Name: e.Name(), Status: Failed, Error: err.Error()}}
			if info, err := e.Info(); err == nil {
				r.State.Created = info.ModTime()
			}
		case r.State.ID != e.Name():
			continue // a copy of another
		}
		runs = append(runs, r)
	}
	slices.SortStableFunc(runs, func(a, b *Run) int {
		return cmp.Or(a.State.Created.Compare(b.State.Created), cmp.Compare(a.State.ID, b.State.ID))
	})
	return runs, nil
}

// NotFoundError says that no run has that name, nor an id that begins so; or that
// several have such an id.
type NotFoundError struct {
	Name string
	// Among are the names of the runs that there are, Several the ids that it fits.
	Among, Several []string
}

func (e *NotFoundError) Error() string {
	if len(e.Several) > 0 {
		return fmt.Sprintf("%q begins the id of several runs: %s", e.Name, strings.Join(e.Several, ", "))
	}
	return fmt.Sprintf("there is no run %q", e.Name)
}

// Find returns the run of that name, or whose id begins so.
func (d *Dir) Find(name string) (*Run, error) {
	runs, err := d.List()
	if err != nil {
		return nil, err
	}
	missing := &NotFoundError{Name: name}
	var found *Run
	for _, r := range runs {
		if r.State.Name == name || r.State.ID == name {
			return r, nil
		}
		missing.Among = append(missing.Among, r.State.Name)
		if name != "" && strings.HasPrefix(r.State.ID, name) {
			missing.Several = append(missing.Several, r.State.ID)
			found = r
		}
	}
	if len(missing.Several) == 1 {
		return found, nil
	}
	slices.Sort(missing.Several)
	return nil, missing
}

// Remove deletes the directory of a run that has ended.
func (d *Dir) Remove(r *Run) error {
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	// The name goes at once, and nobody finds half of it.
	gone := filepath.Join(d.path, ".removed-"+filepath.Base(r.Path)+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := os.Rename(r.Path, gone); err != nil {
		return fmt.Errorf("remove run %s: %w", r.State.Name, err)
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("remove run %s: %w", r.State.Name, err)
	}
	return nil
}
