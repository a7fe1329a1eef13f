package plan

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// UserTarget is what a program for uprobes or USDT probes is attached to.
type UserTarget struct {
	// File is an absolute path inside of each container, or the base name of a
	// library without .so and version, such as libc.
	File string
	// Name of the function or probe; for kinds for many, patterns with * and ?
	// with commas between them.
	Name string
	// Offset from the beginning of the function, in bytes.
	Offset uint64
	// Provider of a USDT probe, "" for functions.
	Provider string
}

// IsUser says whether programs of a kind are attached to user space.
func IsUser(kind string) bool {
	return kind == "uprobe" || kind == "uretprobe" || kind == "usdt" || IsUserMulti(kind)
}

// IsUserMulti says whether programs of a kind are attached to many functions of user
// space.
func IsUserMulti(kind string) bool { return kind == "uprobe.multi" || kind == "uretprobe.multi" }

// IsUserReturn says whether programs of a kind run when functions of user space return.
func IsUserReturn(kind string) bool { return kind == "uretprobe" || kind == "uretprobe.multi" }

// ParseUserTarget reads the hook of a program for user space:
//
//	/usr/bin/app:main.main     a function of a program
//	libssl:SSL_write           a function of a library, wherever a container has it
//	libc:malloc+0x10           an instruction in it
//	libssl:SSL_*,OPENSSL_init  functions, for the kinds for many
//	libshop:shop:sale          provider and probe, for usdt
func ParseUserTarget(kind, hook string) (UserTarget, error) {
	var t UserTarget
	t.File, t.Name, _ = strings.Cut(hook, ":")
	want := "FILE:FUNCTION, such as libc:malloc or /usr/bin/app:main"
	if kind == "usdt" {
		want = "FILE:PROVIDER:PROBE, such as libc:libc:setjmp"
		t.Provider, t.Name, _ = strings.Cut(t.Name, ":")
	}
	switch {
	case t.File == "" || t.Name == "" || kind == "usdt" && t.Provider == "":
		return t, fmt.Errorf("%q does not say where to attach; write %s", hook, want)
	case path.IsAbs(t.File):
		t.File = path.Clean(t.File)
	case strings.Contains(t.File, "/"):
		return t, fmt.Errorf("%q is neither an absolute path nor the name of a library such as libc", t.File)
	}
	switch kind {
	case "uprobe", "uretprobe":
		return t, t.cutOffset(kind)
	case "uprobe.multi", "uretprobe.multi":
		if strings.Contains(","+t.Name+",", ",,") {
			return t, fmt.Errorf("%q is no list of functions or patterns", t.Name)
		}
	}
	return t, nil
}

// cutOffset takes +16 or +0x10 off the name. Go's names may have a plus sign
// themselves, but no number after it.
func (t *UserTarget) cutOffset(kind string) error {
	if strings.Contains(strings.ReplaceAll(t.Name, "(*", ""), "*") { // os.(*File).Read is one
		return fmt.Errorf("%q is no function; patterns and lists are for uprobe.multi and uretprobe.multi", t.Name)
	}
	i := strings.LastIndexByte(t.Name, '+')
	if i <= 0 {
		return nil
	}
	offset, err := strconv.ParseUint(t.Name[i+1:], 0, 32)
	switch {
	case err != nil:
		return fmt.Errorf("%q: want a number of bytes behind the plus sign, such as +16 or +0x10", t.Name)
	case kind == "uretprobe":
		return errors.New("functions return as a whole: a uretprobe takes no offset")
	}
	t.Name, t.Offset = t.Name[:i], offset
	return nil
}

// String is the target as a hook has it.
func (t *UserTarget) String() string {
	switch {
	case t.Provider != "":
		return t.File + ":" + t.Provider + ":" + t.Name
	case t.Offset > 0:
		return fmt.Sprintf("%s:%s+%#x", t.File, t.Name, t.Offset)
	}
	return t.File + ":" + t.Name
}
