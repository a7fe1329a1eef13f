package testengine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// pauseImage is that of the container which holds the namespaces of a pod.
const pauseImage = "localhost/pause:latest"

// Numbers of fields and values are those of k8s.io/cri-api/pkg/apis/runtime/v1/api.proto.
const (
	criService    = "/runtime.v1.RuntimeService/"
	namespaceNode = 2 // NamespaceMode NODE: the host's
)

// Pod is a pod, with one container, that a test has made as kubelet does.
type Pod struct {
	// Name, Namespace and UID of the pod, Labels of its own.
	Name, Namespace, UID string
	Labels               map[string]string
	// Container is the name of the container, Command what runs in it.
	Container string
	Command   []string

	// ID of the pod and of its container.
	ID, ContainerID string
}

// RunPod makes a pod in the host's network, and starts its container. Both end with
// the test at the latest.
func (c *Containerd) RunPod(t testing.TB, pod *Pod) {
	t.Helper()
	kubelet := map[string]string{
		"io.kubernetes.pod.name": pod.Name, "io.kubernetes.pod.namespace": pod.Namespace, "io.kubernetes.pod.uid": pod.UID,
	}
	config := field(nil, 1, text(text(text(nil, 1, pod.Name), 2, pod.UID), 3, pod.Namespace))
	config = entries(config, 6, kubelet)
	config = entries(config, 6, pod.Labels)
	options := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), namespaceNode)
	linux := text(nil, 1, "/kubepods/besteffort/pod"+pod.UID)
	config = field(config, 8, field(linux, 2, field(nil, 1, options)))

	answer, err := c.cri("RunPodSandbox", field(nil, 1, config))
	if err != nil {
		t.Fatalf("run pod: %v\n%s", err, c.Log())
	}
	pod.ID = first(answer)
	t.Cleanup(func() { c.removePod(t, pod) })

	kubelet["io.kubernetes.container.name"] = pod.Container
	container := field(nil, 1, text(nil, 1, pod.Container))
	container = field(container, 2, text(nil, 1, Image))
	for _, word := range pod.Command {
		container = text(container, 3, word)
	}
	container = entries(container, 9, kubelet)
	answer, err = c.cri("CreateContainer", field(field(text(nil, 1, pod.ID), 2, container), 3, config))
	if err != nil {
		t.Fatalf("create container: %v\n%s", err, c.Log())
	}
	pod.ContainerID = first(answer)
	if _, err := c.cri("StartContainer", text(nil, 1, pod.ContainerID)); err != nil {
		t.Fatalf("start container: %v\n%s", err, c.Log())
	}
}

func (c *Containerd) removePod(t testing.TB, pod *Pod) {
	for _, method := range []string{"StopPodSandbox", "RemovePodSandbox"} {
		if _, err := c.cri(method, text(nil, 1, pod.ID)); err != nil {
			t.Logf("%s: %v", method, err)
		}
	}
}

// cri calls a method of the Container Runtime Interface.
func (c *Containerd) cri(method string, request []byte) ([]byte, error) {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &h2c, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.Socket())
	}}
	defer transport.CloseIdleConnections()
	framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))), request...)
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://containerd"+criService+method, bytes.NewReader(framed))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if code := resp.Trailer.Get("Grpc-Status") + resp.Header.Get("Grpc-Status"); code != "0" {
		return nil, fmt.Errorf("%s: status %s: %s%s", method, code, resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message"))
	}
	if len(body) < 5 {
		return nil, errors.New(method + ": no answer")
	}
	return body[5:], nil
}

// first is the first field of a message, a text.
func first(message []byte) string {
	_, _, n := protowire.ConsumeTag(message)
	if n < 0 {
		return ""
	}
	value, _ := protowire.ConsumeBytes(message[n:])
	return string(value)
}

func field(m []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(m, number, protowire.BytesType), value)
}

func text(m []byte, number protowire.Number, value string) []byte {
	return field(m, number, []byte(value))
}

func entries(m []byte, number protowire.Number, labels map[string]string) []byte {
	for key, value := range labels {
		m = field(m, number, text(text(nil, 1, key), 2, value))
	}
	return m
}
