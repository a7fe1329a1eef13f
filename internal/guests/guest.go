// Package guests boots Debian kernels in QEMU with nothing but a busybox, the
// gadget binary and shell cases, and reads what the cases say. It is for tests:
// programs that this machine's kernel refuses run there, and so do old and new
// kernels.
//
//	Kernel   what to boot
//	Initrd   what is in a guest
//	Boot     a guest, from its start to its closing line
//	Table    which case works on which kernel, as docs/kernels.md shows it
package guests

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
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

// Run is what came of a guest.
type Run struct {
	Console string
	// Computing is the processor time that the guest took: what it costs on a
	// machine with nothing else to do.
	Computing time.Duration
}

// doneLine ends the console of a guest that ran to its end. QEMU's exit status
// says nothing: powering off is success to it, and a guest that panics reboots.
var doneLine = regexp.MustCompile(`(?m)^GUEST-DONE\s*$`)

// Boot runs the guest until it powers off. A guest without its closing line is an
// error, whatever it printed before.
func Boot(ctx context.Context, k Kernel, image, initrd string) (Run, error) {
	command, tty := "qemu-system-x86_64", "ttyS0"
	// Page tables of five levels only make each miss slower. QEMU 7.2 leaves wrong
	// flags behind cmpxchg16b now and then, and the kernel dies of them.
	machine := []string{"-cpu", "max,la57=off,cx16=off"}
	if k.Arch == "arm64" {
		command, tty = "qemu-system-aarch64", "ttyAMA0"
		machine = []string{"-M", "virt", "-cpu", "max,pauth-impdef=on"}
	}
	cmd := exec.CommandContext(ctx, command, append(machine,
		// With more than one emulated processor amd64 kernels panic now and then
		// while they patch their code.
		"-accel", "tcg,thread=single", "-smp", "1", "-m", "1024",
		"-nographic", "-nic", "none", "-no-reboot",
		// A disk, /dev/nvme0n1: every kernel has its driver, none its data. It takes
		// its time, so that what measures that has something to see.
		"-blockdev", "driver=null-co,node-name=disk,size=67108864,read-zeroes=on,latency-ns=5000000",
		"-device", "nvme,drive=disk,serial=disk",
		"-kernel", image, "-initrd", initrd,
		"-append", "console="+tty+" quiet panic=-1 lsm=lockdown,capability,yama,bpf")...)
	out, err := cmd.CombinedOutput()
	r := Run{Console: strings.ReplaceAll(string(out), "\r", "")}
	if s := cmd.ProcessState; s != nil {
		r.Computing = s.UserTime() + s.SystemTime()
	}
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("boot %s: the guest did not come to its end: %w", k.Name, ctx.Err())
	case err != nil:
		return r, fmt.Errorf("boot %s: %w", k.Name, err)
	case !doneLine.MatchString(r.Console):
		return r, fmt.Errorf("boot %s: the guest ended without its closing line", k.Name)
	}
	return r, nil
}

// caseLine is how a case reports. What a program printed before it may lack its
// line break.
var caseLine = regexp.MustCompile(`(?m)CASE (\S+) (ok|fail|absent)(?:: (.*?))?\s*$`)

// Results reads the verdicts of all cases from the console.
func (r Run) Results() []Result {
	var out []Result
	for _, m := range caseLine.FindAllStringSubmatch(r.Console, -1) {
		out = append(out, Result{Case: m[1], Verdict: m[2], Detail: m[3]})
	}
	return out
}

// noteLine is what else a guest says of itself.
var noteLine = regexp.MustCompile(`(?m)(KERNEL|TIME) (.*?)\s*$`)

// Notes are the version of the kernel and the time each script took, for people.
func (r Run) Notes() []string {
	var out []string
	for _, m := range noteLine.FindAllStringSubmatch(r.Console, -1) {
		out = append(out, m[2])
	}
	return out
}
