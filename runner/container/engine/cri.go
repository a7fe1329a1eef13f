package engine

import (
	"cmp"
	"context"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Methods of the Container Runtime Interface (k8s.io/cri-api/pkg/apis/runtime/v1/
// api.proto), which has the numbers of fields below, too.
const (
	methodCRIContainers = "/runtime.v1.RuntimeService/ListContainers"
	methodCRIPods       = "/runtime.v1.RuntimeService/ListPodSandbox"
	methodCRIVersion    = "/runtime.v1.RuntimeService/Version"
	methodCRIImage      = "/runtime.v1.ImageService/ImageStatus"
)

// cri asks by the interface that kubelet uses.
type cri struct {
	// runtime is cri-o or containerd.
	runtime string
	grpc    *grpc
	images  images
}

// criListed is a container, or a pod, as the interface lists it.
type criListed struct {
	id string
	// pod is the id of a container's pod.
	pod                  string
	name, namespace, uid string
	image, ref           string
	labels               map[string]string
}

func newCRI(runtime, socket string) *cri {
	return &cri{runtime: runtime, grpc: newGRPC(runtime, socket)}
}

// Version implements Engine.
func (c *cri) Version(ctx context.Context) (string, error) {
	answer, err := c.grpc.call(ctx, methodCRIVersion, "", nil)
	if err != nil {
		return "", err
	}
	var version string
	return version, c.check(answer.texts(map[protowire.Number]*string{3: &version}))
}

// Lookup implements Engine.
func (c *cri) Lookup(ctx context.Context, refs []Ref) (map[Ref]Info, error) {
	found := map[Ref]Info{}
	// The filter takes one id or none.
	var filter []byte
	if len(refs) == 1 {
		filter = appendText(nil, 1, appendText(nil, 1, refs[0].ID))
	}
	containers, err := c.list(ctx, methodCRIContainers, filter, decodeCRIContainer)
	if err != nil {
		return found, err
	}
	pods, err := c.list(ctx, methodCRIPods, nil, decodeCRIPod)
	if err != nil {
		return found, err
	}
	for _, ref := range refs {
		if each, ok := containers[ref.ID]; ok {
			pod := pods[each.pod]
			found[ref] = each.info(c.runtime, &pod, c.image(ctx, cmp.Or(each.ref, each.image)))
		} else if pod, ok := pods[ref.ID]; ok {
			i := Info{Runtime: c.runtime, Pod: pod.name, Namespace: pod.namespace, PodUID: pod.uid,
				Labels: pod.labels, PodLabels: ofPod(pod.labels)}
			i.podName()
			i.bound()
			found[ref] = i
		}
	}
	return found, nil
}

// list calls a method that lists, and reads the answer by id.
func (c *cri) list(ctx context.Context, method string, request []byte, decode func(message) (criListed, error)) (map[string]criListed, error) {
	answer, err := c.grpc.call(ctx, method, "", request)
	if isStatus(err, statusUnimplemented) {
		return nil, nil // A containerd without its CRI plugin has no pods.
	}
	if err != nil {
		return nil, err
	}
	list := map[string]criListed{}
	err = answer.list(1, func(m message) error {
		each, err := decode(m)
		list[each.id] = each
		return err
	})
	return list, c.check(err)
}

func (c *cri) check(err error) error {
	if err == nil {
		return nil
	}
	return explain(c.grpc.what, c.grpc.socket, err)
}

// decodeCRIContainer reads a Container.
func decodeCRIContainer(m message) (criListed, error) {
	var c criListed
	err := m.fields(func(number protowire.Number, value message) error {
		switch number {
		case 1:
			c.id = string(value)
		case 2:
			c.pod = string(value)
		case 3:
			return value.texts(map[protowire.Number]*string{1: &c.name})
		case 4:
			var wanted string
			err := value.texts(map[protowire.Number]*string{1: &c.image, 18: &wanted})
			c.image = cmp.Or(wanted, c.image)
			return err
		case 5:
			c.ref = string(value)
		case 8:
			return value.entry(&c.labels)
		}
		return nil
	})
	return c, err
}

// decodeCRIPod reads a PodSandbox.
func decodeCRIPod(m message) (criListed, error) {
	var p criListed
	err := m.fields(func(number protowire.Number, value message) error {
		switch number {
		case 1:
			p.id = string(value)
		case 2:
			return value.texts(map[protowire.Number]*string{1: &p.name, 2: &p.uid, 3: &p.namespace})
		case 5:
			return value.entry(&p.labels)
		}
		return nil
	})
	return p, err
}

// info is what is taken over.
func (l *criListed) info(runtime string, pod *criListed, image imageNames) Info {
	i := Info{
		Runtime: runtime, Name: l.name, Labels: l.labels, ImageDigest: image.digest,
		Image: cmp.Or(image.name, l.image, l.ref),
		Pod:   pod.name, Namespace: pod.namespace, PodUID: pod.uid, PodContainer: l.name,
		PodLabels: ofPod(pod.labels),
	}
	i.kubernetes(l.labels)
	i.bound()
	return i
}

// image asks for the names of an image.
func (c *cri) image(ctx context.Context, image string) imageNames {
	return c.images.of(image, func() (imageNames, error) {
		request := appendText(nil, 1, appendText(nil, 1, image))
		answer, err := c.grpc.call(ctx, methodCRIImage, "", request)
		if err != nil {
			return imageNames{}, err
		}
		var names imageNames
		err = answer.list(1, func(m message) error {
			return m.fields(func(number protowire.Number, value message) error {
				switch number {
				case 1:
					names.digest = cmp.Or(names.digest, string(value))
				case 2:
					names.name = cmp.Or(names.name, string(value))
				case 3:
					if _, digest, ok := strings.Cut(string(value), "@"); ok {
						names.digest = digest
					}
				}
				return nil
			})
		})
		return names, err
	})
}
