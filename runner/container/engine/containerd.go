package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Methods of containerd's API (github.com/containerd/containerd/api/services). They
// and the numbers of fields below are the same in containerd 1 and 2.
const (
	methodNamespaces = "/containerd.services.namespaces.v1.Namespaces/List"
	methodContainers = "/containerd.services.containers.v1.Containers/List"
	methodImage      = "/containerd.services.images.v1.Images/Get"
	methodVersion    = "/containerd.services.version.v1.Version/Version"
)

// Annotations by which containerd's CRI plugin notes whose a container is
// (containerd/internal/cri/annotations).
const (
	criType      = "io.kubernetes.cri.container-type"
	criContainer = "io.kubernetes.cri.container-name"
	criSandbox   = "io.kubernetes.cri.sandbox-id"
	criPod       = "io.kubernetes.cri.sandbox-name"
	criNamespace = "io.kubernetes.cri.sandbox-namespace"
	criPodUID    = "io.kubernetes.cri.sandbox-uid"
	criImage     = "io.kubernetes.cri.image-name"

	// criKind is a label: container or sandbox.
	criKind = "io.cri-containerd.kind"
	// nerdctlName is a label of nerdctl's.
	nerdctlName = "nerdctl/name"
)

// containerd asks containerd's own API. Unlike its CRI that knows the containers of
// all who use it, and each from before its first instruction.
type containerd struct {
	grpc *grpc
	// namespaces to look in, nil for all.
	namespaces []string
	images     images
}

// containerdContainer is one as containerd lists it.
type containerdContainer struct {
	id, image   string
	labels      map[string]string
	annotations map[string]string
}

func newContainerd(socket string, namespaces []string) *containerd {
	return &containerd{grpc: newGRPC("containerd", socket), namespaces: namespaces}
}

// Version implements Engine.
func (c *containerd) Version(ctx context.Context) (string, error) {
	answer, err := c.grpc.call(ctx, methodVersion, "", nil)
	if err != nil {
		return "", err
	}
	var version string
	return version, c.check(answer.texts(map[protowire.Number]*string{1: &version}))
}

// Lookup implements Engine.
func (c *containerd) Lookup(ctx context.Context, refs []Ref) (map[Ref]Info, error) {
	found := map[Ref]Info{}
	namespaces := c.namespaces
	if namespaces == nil {
		var err error
		if namespaces, err = c.list(ctx); err != nil {
			return found, err
		}
	}
	for _, namespace := range namespaces {
		var here []Ref
		for _, ref := range refs {
			if _, known := found[ref]; !known && (ref.Namespace == "" || ref.Namespace == namespace) {
				here = append(here, ref)
			}
		}
		for part := range slices.Chunk(here, batch) {
			if err := c.lookup(ctx, namespace, part, found); err != nil {
				return found, err
			}
		}
	}
	return found, nil
}

// list returns the namespaces that there are.
func (c *containerd) list(ctx context.Context) ([]string, error) {
	answer, err := c.grpc.call(ctx, methodNamespaces, "", nil)
	if err != nil {
		return nil, err
	}
	var namespaces []string
	err = answer.list(1, func(m message) error {
		var name string
		err := m.texts(map[protowire.Number]*string{1: &name})
		namespaces = append(namespaces, name)
		return err
	})
	return namespaces, c.check(err)
}

// lookup adds what is known of some containers of a namespace.
func (c *containerd) lookup(ctx context.Context, namespace string, refs []Ref, found map[Ref]Info) error {
	ids := make([]string, len(refs))
	for i := range refs {
		ids[i] = refs[i].ID
	}
	list, err := c.containers(ctx, namespace, ids)
	if err != nil {
		return err
	}
	sandboxes := map[string]containerdContainer{}
	var missing []string
	for _, each := range list {
		if id := each.annotations[criSandbox]; id != "" && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	// Labels of a pod are those of the container that holds its namespaces.
	for part := range slices.Chunk(missing, batch) {
		pods, err := c.containers(ctx, namespace, part)
		if err != nil {
			return err
		}
		for id, pod := range pods {
			sandboxes[id] = pod
		}
	}
	for _, ref := range refs {
		if each, ok := list[ref.ID]; ok {
			found[ref] = each.info(sandboxes[each.annotations[criSandbox]].labels, c.digest(ctx, namespace, each.image))
		}
	}
	return nil
}

// containers lists containers by id.
func (c *containerd) containers(ctx context.Context, namespace string, ids []string) (map[string]containerdContainer, error) {
	var request []byte
	for _, id := range ids {
		// containerd/filters: one of several conditions must hold.
		request = appendText(request, 1, "id=="+strconv.Quote(id))
	}
	answer, err := c.grpc.call(ctx, methodContainers, namespace, request)
	if err != nil {
		return nil, err
	}
	list := map[string]containerdContainer{}
	err = answer.list(1, func(m message) error {
		each, err := decodeContainerd(m)
		list[each.id] = each
		return err
	})
	return list, c.check(err)
}

// digest is the digest of an image's manifest, or of its index.
func (c *containerd) digest(ctx context.Context, namespace, image string) string {
	if image == "" {
		return ""
	}
	return c.images.of(namespace+" "+image, func() (imageNames, error) {
		answer, err := c.grpc.call(ctx, methodImage, namespace, appendText(nil, 1, image))
		if isStatus(err, statusNotFound) {
			return imageNames{}, nil
		}
		if err != nil {
			return imageNames{}, err
		}
		var names imageNames
		err = answer.list(1, func(image message) error {
			return image.list(3, func(target message) error {
				return target.texts(map[protowire.Number]*string{2: &names.digest})
			})
		})
		return names, err
	}).digest
}

// check says where an answer came from that is none.
func (c *containerd) check(err error) error {
	if err == nil {
		return nil
	}
	return explain(c.grpc.what, c.grpc.socket, err)
}

// decodeContainerd reads a Container.
func decodeContainerd(m message) (containerdContainer, error) {
	var c containerdContainer
	err := m.fields(func(number protowire.Number, value message) error {
		switch number {
		case 1:
			c.id = string(value)
		case 2:
			return value.entry(&c.labels)
		case 3:
			c.image = string(value)
		case 5: // An Any with the OCI runtime specification as JSON.
			return value.list(2, func(spec message) error {
				var oci struct {
					Annotations map[string]string `json:"annotations"`
				}
				_ = json.Unmarshal(spec, &oci) // Another kind of specification has no annotations.
				c.annotations = oci.Annotations
				return nil
			})
		}
		return nil
	})
	return c, err
}

// info is what is taken over, with the labels of the pod.
func (c *containerdContainer) info(podLabels map[string]string, digest string) Info {
	i := Info{
		Runtime: "containerd", Name: c.labels[nerdctlName], Image: c.image, ImageDigest: digest, Labels: c.labels,
		Pod: c.annotations[criPod], Namespace: c.annotations[criNamespace], PodUID: c.annotations[criPodUID],
		PodContainer: c.annotations[criContainer],
	}
	i.kubernetes(c.labels)
	if image := c.annotations[criImage]; image != "" {
		i.Image = image
	}
	switch {
	case c.labels[criKind] == "sandbox" || c.annotations[criType] == "sandbox":
		podLabels = c.labels
		i.podName()
	case i.PodContainer != "":
		i.Name = i.PodContainer
	}
	if i.Name == "" && len(c.id) != idLength {
		i.Name = c.id // Who has made it with ctr has named it so.
	}
	i.PodLabels = ofPod(podLabels)
	i.bound()
	return i
}
