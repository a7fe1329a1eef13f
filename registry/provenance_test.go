package registry

import (
	"os"
	"testing"
)

// TestBuilt remembers what was put into a store, and tells it from what was copied.
func TestBuilt(t *testing.T) {
	built := func(s *Store, name string) bool {
		t.Helper()
		b, err := s.Built(resolve(t, s, name).Digest)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ours, theirs := testStore(t), testStore(t)
	put(t, theirs, testImage("x"), "me/tool:v1")
	put(t, theirs, testImage("y"), "me/tool:v2")
	d := put(t, ours, testImage("x"), "me/tool:v1")
	mustCopy(t, theirs, "me/tool:v2", ours, ref(t, "me/tool:v2"))
	if !built(ours, "me/tool:v1") || built(ours, "me/tool:v2") {
		t.Error("what was built is not told from what was copied")
	}
	// The same content from elsewhere, and further names, change nothing.
	mustCopy(t, theirs, "me/tool:v1", ours, ref(t, "me/tool:v1"))
	if err := ours.Tag(t.Context(), d, ref(t, "me/other")); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Remove(t.Context(), "me/tool:v1"); err != nil || !built(ours, "me/other") {
		t.Errorf("forgotten: %v", err)
	}
	// A name that goes to another image does not take it along.
	mustCopy(t, theirs, "me/tool:v2", ours, ref(t, "me/other"))
	if built(ours, "me/other") {
		t.Error("the name was trusted, not the image")
	}
	if os.Geteuid() != 0 {
		return
	}
	// In the store of somebody else, what he has built was built by somebody else.
	if err := os.Chown(theirs.Dir(), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if built(theirs, "me/tool:v1") {
		t.Error("another user's store is trusted")
	}
}
