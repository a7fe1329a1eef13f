package builder

import (
	"path/filepath"
	"runtime"
	"testing"
)

// BenchmarkRebuild is what gadget run --watch waits for after a save.
func BenchmarkRebuild(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "bench")
	if _, err := Create(dir, "trace"); err != nil {
		b.Fatal(err)
	}
	src, err := ResolveSource(dir, SourceOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Build(b.Context(), src, Options{Platforms: []string{"linux/" + runtime.GOARCH}}); err != nil {
			b.Fatal(err)
		}
	}
}
