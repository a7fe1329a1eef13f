package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// explain turns any error into one worded for a person. What the libraries return
// as types gets its hints and its exit code here and nowhere else.
func explain(err error) *fault {
	if f := asFault(err); f != nil {
		return f
	}
	f := &fault{code: exitFailure, err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return f.hint("the disk is full: free some space and try again; nothing has been tagged")
	case errors.Is(err, os.ErrPermission):
		var path *os.PathError
		if errors.As(err, &path) {
			return f.hint("%s", fmt.Sprintf("user %d may not do that with %s", os.Getuid(), path.Path))
		}
	}
	return f
}
