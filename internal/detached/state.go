// Package detached keeps the books of runs that go on without a terminal: a
// directory for each, with a state file, a history, a log, and a socket by which
// the run is asked and stopped. There is no daemon: what is known of a run is what
// its directory says and what its process answers.
//
//	Dir       the directory of all runs: unique names, look-up, removal
//	Run       one of them
//	State     what is written of it, and what it answers when it is asked
//	Process   who it is, safe against numbers that are used again
//	Server    the run's end of the socket; Ask is the other
//
// It knows neither the kernel nor a terminal.
package detached

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Version of the state file and of what goes over the socket. Fields may be added
// to a version; a reader passes over those that it does not know.
const Version = 1

// Status is where a run is in its life.
type Status string

// The life of a run: starting, running, stopping, and one of the last three.
const (
	Starting Status = "starting"
	Running  Status = "running"
	Stopping Status = "stopping"
	// Finished runs came to their end by themselves, Stopped ones were asked to.
	Finished Status = "finished"
	Stopped  Status = "stopped"
	Failed   Status = "failed"
)

// Ended reports whether nothing comes any more.
func (s Status) Ended() bool { return s == Finished || s == Stopped || s == Failed }

// State is what is known of a run. It is the content of state.json and the answer
// on the socket; times are in RFC 3339, sizes in bytes.
type State struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  Status `json:"status"`
	// Error says why the run failed; ExitCode is that of its process.
	Error    string `json:"error,omitempty"`
	ExitCode *int   `json:"exitCode,omitempty"`

	Process Process   `json:"process"`
	UID     int       `json:"uid"`
	Created time.Time `json:"created"`
	// Started is when all programs were attached, Ended when the last event was kept.
	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`

	// Gadget is the image as it was named, Digest that of the image for this machine.
	Gadget string `json:"gadget"`
	Digest string `json:"digest,omitempty"`
	// Args are those of the command, which ran in Directory with Env.
	Args      []string          `json:"args"`
	Directory string            `json:"directory"`
	Env       map[string]string `json:"env,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Filters   []string          `json:"filters,omitempty"`
	// Output and Fields are how events are shown unless something else is asked for.
	Output string `json:"output,omitempty"`
	Fields string `json:"fields,omitempty"`

	Programs []Program `json:"programs,omitempty"`
	Sources  []Source  `json:"sources,omitempty"`
	History  *History  `json:"history,omitempty"`
	Cost     *Cost     `json:"cost,omitempty"`
}

// Program is a program that is attached.
type Program struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Hook string `json:"hook,omitempty"`
	ID   uint32 `json:"id"`
}

// Source counts the events of a data source: produced = delivered + filtered + lost.
type Source struct {
	Name        string `json:"name"`
	Delivered   uint64 `json:"delivered"`
	Filtered    uint64 `json:"filtered"`
	Lost        uint64 `json:"lost"`
	LossUnknown bool   `json:"lossUnknown,omitempty"`
}

// History says how much of the events is kept.
type History struct {
	Records     uint64 `json:"records"`
	Overwritten uint64 `json:"overwritten"`
	Bytes       uint64 `json:"bytes"`
	Capacity    uint64 `json:"capacity"`
}

// Cost is what a run takes of the machine. The figures of time are those of the
// time that was looked at, nil where nothing was measured.
type Cost struct {
	// ProcessCPU and ProgramsCPU are percent of one processor.
	ProcessCPU  *float64 `json:"processCPU,omitempty"`
	ProgramsCPU *float64 `json:"programsCPU,omitempty"`
	// NsPerEvent is the time that programs ran for each event that was produced, nil
	// when none was.
	NsPerEvent *float64 `json:"nsPerEvent,omitempty"`
	// ProgramNs and ProgramRuns are how long and how often programs ran.
	ProgramNs   uint64 `json:"programNs"`
	ProgramRuns uint64 `json:"programRuns"`
	// MapMemory of the kernel, RSS of the process.
	MapMemory uint64 `json:"mapMemory"`
	RSS       uint64 `json:"rss"`
}

// Events are those delivered, Lost those lost, of all data sources.
func (s *State) Events() (delivered, lost uint64) {
	for _, source := range s.Sources {
		delivered += source.Delivered
		lost += source.Lost
	}
	return delivered, lost
}

// ExitedWith is the exit code, -1 when there is none.
func (s *State) ExitedWith() int {
	if s.ExitCode == nil {
		return -1
	}
	return *s.ExitCode
}

// Uptime is how long the run has been capturing events, or did.
func (s *State) Uptime(now time.Time) time.Duration {
	switch {
	case s.Started == nil:
		return 0
	case s.Ended != nil:
		return s.Ended.Sub(*s.Started)
	}
	return now.Sub(*s.Started)
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{12,32}$`)
)

// CheckName says what is wrong with a name for a run.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q is no name for a run: it is 1 to 63 of a-z 0-9 . _ -, and begins with a letter or digit", name)
	}
	return nil
}

// IsID reports whether a text may be the id of a run.
func IsID(id string) bool { return idForm.MatchString(id) }

// maxState bounds what is read of a state file and of an answer.
const maxState = 16 << 20

// writeState replaces the state file as a whole.
func writeState(dir string, s *State) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state of run %s: %w", s.Name, err)
	}
	return replaceFile(filepath.Join(dir, stateFile), append(text, '\n'))
}

// replaceFile writes a file so that readers see the old content or the new.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readState reads a state file of any version.
func readState(dir string) (*State, error) {
	path := filepath.Join(dir, stateFile)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxState {
		return nil, fmt.Errorf("%s is no state file", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged: %s", path, err)
	}
	return &s, nil
}
