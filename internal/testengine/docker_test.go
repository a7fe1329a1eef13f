package testengine

import (
	"bytes"
	"os"
	"syscall"
	"testing"
)

func TestDocker(t *testing.T) {
	d := StartDocker(t)
	if got := d.Run(t, []string{"--rm"}, "echo", "hello"); got != "hello" {
		t.Errorf("echo in a container printed %q", got)
	}
	id := d.Run(t, []string{"--detach", "--name", "sleeper"}, "sleep", "1000")
	if got := d.Do(t, "inspect", "--format", "{{.Name}} {{.State.Running}}", id); got != "/sleeper true" {
		t.Errorf("inspect says %q", got)
	}
	d.Load(t, "localhost/greeter:latest", File{Name: "bin/greet", Content: []byte("#!/bin/sh\necho hi\n")}, File{Name: "bin/hi", Link: "greet"})
	if got := d.RunImage(t, "localhost/greeter:latest", []string{"--rm"}, "hi"); got != "hi" {
		t.Errorf("hi in a container printed %q", got)
	}
	d.stop(t)
	if _, err := os.Stat(d.dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", d.dir, err)
	}
	if err := syscall.Kill(d.PID(), 0); err == nil {
		t.Errorf("dockerd %d is still running", d.PID())
	}
}

func TestArchiveIsReproducible(t *testing.T) {
	a, err := Archive(Image)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Archive(Image)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two archives differ")
	}
}
