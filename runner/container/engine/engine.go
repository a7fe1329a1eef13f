// Package engine asks the container engines of this machine for the names of
// containers.
//
//	docker      Docker's API, which podman's service speaks too
//	containerd  containerd's own API, in all of its namespaces
//	cri         the Container Runtime Interface: CRI-O, or containerd on request
//	storage     the files in which podman and CRI-O keep containers, without a service
//	states      the state files of runc and crun, without any engine
//	sources     which of them are here
//
// Everything is asked for when it is needed and by id: there is no connection that
// has to be kept, no list that can be out of date, and an engine may be restarted
// at any time. Nothing that an engine says is trusted: answers are bounded in time
// and size.
package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// timeout is how long an engine may take for an answer.
	timeout = 2 * time.Second
	// bodyLimit bounds an answer in bytes.
	bodyLimit = 8 << 20
	// batch is how many containers are asked for in one request: more would make
	// its address very long, and its answer large.
	batch = 64
)

// idLength is that of the ids that engines make, in hexadecimal digits.
const idLength = 64

// Bounds of what is taken over from an engine, in bytes: names are part of every
// event.
const (
	maxName   = 1 << 10
	maxLabels = 16 << 10
)

// Engine knows containers. Its methods may be called from any goroutine.
type Engine interface {
	// Lookup says what it knows of some containers; those that it does not know
	// are missing. With an error the answer has what was learned before it.
	Lookup(ctx context.Context, refs []Ref) (map[Ref]Info, error)
	// Version is the engine's own, "" for one that has none.
	Version(ctx context.Context) (string, error)
}

// Ref names a container.
type Ref struct {
	// ID is the full id.
	ID string
	// Namespace of containerd that the id is from, "" when it is not known, or
	// does not matter because ids are unique.
	Namespace string
	// Bundle is the directory with the container's config.json, "" when it is not
	// known.
	Bundle string
}

// Info is what an engine says of a container. What it does not know is empty.
type Info struct {
	// Runtime is docker, containerd, cri-o or podman.
	Runtime string
	// Name that people use; Image as they wrote it; ImageDigest of its manifest,
	// or the id of an image that has none because it comes from no registry.
	Name, Image, ImageDigest string
	Labels                   map[string]string

	// Kubernetes names. The container that holds the namespaces of a pod has no
	// PodContainer. PodLabels are those of the pod.
	Namespace, Pod, PodUID, PodContainer string
	PodLabels                            map[string]string
}

// bound cuts what is too long to be meant.
func (i *Info) bound() {
	for _, text := range []*string{&i.Name, &i.Image, &i.ImageDigest, &i.Namespace, &i.Pod, &i.PodUID, &i.PodContainer} {
		*text = (*text)[:min(len(*text), maxName)]
	}
	i.Labels, i.PodLabels = boundLabels(i.Labels), boundLabels(i.PodLabels)
}

// boundLabels keeps the first labels, by key, up to the bound.
func boundLabels(labels map[string]string) map[string]string {
	size := 0
	for key, value := range labels {
		size += len(key) + len(value)
	}
	if size <= maxLabels {
		return labels
	}
	kept, size := map[string]string{}, 0
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if size += len(key) + len(labels[key]); size > maxLabels {
			break
		}
		kept[key] = labels[key]
	}
	return kept
}

// LabelText is labels as events show them: key=value, sorted by key and separated
// by commas.
func LabelText(labels map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if text.Len() > 0 {
			text.WriteByte(',')
		}
		text.WriteString(key + "=" + labels[key])
	}
	return text.String()
}

// Labels that kubelet gives to containers and pods
// (k8s.io/kubernetes/pkg/kubelet/types/labels.go).
const (
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelPodUID    = "io.kubernetes.pod.uid"
	labelContainer = "io.kubernetes.container.name"
)

// kubernetes takes Kubernetes' names from labels, where they are not known yet.
func (i *Info) kubernetes(labels map[string]string) {
	for _, n := range []struct {
		into  *string
		label string
	}{
		{&i.Pod, labelPod}, {&i.Namespace, labelNamespace}, {&i.PodUID, labelPodUID}, {&i.PodContainer, labelContainer},
	} {
		if *n.into == "" {
			*n.into = labels[n.label]
		}
	}
}

// ofPod are the labels that somebody gave to a pod, without those that kubelet and
// engines add.
func ofPod(labels map[string]string) map[string]string {
	own := maps.Clone(labels)
	maps.DeleteFunc(own, func(key, _ string) bool {
		return strings.HasPrefix(key, "io.kubernetes.") || key == criKind
	})
	return own
}

// podName names the container that holds a pod's namespaces after the pod: it is
// made by the engine, nobody has given it a name.
func (i *Info) podName() { i.Name, i.PodContainer = i.Pod, "" }

// explain words an error of a connection to an engine: what is asked for over the
// wire is nothing that people know.
func explain(what, address string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", timeout)
	}
	return fmt.Errorf("%s at %s: %w", what, address, err)
}

// tooLarge is the error for an answer beyond the limit.
func tooLarge() error { return fmt.Errorf("the answer is larger than %d MiB", bodyLimit>>20) }
