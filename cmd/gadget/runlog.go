package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxRunLog is how long the log of a detached run gets; then it begins anew, and the
// one before is beside it.
const maxRunLog = 1 << 20

// stampLayout is the time before each message of a log.
const stampLayout = "2006-01-02T15:04:05Z "

// runLog is the log of a detached run, for one writer. The process's stderr is the
// same file, so that a crash is in it, too.
type runLog struct {
	mu    sync.Mutex
	file  *os.File
	size  int64
	stamp bool
}

// openRunLog opens a log to append to it. stamp puts the time before each message.
func openRunLog(path string, stamp bool) (*runLog, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the log of the run: %w", err)
	}
	l := &runLog{file: file, stamp: stamp}
	if info, err := file.Stat(); err == nil {
		l.size = info.Size()
	}
	return l, nil
}

// Write writes one message.
func (l *runLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > maxRunLog {
		l.beginAnew()
	}
	var line []byte
	if l.stamp {
		line = time.Now().UTC().AppendFormat(nil, stampLayout)
	}
	n, err := l.file.Write(append(line, p...))
	l.size += int64(n)
	return len(p), err
}

// beginAnew keeps the file, which is that of stderr, and takes its content away.
func (l *runLog) beginAnew() {
	if text, err := os.ReadFile(l.file.Name()); err == nil {
		_ = os.WriteFile(filepath.Join(filepath.Dir(l.file.Name()), "log.1"), text, 0o640)
	}
	if l.file.Truncate(0) == nil {
		l.size = 0
	}
}

// withoutTime is a line of a log as it would be on a terminal.
func withoutTime(line []byte) []byte {
	if len(line) > len(stampLayout) {
		if _, err := time.Parse(stampLayout, string(line[:len(stampLayout)])); err == nil {
			return line[len(stampLayout):]
		}
	}
	return line
}
