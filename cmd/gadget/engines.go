package main

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

const sectionEngines = "Where containers get their names"

// engineOptions say where container engines are, and how to ask them.
type engineOptions struct {
	docker, containerd, crio, podman string
	namespaces                       []string
	protocol                         choice
	wait                             seconds
}

func (o *engineOptions) addTo(cmd *cobra.Command) {
	fs := cmd.Flags()
	o.protocol = oneOf("PROTOCOL", "internal", "cri")
	o.wait = seconds(container.DefaultEnrichWait)
	fs.StringVar(&o.docker, "docker-socketpath", "", "`SOCKET` of docker; else DOCKER_HOST, or the usual places")
	fs.StringVar(&o.containerd, "containerd-socketpath", "", "`SOCKET` of containerd; else the usual places, those of k3s, RKE2, k0s and MicroK8s too")
	fs.StringVar(&o.crio, "crio-socketpath", "", "`SOCKET` of CRI-O; else the usual place")
	fs.StringVar(&o.podman, "podman-socketpath", "", "`SOCKET` of podman's service; else CONTAINER_HOST, or the usual places; it needs none")
	fs.Var(words(&o.namespaces), "containerd-namespace", "look only in these `NAMESPACES` of containerd")
	fs.Var(&o.protocol, "runtime-protocol", "ask containerd by its own API (internal) or as kubelet does (cri)")
	fs.Var(&o.wait, "enrich-wait", "how long events wait for the name of their container, before they come with its id")
	o.protocol.complete(cmd, "runtime-protocol")
	inSection(fs, sectionEngines, "docker-socketpath", "containerd-socketpath", "crio-socketpath", "podman-socketpath",
		"containerd-namespace", "runtime-protocol", "enrich-wait")
}

// options is what the flags say. Runtimes whose containers are not wanted are not
// asked; those that are wanted by name should be here.
func (o *engineOptions) options(cmd *cobra.Command, selector container.Selector) (engine.Options, error) {
	if o.wait <= 0 {
		return engine.Options{}, usageErrorf(cmd, "--enrich-wait: %s is no time to wait", time.Duration(o.wait))
	}
	e := engine.Options{
		Docker: o.docker, Containerd: o.containerd, CRIO: o.crio, Podman: o.podman,
		Namespaces: o.namespaces, CRI: o.protocol.String() == "cri",
	}
	if len(selector.Runtime) > 0 {
		e.Wanted = selector.WantsRuntime
		e.Expected = slices.DeleteFunc(engine.Runtimes(), func(name string) bool { return !slices.Contains(selector.Runtime, name) })
	}
	return e, nil
}
