package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/schemas"
)

// TestReplacedWhileRead reads an image by its name while another process gives the
// name to new images, which deletes the old ones.
func TestReplacedWhileRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	a := &app{streams: streams{out: io.Discard, err: io.Discard, env: func(string) (string, bool) { return "", false }}}
	a.log, a.global.store = slog.New(slog.DiscardHandler), dir
	a.run = &runOptions{pull: oneOf("WHEN", pullNever)}
	store, err := registry.OpenStore(dir, registry.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name, err := registry.ParseReference("x")
	if err != nil {
		t.Fatal(err)
	}
	build := func(n int) {
		image := &schemas.Image{Metadata: []byte(fmt.Sprintf("name: x%d\n", n))}
		for _, arch := range []string{"amd64", "arm64"} {
			image.Platforms = append(image.Platforms, schemas.Platform{OS: "linux", Arch: arch})
		}
		if _, err := store.Put(t.Context(), image, name); err != nil {
			t.Error(err)
		}
	}
	build(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := range 100 {
			build(n)
		}
	})
	for {
		if _, _, err := a.runnable(t.Context(), "x"); err != nil {
			t.Errorf("%v", err)
			break
		}
		select {
		case <-done:
			return
		default:
		}
	}
	wg.Wait()
}
