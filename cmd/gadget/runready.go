package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/detached"
)

// readyOptions say who is told when everything is attached, beside the supervisor of
// $NOTIFY_SOCKET (sd_notify(3)).
type readyOptions struct {
	fd   int
	file string
}

func (o *readyOptions) addTo(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVar(&o.fd, "ready-fd", -1, "write a line to this open `FD` and close it when everything is attached")
	fs.StringVar(&o.file, "ready-file", "", "make this `FILE` when everything is attached")
	fs.Lookup("ready-fd").DefValue = ""
}

// check refuses what cannot be told to.
func (o *readyOptions) check(a *app, cmd *cobra.Command) error {
	// Whoever left this process behind has the file, and tells.
	_, forked := a.env(envDetached)
	switch {
	case forked, !cmd.Flags().Changed("ready-fd"):
		return nil
	case o.fd < 1:
		return usageErrorf(cmd, "--ready-fd: %d is not the number of an open file to write to", o.fd)
	}
	// Files of the language's own have no path.
	if path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(o.fd)); err != nil || strings.HasPrefix(path, "anon_inode:") {
		return usageErrorf(cmd, "--ready-fd: file %d is not open", o.fd).hint("in a shell: gadget run … --ready-fd 3 3>FILE")
	}
	return nil
}

// tell says that everything is attached. run is the detached run that is, nil for one
// that ends with this process.
func (o *readyOptions) tell(a *app, run *detached.Run) error {
	text := "ready\n"
	if run != nil {
		text = run.State.ID + "\n"
	}
	if o.file != "" {
		if err := os.WriteFile(o.file, []byte(text), 0o644); err != nil {
			return fmt.Errorf("tell that the gadget is ready: %w", err)
		}
	}
	if o.fd > 0 {
		file := os.NewFile(uintptr(o.fd), "ready-fd")
		_, err := io.WriteString(file, text)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("tell that the gadget is ready: %w", err)
		}
	}
	message := "READY=1"
	if run != nil && run.State.Process.PID != os.Getpid() {
		message = "MAINPID=" + strconv.Itoa(run.State.Process.PID) + "\n" + message
	}
	return notify(a, message)
}

// notify tells the supervisor of $NOTIFY_SOCKET, if there is one (sd_notify(3)).
func notify(a *app, message string) error {
	name, _ := a.env("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the supervisor: %w", err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, message); err != nil {
		return fmt.Errorf("tell the supervisor: %w", err)
	}
	return nil
}
