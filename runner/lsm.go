package runner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/runner/host"
)

// checkLSM finds kernels that take programs for security modules and never run
// them, because the module that would is not among the active ones. Where the
// kernel does not say which are, it finds nothing.
func checkLSM() error {
	list, err := host.Security("lsm")
	if err != nil || slices.Contains(strings.Split(list, ","), "bpf") {
		return nil
	}
	return &HostError{Need: fmt.Sprintf("the security module bpf (active are %s)", list),
		Hint: fmt.Sprintf("boot with lsm=%s,bpf", list)}
}
