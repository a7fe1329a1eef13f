package main

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// listContainers are the flags of `gadget containers`.
type listContainers struct {
	containers containerOptions
	output     choice
	watch      bool
}

func containersCmd(a *app) *cobra.Command {
	opts := &listContainers{output: oneOf("FORMAT", modeColumns, "json", "yaml")}
	opts.output.template = true
	cmd := &cobra.Command{
		Use:     "containers",
		Short:   "List the containers of this machine, as gadgets know them",
		GroupID: groupRun,
		Args:    exactArgs(),
		Long: `List the containers that run on this machine, of all runtimes and of none, with what
is known of them and where that is from. It is what gadget run knows, and what its
selectors choose from.

SOURCE is who has told the names, or else how the container was found and, behind
unknown:, why it has no names. With --watch, containers are shown as they come and go,
until Ctrl-C; that needs the permission to load eBPF programs.`,
		Example: `  gadget containers

  # what would -c choose?
  gadget containers -c 'web*,!web-test'

  # process ids of the containers of a pod
  gadget containers --k8s-podname cart -o json | jq '.[].pid'

  gadget containers --watch`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runContainers(cmd.Context(), a, cmd, opts)
		},
	}
	opts.containers.addSelectors(cmd)
	cmd.Flags().BoolVarP(&opts.watch, watchFlag, "w", false, "show containers as they come and go")
	addOutput(cmd, &opts.output)
	return cmd
}

// containerView is a container as `gadget containers` prints it.
type containerView struct {
	// Event is CREATED, PRECREATE or DELETED, of --watch only.
	Event       string            `json:"event,omitempty"`
	Name        string            `json:"name"`
	ID          string            `json:"id"`
	Runtime     string            `json:"runtime"`
	Status      string            `json:"status"`
	Source      string            `json:"source"`
	PID         uint32            `json:"pid"`
	MntNS       uint64            `json:"mntns"`
	NetNS       uint32            `json:"netns"`
	HostNetwork bool              `json:"hostNetwork"`
	Cgroup      string            `json:"cgroup"`
	CgroupID    uint64            `json:"cgroupId"`
	StartedAt   string            `json:"startedAt,omitempty"`
	Image       string            `json:"image"`
	ImageDigest string            `json:"imageDigest"`
	Labels      map[string]string `json:"labels,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	Pod         string            `json:"pod,omitempty"`
	PodUID      string            `json:"podUid,omitempty"`
	// PodContainer is the name in the pod.
	PodContainer string `json:"podContainer,omitempty"`
}

func viewContainer(c *event.Container) containerView {
	v := containerView{
		Name: c.Name, ID: c.ID, Runtime: c.Runtime, Status: c.Status, Source: c.Source,
		PID: c.PID, MntNS: c.MntNS, NetNS: c.NetNS, HostNetwork: c.HostNetwork,
		Cgroup: c.CgroupPath, CgroupID: c.CgroupID, Image: c.Image, ImageDigest: c.ImageDigest, Labels: c.Labels,
		Namespace: c.Namespace, Pod: c.Pod, PodUID: c.PodUID, PodContainer: c.PodContainer,
	}
	if c.StartedAt != 0 {
		v.StartedAt = time.Unix(0, c.StartedAt).UTC().Format(time.RFC3339Nano)
	}
	return v
}

// containerTitles are the columns, each as wide as --watch makes it: a list can be
// wider, a stream cannot know. The last has what is left.
var containerTitles = []struct {
	title string
	width int
}{
	{"name", 24}, {"id", 12}, {"runtime", 10}, {"pid", 7}, {"mntns", 10}, {"netns", 10},
	{"image", 32}, {"pod", 24}, {"source", 36}, {"cgroup", 0},
}

// cells are those of a row.
func (v *containerView) cells() []string {
	id, pod, source := v.ID, v.Pod, v.Source
	if len(id) == 64 {
		id = id[:12]
	}
	if v.Namespace != "" {
		pod = v.Namespace + "/" + v.Pod
	}
	if strings.HasPrefix(v.Status, "unknown:") {
		source += "; " + v.Status
	}
	cells := []string{
		v.Name, id, v.Runtime, strconv.Itoa(int(v.PID)), strconv.FormatUint(v.MntNS, 10), strconv.Itoa(int(v.NetNS)),
		v.Image, pod, source, v.Cgroup,
	}
	for i := range cells {
		cells[i] = cmp.Or(cells[i], "-")
	}
	return cells
}

func runContainers(ctx context.Context, a *app, cmd *cobra.Command, opts *listContainers) error {
	selector, err := opts.containers.selector(cmd)
	if err != nil {
		return err
	}
	engines, err := opts.containers.engines.options(cmd, selector)
	if err != nil {
		return err
	}
	o := container.Options{
		Selector: selector, Engines: engines, EnrichWait: time.Duration(opts.containers.engines.wait),
		Notice: func(text string) { a.log.Warn(text) }, Log: a.log,
	}
	if opts.watch {
		return a.watchContainers(ctx, o, opts.output.String())
	}
	list, err := container.List(ctx, o)
	if err != nil {
		return err
	}
	views := make([]containerView, len(list))
	for i, c := range list {
		views[i] = viewContainer(c)
	}
	if len(views) == 0 {
		a.log.Warn(noContainers(ctx, &o))
	}
	return a.print(opts.output.String(), views, func(w io.Writer, t view.Terminal) error {
		return writeContainers(w, t, views)
	})
}

// noContainers says why there may be none.
func noContainers(ctx context.Context, o *container.Options) string {
	text := "no container is running"
	if !o.Selector.Empty() {
		text = "no container that is running matches"
	}
	var asked []string
	for _, r := range container.Runtimes(ctx, o.Engines) {
		if r.Err == nil {
			asked = append(asked, strings.TrimSpace(r.Name+" "+r.Version)+" at "+r.Socket)
		}
	}
	if len(asked) == 0 {
		return text + "; there is no runtime to ask, and the cgroups of processes, and what runc and crun keep in /run, show none"
	}
	slices.Sort(asked)
	return text + "; asked " + strings.Join(asked, ", ")
}

func writeContainers(w io.Writer, t view.Terminal, list []containerView) error {
	if len(list) == 0 {
		return nil
	}
	table := view.Table{Right: map[int]bool{3: true, 4: true, 5: true}}
	for _, c := range containerTitles {
		table.Titles = append(table.Titles, c.title)
	}
	for i := range list {
		table.Row(list[i].cells()...)
	}
	return table.Write(w, t)
}
