package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"
)

// watchFlag makes gadget run build and begin again whenever the source changes.
const watchFlag = "watch"

// watchInstead turns cmd into the loop of --watch. Which flags the gadget has may
// change with every save, so each round parses the arguments for itself.
func watchInstead(a *app, cmd *cobra.Command, dir string, args []string) {
	cmd.FParseErrWhitelist.UnknownFlags = true
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !isSource(dir) {
			return usageErrorf(cmd, "--watch: %s is an image; only the source in a directory can change", dir)
		}
		if afterDash(cmd) {
			return usageErrorf(cmd, "--watch and a command exclude each other: the command would run again with every change")
		}
		once := slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
			return arg == "--"+watchFlag || strings.HasPrefix(arg, "--"+watchFlag+"=")
		})
		return watch(cmd.Context(), a, dir, once)
	}
}

// watch runs the arguments until they end well or ctx does, and again after every
// change of the source in dir.
func watch(ctx context.Context, a *app, dir string, args []string) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	defer w.Close()
	if err := w.Add(dir); err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	for {
		round, stop := context.WithCancel(ctx)
		done := make(chan exitCode, 1)
		go func() { done <- run(round, args, a.streams) }()
		changed := saved(round, w)
		select {
		case code := <-done:
			if code == exitOK || ctx.Err() != nil {
				stop()
				return &fault{code: code, err: context.Cause(ctx), silent: true}
			}
			a.notice("waiting for a change in " + dir)
		case file, ok := <-changed:
			stop()
			code := <-done
			if !ok {
				return &fault{code: code, err: context.Cause(ctx), silent: true}
			}
			a.notice(filepath.Base(file) + " has changed")
			continue
		}
		file, ok := <-changed
		stop()
		if !ok {
			return &fault{code: exitInterrupted, err: context.Cause(ctx), silent: true}
		}
		a.notice(filepath.Base(file) + " has changed")
	}
}

// quietTime without another change ends a save: editors write, rename and chmod.
const quietTime = 50 * time.Millisecond

// saved tells the next change of a file of the source, after it is complete. The
// channel is closed without one when ctx ends.
func saved(ctx context.Context, w *fsnotify.Watcher) <-chan string {
	out := make(chan string, 1)
	go func() {
		defer close(out)
		file := ""
		var quiet <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if e.Op != fsnotify.Chmod && isSourceFile(e.Name) {
					file, quiet = e.Name, time.After(quietTime)
				}
			case <-quiet:
				out <- file
				return
			}
		}
	}()
	return out
}

// isSourceFile reports whether a build reads such a file, and not an editor's copy.
func isSourceFile(path string) bool {
	name := filepath.Base(path)
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".c", ".h", ".yaml", ".yml", ".wasm"}, filepath.Ext(name))
}
