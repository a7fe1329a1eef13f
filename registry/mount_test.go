package registry

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// perRepository makes a registry have its blobs in each repository apart, and answer
// with mount to who wants to mount one; StatusAccepted begins an upload.
func perRepository(mount int) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		var mu sync.Mutex
		there := map[string]bool{} // repository and digest
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			repository, rest, isBlob := strings.Cut(r.URL.Path, "/blobs/")
			mu.Lock()
			missing := isBlob && strings.HasPrefix(rest, "sha256:") && !there[repository+rest]
			if r.Method == http.MethodPut {
				there[repository+r.URL.Query().Get("digest")] = true
			}
			mu.Unlock()
			switch {
			case missing:
				http.NotFound(w, r)
			case r.URL.Query().Has("mount") && mount != http.StatusAccepted:
				w.WriteHeader(mount)
			default:
				h.ServeHTTP(w, r)
			}
		})
	}
}

// TestMount copies inside one registry: it takes the blobs from the other repository
// where it can, and gets them where it cannot.
func TestMount(t *testing.T) {
	for name, c := range map[string]struct {
		start  func(testing.TB) testRegistry
		mounts bool
	}{
		"docker-registry": {distribution, true},
		"without mounts":  {func(t testing.TB) testRegistry { return modernRegistry(t, perRepository(http.StatusAccepted)) }, false},
		"mounts denied":   {func(t testing.TB) testRegistry { return modernRegistry(t, perRepository(http.StatusForbidden)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.start(t)
			s := testStore(t)
			first, second, third := ref(t, r.host+"/acme/one:v1"), ref(t, r.host+"/acme/two:v1"), ref(t, r.host+"/acme/three:v1")
			d := put(t, s, testImage("x"), first.String(), third.String())
			client := NewClient(r.client)
			if pushed := mustCopy(t, s, d.String(), client.Remote(first), first); pushed.Blobs != 8 {
				t.Errorf("first push: %+v", pushed)
			}
			// Of five blobs and three manifests, no blob is sent again: neither from
			// repository to repository, nor from a store that knows the other name.
			for to, src := range map[Reference]Source{second: client.Remote(first), third: s} {
				name := first.String()
				if src == Source(s) {
					name = d.String()
				}
				copied := mustCopy(t, src, name, client.Remote(to), to)
				if want := map[bool]int{true: 3, false: 8}[c.mounts]; copied.Blobs != want {
					t.Errorf("%s: %d blobs were moved, want %d: %+v", to, copied.Blobs, want, copied)
				}
				same(t, client.Remote(to), to.String(), d, nil)
			}
		})
	}
}
