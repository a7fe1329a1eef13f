package detached

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The protocol: the client writes a request, one line of JSON, and gets an answer,
// one line of JSON. That is all, so a line needs no frame around it, and anybody can
// ask with a shell. Events do not go this way: they are read from the history.

// Request is what a client wants.
type Request struct {
	Version int `json:"version"`
	// Do is AskStatus or AskStop.
	Do string `json:"do"`
	// Measure is for how long the cost is looked at, in milliseconds; 0 looks at what
	// is known already.
	Measure int `json:"measure,omitempty"`
}

// What a run can be asked. A stop is answered when the run is over.
const (
	AskStatus = "status"
	AskStop   = "stop"
)

// answer is what comes back: a state, or an error.
type answer struct {
	Version int    `json:"version"`
	Error   string `json:"error,omitempty"`
	State   *State `json:"state,omitempty"`
}

const (
	maxRequest = 64 << 10
	// maxMeasure bounds Request.Measure.
	maxMeasure = 10 * time.Second
	// patience is for clients that do not say what they want, or do not listen.
	patience = 5 * time.Second
	// maxClients at a time: more wait in the queue of the socket.
	maxClients = 64
)

// Subject is what a Server asks on behalf of its clients, from any goroutine.
type Subject interface {
	// Status is the state now; it may take as long as measure to find out the cost.
	Status(measure time.Duration) State
	// Stop begins the end of the run.
	Stop()
}

// Server answers for a run.
type Server struct {
	listener *net.UnixListener
	subject  Subject
	log      *slog.Logger
	over     chan struct{}
	last     *State
	clients  sync.WaitGroup
	slots    chan struct{}
}

// Serve makes the socket of a run and answers until Close.
func Serve(r *Run, subject Subject, log *slog.Logger) (*Server, error) {
	address, done, err := address(r.Path)
	if err != nil {
		return nil, fmt.Errorf("make the socket of the run: %w", err)
	}
	defer done()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err == nil {
		// The name that it was made by is nobody's soon.
		listener.SetUnlinkOnClose(false)
		err = os.Chmod(filepath.Join(r.Path, socketFile), 0o660)
	}
	if err != nil {
		return nil, fmt.Errorf("make the socket of the run: %w", err)
	}
	s := &Server{listener: listener, subject: subject, log: log, over: make(chan struct{}), slots: make(chan struct{}, maxClients)}
	s.clients.Go(s.accept)
	return s, nil
}

// address is a name of the socket that is short enough, whatever the directory is called
// (sun_path has 108 bytes, unix(7)); done ends its life.
func address(dir string) (name string, done func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(d.Fd())), socketFile), func() { _ = d.Close() }, nil
}

func (s *Server) accept() {
	for {
		c, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("accept a client", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		s.slots <- struct{}{}
		s.clients.Go(func() {
			defer func() { <-s.slots }()
			defer c.Close()
			if err := s.serve(c); err != nil {
				s.log.Debug("answer a client", "error", err)
			}
		})
	}
}

// serve answers one client. One that goes away harms nobody.
func (s *Server) serve(c *net.UnixConn) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	req, err := readRequest(c)
	if err == nil {
		err = s.admit(c)
	}
	if err != nil {
		return errors.Join(err, write(c, answer{Error: err.Error()}))
	}
	var state State
	switch req.Do {
	case AskStatus:
		measure := min(max(time.Duration(req.Measure)*time.Millisecond, 0), maxMeasure)
		state = s.subject.Status(measure)
	case AskStop:
		s.subject.Stop()
		<-s.over
		state = *s.last
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return write(c, answer{State: &state})
}

// admit refuses users who are neither root nor the run's own.
func (s *Server) admit(c *net.UnixConn) error {
	peer, err := peerOf(c)
	if err != nil {
		return err
	}
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("user %d may not ask a run of user %d", peer.Uid, os.Geteuid())
	}
	return nil
}

func peerOf(c *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var asked error
	if err := raw.Control(func(fd uintptr) {
		cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return cred, asked
}

func readRequest(r io.Reader) (Request, error) {
	var req Request
	line, err := readLine(r, maxRequest)
	if err != nil {
		return req, fmt.Errorf("read the request: %w", err)
	}
	if err := json.Unmarshal(line, &req); err != nil {
		return req, errors.New("the request is no line of JSON")
	}
	switch {
	case req.Version < 1:
		return req, errors.New("the request has no version")
	case req.Do != AskStatus && req.Do != AskStop:
		return req, fmt.Errorf("this run cannot be asked for %q: it has version %d of the protocol", req.Do, Version)
	}
	return req, nil
}

// readLine reads one line of bounded length.
func readLine(r io.Reader, limit int64) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, limit)).ReadBytes('\n')
	if err == io.EOF && int64(len(line)) == limit {
		return nil, fmt.Errorf("a line is longer than %d bytes", limit)
	}
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	return line, err
}

func write(w io.Writer, a answer) error {
	a.Version = Version
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Close tells the last state to those who wait for it, and removes the socket.
func (s *Server) Close(r *Run) error {
	last := *r.State
	s.last = &last
	close(s.over)
	err := s.listener.Close()
	s.clients.Wait()
	return errors.Join(err, os.Remove(filepath.Join(r.Path, socketFile)))
}

// Ask asks a run. The answer to AskStop comes when it is over; patience 0 waits for
// as long as it takes.
func Ask(r *Run, req Request, wait time.Duration) (*State, error) {
	state, err := ask(r, req, wait)
	if err != nil {
		return nil, fmt.Errorf("ask run %s: %w", r.State.Name, err)
	}
	return state, nil
}

func ask(r *Run, req Request, wait time.Duration) (*State, error) {
	name, done, err := address(r.Path)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // without the address, which nobody knows
		}
		return nil, err
	}
	defer c.Close()
	if wait > 0 {
		_ = c.SetDeadline(time.Now().Add(wait))
	}
	peer, err := peerOf(c)
	if err != nil {
		return nil, err
	}
	if int(peer.Pid) != r.State.Process.PID {
		return nil, fmt.Errorf("process %d answers, and not %d, which is the run", peer.Pid, r.State.Process.PID)
	}
	req.Version = Version
	line, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	if line, err = readLine(c, maxState); err != nil {
		return nil, fmt.Errorf("no answer: %w", err)
	}
	return parseAnswer(line)
}

// parseAnswer reads an answer of any version.
func parseAnswer(line []byte) (*State, error) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil || a.Version < 1 {
		return nil, errors.New("what answers on its socket is no run of gadget")
	}
	switch {
	case a.Error != "":
		return nil, errors.New(a.Error)
	case a.State == nil:
		return nil, errors.New("the answer has no state")
	}
	return a.State, nil
}
