package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/gadget-bpf/gadget/runner/host"
)

// kernelChecks are about the kernel as a whole.
func kernelChecks() []Check {
	return []Check{types(), jit(), lockdown(), modules()}
}

// types looks for the kernel's own description of its types.
func types() Check {
	const path = "/sys/kernel/btf/vmlinux"
	c := Check{Name: "BTF", State: OK, Vital: true}
	info, err := os.Stat(path)
	if err != nil {
		c.State, c.Detail = Missing, fmt.Sprintf("the kernel does not describe its types: %v", err)
		c.Remedy = "use a kernel built with CONFIG_DEBUG_INFO_BTF, as those of all current distributions are; or give --btf FILE"
		return c
	}
	c.Detail = fmt.Sprintf("%s, %.1f MB", path, float64(info.Size())/1e6)
	return c
}

// jit looks whether programs are compiled. Interpreted ones work, but slowly; some
// kinds then do not.
func jit() Check {
	text, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable")
	return jitCheck(strings.TrimSpace(string(text)), err)
}

func jitCheck(value string, err error) Check {
	c := Check{Name: "compiler", State: OK, Detail: "programs are compiled to machine code"}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.State, c.Detail = Limited, "programs are interpreted: slow, and neither fentry nor lsm works"
		c.Remedy = "use a kernel built with CONFIG_BPF_JIT"
	case err != nil:
		c.State, c.Detail = Unknown, err.Error()
	case value == "0":
		c.State, c.Detail = Limited, "programs are interpreted: slow, and neither fentry nor lsm works"
		c.Remedy = "sysctl -w net.core.bpf_jit_enable=1"
	}
	return c
}

// lockdown looks what the kernel refuses even to root (kernel_lockdown(7)).
func lockdown() Check { return lockdownCheck(host.Security("lockdown")) }

// lockdownCheck reads "none [integrity] confidentiality".
func lockdownCheck(text string, err error) Check {
	c := Check{Name: "lockdown", State: OK}
	_, rest, _ := strings.Cut(text, "[")
	mode, _, _ := strings.Cut(rest, "]")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.Detail = "none: the module is not active"
	case err != nil:
		c.State, c.Detail = Unknown, err.Error()
	case mode == "confidentiality":
		c.State, c.Detail = Limited, "confidentiality: programs cannot read memory of the kernel, and kprobes are refused"
		c.Remedy = "boot without lockdown=confidentiality, or with lockdown=integrity"
	default:
		c.Detail = mode
	}
	return c
}

// modules lists the active security modules; what they mean is for the hooks to say.
func modules() Check {
	list, err := host.Security("lsm")
	if err != nil {
		return Check{Name: "security modules", State: Unknown, Detail: err.Error()}
	}
	return Check{Name: "security modules", State: OK, Detail: list}
}
