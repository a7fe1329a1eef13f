// Package guests boots Debian kernels in QEMU with nothing but a busybox, the
// gadget binary and shell cases, and reads what the cases say. It is for tests:
// programs that this machine's kernel refuses run there, and so do old and new
// kernels.
package guests

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"sort"
	"strings"
)

// Kernel is one kernel to boot.
type Kernel struct {
	// Name for people and reports, for example 6.1.
	Name string
	// Package of Debian that has it, and the suite to look in.
	Package, Suite string
	// Arch in Go's words.
	Arch string
}

// Result of one case in one guest.
type Result struct {
	Case string
	// Verdict is ok, fail or absent: absent means that this kernel cannot do
	// it, with the reason in Detail.
	Verdict, Detail string
}

// doneLine ends the console of a guest that ran to its end. QEMU's exit status
// says nothing: powering off is success to it, and a guest that panics reboots.
var doneLine = regexp.MustCompile(`(?m)^GUEST-DONE\s*$`)

// caseLine is how a case reports. What a program printed before it may lack its
// line break.
var caseLine = regexp.MustCompile(`(?m)CASE (\S+) (ok|fail|absent)(?:: (.*?))?\s*$`)

// Boot runs the guest until it powers off and returns its console. A guest
// without its closing line is an error, whatever it printed before.
func Boot(ctx context.Context, k Kernel, image, initrd string) (console string, err error) {
	// With more than one emulated processor amd64 kernels panic now and then
	// while they patch their code.
	args := []string{
		"-accel", "tcg,thread=single", "-cpu", "max", "-smp", "1", "-m", "1024",
		"-nographic", "-no-reboot", "-kernel", image, "-initrd", initrd,
	}
	command, tty := "qemu-system-x86_64", "ttyS0"
	if k.Arch == "arm64" {
		command, tty = "qemu-system-aarch64", "ttyAMA0"
		args = append(args, "-M", "virt", "-cpu", "max,pauth-impdef=on")
	}
	args = append(args, "-append", "console="+tty+" quiet panic=-1 lsm=lockdown,capability,yama,bpf")
	out, err := exec.CommandContext(ctx, command, args...).CombinedOutput()
	console = strings.ReplaceAll(string(out), "\r", "")
	if err != nil {
		return console, fmt.Errorf("boot %s: %w", k.Name, err)
	}
	if !doneLine.MatchString(console) {
		return console, fmt.Errorf("boot %s: the guest ended without its closing line", k.Name)
	}
	return console, nil
}

// Results reads the verdicts of all cases from a console.
func Results(console string) []Result {
	var out []Result
	for _, m := range caseLine.FindAllStringSubmatch(console, -1) {
		out = append(out, Result{Case: m[1], Verdict: m[2], Detail: m[3]})
	}
	return out
}

// File is a file of an initial RAM disk.
type File struct {
	Content    []byte
	Executable bool
	// Link makes it a symbolic link to that path.
	Link string
}

// Initrd packs files by absolute path into a compressed archive that a kernel
// unpacks at boot. Directories come by themselves.
func Initrd(files map[string]File) ([]byte, error) {
	dirs := map[string]bool{}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
		for d := path.Dir(name); d != "/" && d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	for d := range dirs {
		names = append(names, d)
	}
	sort.Strings(names)

	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	var archive bytes.Buffer
	for i, name := range names {
		mode, content := uint32(0o040755), []byte(nil)
		if !dirs[name] {
			f := files[name]
			switch content = f.Content; {
			case f.Link != "":
				mode, content = 0o120777, []byte(f.Link)
			case f.Executable:
				mode = 0o100755
			default:
				mode = 0o100644
			}
		}
		writeEntry(&archive, i+1, strings.TrimPrefix(name, "/"), mode, content)
	}
	writeEntry(&archive, 0, "TRAILER!!!", 0, nil)
	if _, err := zip.Write(archive.Bytes()); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// writeEntry appends one entry in the "newc" format of cpio
// (Documentation/driver-api/early-userspace/buffer-format.rst).
func writeEntry(b *bytes.Buffer, inode int, name string, mode uint32, content []byte) {
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

// busyboxLinks are the commands that cases use.
var busyboxLinks = []string{
	"sh", "mount", "mkdir", "cat", "grep", "sleep", "poweroff", "echo", "true", "false", "kill", "head",
	"tail", "wc", "rm", "ls", "uname", "cut", "sed", "test", "[", "ps", "touch", "dmesg", "unshare", "seq", "tr", "env", "id", "nc", "ip", "readlink",
}

// Base returns the files that every guest has: busybox with its links.
func Base(busybox string) (map[string]File, error) {
	content, err := os.ReadFile(busybox)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: apt-get install busybox-static", busybox)
	}
	if err != nil {
		return nil, err
	}
	files := map[string]File{"/bin/busybox": {Content: content, Executable: true}}
	for _, l := range busyboxLinks {
		files["/bin/"+l] = File{Link: "/bin/busybox"}
	}
	return files, nil
}
