package uprobe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path"
	"runtime"
	"slices"
	"strings"
)

// libraryCalled says whether a file of that base name is a library: libssl is
// libssl.so.3, libc is also libc-2.31.so, as glibc before 2.34 calls it, and
// ld-musl-x86_64.so.1, which has all of musl, and which programs call
// libc.musl-x86_64.so.1.
func libraryCalled(base, library string) bool {
	if strings.HasPrefix(base, "ld-musl-") || strings.HasPrefix(base, "libc.musl-") {
		return slices.Contains(muslParts, library)
	}
	rest, ok := strings.CutPrefix(base, library)
	if !ok {
		return false
	}
	// The version may also be a hash, as in packages of Python: libssl-1a2b3c4d.so.3.
	// But libc-client.so is another library.
	version, tail, ok := strings.Cut(rest, ".so")
	return ok && (tail == "" || tail[0] == '.') &&
		(version == "" || version[0] == '-' && strings.Trim(version[1:], "0123456789abcdef.") == "")
}

// muslParts are the libraries that are one in musl (its list of reserved names,
// ldso/dynlink.c).
var muslParts = []string{"libc", "libpthread", "librt", "libm", "libdl", "libutil", "libxnet"}

// muslArch is how musl calls this machine, in the names of its files.
var muslArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]

// systemDirs are where glibc looks for what is not in its cache; the first ones are
// those of Debian and of distributions that keep 64-bit libraries apart.
var systemDirs = []string{
	"/lib/" + muslArch + "-linux-gnu", "/usr/lib/" + muslArch + "-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib",
}

// muslDirs are where musl looks, unless its file of paths says otherwise.
const muslDirs = "/lib:/usr/local/lib:/usr/lib"

const (
	cachePath = "/etc/ld.so.cache"
	// maxCache and maxPaths bound files of containers, in bytes; maxEntries the
	// entries that are looked at in one of their directories.
	maxCache   = 8 << 20
	maxPaths   = 64 << 10
	maxEntries = 1 << 17
	// maxLibraries is how many files may be one library.
	maxLibraries = 64
)

// files is what a search for libraries needs of a container's file system.
type files interface {
	// content returns the beginning of a file, at most limit bytes.
	content(name string, limit int64) ([]byte, error)
	// entries returns the names in a directory, in no order, at most limit of them.
	entries(name string, limit int) ([]string, error)
}

// findLibrary returns the paths at which programs of a container would find a
// library, as glibc and musl do, whichever is there.
func findLibrary(fs files, library string) []string {
	var paths []string
	if cache, err := fs.content(cachePath, maxCache); err == nil {
		for name, p := range cachedLibraries(cache) {
			if libraryCalled(name, library) && path.IsAbs(p) {
				paths = append(paths, p)
			}
		}
	}
	if len(paths) == 0 {
		paths = searchDirs(fs, systemDirs, library)
	}
	loader := "/lib/ld-musl-" + muslArch + ".so.1"
	if _, err := fs.content(loader, 1); err == nil {
		if slices.Contains(muslParts, library) {
			paths = append(paths, loader)
		} else {
			dirs := muslDirs
			if own, err := fs.content("/etc/ld-musl-"+muslArch+".path", maxPaths); err == nil {
				dirs = string(own)
			}
			list := strings.FieldsFunc(dirs, func(r rune) bool { return r == ':' || r == '\n' })
			paths = append(paths, searchDirs(fs, list, library)...)
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	return paths[:min(len(paths), maxLibraries)]
}

func searchDirs(fs files, dirs []string, library string) []string {
	var paths []string
	for _, dir := range dirs[:min(len(dirs), maxLibraries)] {
		names, err := fs.entries(dir, maxEntries)
		if err != nil || !path.IsAbs(dir) {
			continue
		}
		for _, name := range names {
			if libraryCalled(name, library) {
				paths = append(paths, path.Join(dir, name))
			}
		}
	}
	return paths
}

// Formats of ld.so.cache (glibc's sysdeps/generic/dl-cache.h). The old one may
// stand before the new one, whose texts are counted from its own header.
const (
	oldCacheMagic  = "ld.so-1.7.0\x00"
	oldCacheHeader = 16
	oldCacheEntry  = 12
	newCacheMagic  = "glibc-ld.so.cache1.1"
	newCacheHeader = 48
	newCacheEntry  = 24
)

// errCache says that a file is no ld.so.cache of a known format.
var errCache = errors.New("not a cache of libraries")

// cachedLibraries yields the names in an ld.so.cache, such as libc.so.6, with the
// paths they stand for.
func cachedLibraries(cache []byte) func(yield func(name, path string) bool) {
	return func(yield func(name, path string) bool) {
		cache, count, err := newCache(cache)
		if err != nil {
			return
		}
		for i := range count {
			entry := cache[newCacheHeader+i*newCacheEntry:]
			name := textAt(cache, binary.LittleEndian.Uint32(entry[4:]))
			file := textAt(cache, binary.LittleEndian.Uint32(entry[8:]))
			if name != "" && file != "" && !yield(name, file) {
				return
			}
		}
	}
}

// newCache returns the part in the new format, and how many entries it has.
func newCache(cache []byte) ([]byte, int, error) {
	if bytes.HasPrefix(cache, []byte(oldCacheMagic)) && len(cache) >= oldCacheHeader {
		skip := oldCacheHeader + uint64(binary.LittleEndian.Uint32(cache[12:]))*oldCacheEntry
		skip = (skip + 7) &^ 7
		cache = cache[min(skip, uint64(len(cache))):]
	}
	if !bytes.HasPrefix(cache, []byte(newCacheMagic)) || len(cache) < newCacheHeader {
		return nil, 0, errCache
	}
	count := uint64(binary.LittleEndian.Uint32(cache[20:]))
	if count > uint64(len(cache)-newCacheHeader)/newCacheEntry {
		return nil, 0, errCache
	}
	return cache, int(count), nil
}

// textAt is the text at an offset, "" when that is not in the file or too long.
func textAt(b []byte, at uint32) string {
	if uint64(at) >= uint64(len(b)) {
		return ""
	}
	b = b[at:]
	end := bytes.IndexByte(b[:min(len(b), 4096)], 0)
	return string(b[:max(end, 0)])
}
