package guests

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// File is a file of an initial RAM disk.
type File struct {
	Content    []byte
	Executable bool
	// Link makes it a symbolic link to that path.
	Link string
}

// Initrd packs files by absolute path into an archive that a kernel unpacks at
// boot. It is not compressed: that would have to be undone in emulation.
// Directories come by themselves.
func Initrd(files map[string]File) []byte {
	dirs := map[string]bool{}
	for name := range files {
		for d := path.Dir(name); d != "/" && d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	var archive bytes.Buffer
	// Sorted, a directory comes before what is in it.
	for i, name := range slices.Concat(slices.Sorted(maps.Keys(dirs)), slices.Sorted(maps.Keys(files))) {
		f := files[name]
		switch {
		case dirs[name]:
			writeEntry(&archive, i+1, name, 0o040755, nil)
		case f.Link != "":
			writeEntry(&archive, i+1, name, 0o120777, []byte(f.Link))
		case f.Executable:
			writeEntry(&archive, i+1, name, 0o100755, f.Content)
		default:
			writeEntry(&archive, i+1, name, 0o100644, f.Content)
		}
	}
	writeEntry(&archive, 0, "TRAILER!!!", 0, nil)
	return archive.Bytes()
}

// writeEntry appends one entry in the "newc" format of cpio
// (Documentation/driver-api/early-userspace/buffer-format.rst).
func writeEntry(b *bytes.Buffer, inode int, name string, mode uint32, content []byte) {
	name = strings.TrimPrefix(name, "/")
	fmt.Fprintf(b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	b.WriteString(name + "\x00")
	pad(b)
	b.Write(content)
	pad(b)
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
