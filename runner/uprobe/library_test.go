package uprobe

import (
	"encoding/binary"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestLibraryCalled(t *testing.T) {
	for _, tt := range []struct {
		base, library string
		want          bool
	}{
		{"libssl.so.3", "libssl", true},
		{"libssl.so", "libssl", true},
		{"libc.so.6", "libc", true},
		{"libc-2.31.so", "libc", true},
		{"libssl-3a0f1b2c.so.1.1", "libssl", true},
		{"libc-client.so.2007e", "libc", false},
		{"libcrypt.so.1", "libc", false},
		{"libssl3.so", "libssl", false},
		{"libssl.socket", "libssl", false},
		{"libc", "libc", false},
		{"ld-musl-x86_64.so.1", "libc", true},
		{"ld-musl-aarch64.so.1", "libpthread", true},
		{"libc.musl-x86_64.so.1", "libc", true},
		{"ld-musl-x86_64.so.1", "libssl", false},
	} {
		if got := libraryCalled(tt.base, tt.library); got != tt.want {
			t.Errorf("%s is %s: %v", tt.base, tt.library, got)
		}
	}
}

// makeCache makes an ld.so.cache; with old there is one of the old format before it.
func makeCache(libraries [][2]string, old bool) []byte {
	le := binary.LittleEndian
	b := append([]byte(newCacheMagic), make([]byte, newCacheHeader-len(newCacheMagic))...)
	le.PutUint32(b[20:], uint32(len(libraries)))
	text := uint32(newCacheHeader + len(libraries)*newCacheEntry)
	var texts []byte
	for _, l := range libraries {
		entry := make([]byte, newCacheEntry)
		le.PutUint32(entry[4:], text+uint32(len(texts)))
		texts = append(append(texts, l[0]...), 0)
		le.PutUint32(entry[8:], text+uint32(len(texts)))
		texts = append(append(texts, l[1]...), 0)
		b = append(b, entry...)
	}
	b = append(b, texts...)
	if !old {
		return b
	}
	head := append([]byte(oldCacheMagic), 3, 0, 0, 0)
	head = append(head, make([]byte, 3*oldCacheEntry)...)
	for len(head)%8 != 0 {
		head = append(head, 0)
	}
	return append(head, b...)
}

func TestCache(t *testing.T) {
	want := map[string]string{"libc.so.6": "/lib/libc.so.6", "libshop.so.1": "/opt/libshop.so.1"}
	var list [][2]string
	for name, path := range want {
		list = append(list, [2]string{name, path})
	}
	for _, old := range []bool{false, true} {
		if got := maps.Collect(cachedLibraries(makeCache(list, old))); !maps.Equal(got, want) {
			t.Errorf("old %v: %v", old, got)
		}
	}
	for range cachedLibraries([]byte(newCacheMagic + "\xff\xff\xff\xff" + strings.Repeat("\x00", 100))) {
		t.Error("a cache with more entries than it has room for")
	}
}

// TestOwnCache compares with what this machine's ldconfig reads.
func TestOwnCache(t *testing.T) {
	cache, err := os.ReadFile(cachePath)
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.Command("/sbin/ldconfig", "-p").Output()
	if err != nil {
		t.Skip(err)
	}
	var want, got []string
	for line := range strings.Lines(string(out)) {
		if name, path, ok := strings.Cut(strings.TrimSpace(line), " => "); ok {
			name, _, _ = strings.Cut(name, " ")
			want = append(want, name+" "+path)
		}
	}
	for name, path := range cachedLibraries(cache) {
		got = append(got, name+" "+path)
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(want, got) {
		t.Errorf("%d libraries, ldconfig has %d", len(got), len(want))
	}
}

// tree is a file system in memory.
type tree map[string]string

func (t tree) content(name string, _ int64) ([]byte, error) {
	if text, ok := t[name]; ok {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

func (t tree) entries(dir string, _ int) (names []string, err error) {
	for name := range t {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	return names, nil
}

func TestFindLibrary(t *testing.T) {
	musl := "/lib/ld-musl-" + muslArch + ".so.1"
	cache := string(makeCache([][2]string{{"libssl.so.3", "/opt/libssl.so.3"}, {"libssl.so", "relative.so"}}, false))
	for _, tt := range []struct {
		what    string
		fs      tree
		library string
		want    []string
	}{
		{"glibc", tree{cachePath: cache, "/usr/lib/libssl.so.1": ""}, "libssl", []string{"/opt/libssl.so.3"}},
		{"glibc without a cache", tree{"/usr/lib64/libssl.so.1": "", "/lib/libssl.so.2": ""}, "libssl", []string{"/lib/libssl.so.2", "/usr/lib64/libssl.so.1"}},
		{"not in the cache", tree{cachePath: cache, "/lib64/libc.so.6": ""}, "libc", []string{"/lib64/libc.so.6"}},
		{"musl", tree{musl: ""}, "libpthread", []string{musl}},
		{"a library of musl", tree{musl: "", "/usr/local/lib/libssl.so.3": ""}, "libssl", []string{"/usr/local/lib/libssl.so.3"}},
		{"musl elsewhere", tree{musl: "", "/etc/ld-musl-" + muslArch + ".path": "/a\n/b:/c", "/b/libssl.so": "", "/c/libssl.so.1": "", "/usr/local/lib/libssl.so": ""},
			"libssl", []string{"/b/libssl.so", "/c/libssl.so.1"}},
		{"nothing", tree{}, "libssl", nil},
	} {
		if got := findLibrary(tt.fs, tt.library); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}

func FuzzCache(f *testing.F) {
	f.Add(makeCache([][2]string{{"libc.so.6", "/lib/libc.so.6"}}, false))
	f.Add(makeCache([][2]string{{"libc.so.6", "/lib/libc.so.6"}}, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for name, path := range cachedLibraries(b) {
			if n++; len(name)+len(path) > 2*4096 {
				t.Error("a name without end")
			}
		}
		if n > len(b)/newCacheEntry {
			t.Errorf("%d libraries in %d bytes", n, len(b))
		}
	})
}
