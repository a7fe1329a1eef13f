package event

import (
	"fmt"
	"slices"
)

// In files a Layout is its JSON, with kinds, attributes and ellipses by name: the
// numbers behind them may differ between two versions of this program, the names
// do not. A name is never given up, nor used for something else.

// kindNames by Kind.
var kindNames = []string{
	Invalid: "invalid",
	Bool:    "bool", Int8: "int8", Int16: "int16", Int32: "int32", Int64: "int64",
	Uint8: "uint8", Uint16: "uint16", Uint32: "uint32", Uint64: "uint64", Float32: "float32", Float64: "float64",
	CString: "cstring", Bytes: "bytes", RestBytes: "rest-bytes", RestString: "rest-string", RestArgs: "rest-args",
	WallTime: "wall-time", Timestamp: "timestamp",
	Errno: "errno", Signal: "signal", Syscall: "syscall", FileMode: "file-mode", FileFlags: "file-flags",
	HumanSize: "human-size", Duration: "duration", CPUTime: "cpu-time", User: "user", Group: "group",
	EnumName: "enum-name", EnumSet: "enum-set",
	L3Addr: "l3-addr", L4Addr: "l4-addr", L4Proto: "l4-proto", L4Endpoint: "l4-endpoint",
	FromContainer: "from-container", Unit: "unit", Cgroup: "cgroup", EnvVar: "env-var", Constant: "constant", Added: "added",
	PeerName: "peer-name", FromPeer: "from-peer",
}

// attrNames by ContainerAttr.
var attrNames = []string{
	K8sNode: "k8s.node", K8sNamespace: "k8s.namespace", K8sPodName: "k8s.podName", K8sContainerName: "k8s.containerName",
	K8sHostNetwork: "k8s.hostnetwork", K8sPodLabels: "k8s.podLabels", K8sOwnerKind: "k8s.owner.kind", K8sOwnerName: "k8s.owner.name",
	RuntimeContainerName: "runtime.containerName", RuntimeName: "runtime.runtimeName", RuntimeContainerID: "runtime.containerId",
	RuntimeContainerPID: "runtime.containerPid", RuntimeImageName: "runtime.containerImageName",
	RuntimeImageDigest: "runtime.containerImageDigest", RuntimeStartedAt: "runtime.containerStartedAt",
	RuntimeLabels: "runtime.labels", RuntimeStatus: "runtime.status",
	K8sKind: "k8s.kind",
}

// ellipsisNames by Ellipsis.
var ellipsisNames = []string{"end", "start", "middle", "none"}

// MarshalText returns the name of the kind in files.
func (k Kind) MarshalText() ([]byte, error) { return nameOf(kindNames, int(k), "kind of field") }

// UnmarshalText reads the name of a kind.
func (k *Kind) UnmarshalText(text []byte) error {
	i, err := numberOf(kindNames, text, "kind of field")
	*k = Kind(i)
	return err
}

// MarshalText returns the name of the attribute in files.
func (a ContainerAttr) MarshalText() ([]byte, error) {
	return nameOf(attrNames, int(a), "attribute of containers")
}

// UnmarshalText reads the name of an attribute.
func (a *ContainerAttr) UnmarshalText(text []byte) error {
	i, err := numberOf(attrNames, text, "attribute of containers")
	*a = ContainerAttr(i)
	return err
}

// MarshalText returns the name of the ellipsis in files.
func (e Ellipsis) MarshalText() ([]byte, error) {
	return nameOf(ellipsisNames, int(e), "ellipsis")
}

// UnmarshalText reads the name of an ellipsis.
func (e *Ellipsis) UnmarshalText(text []byte) error {
	i, err := numberOf(ellipsisNames, text, "ellipsis")
	*e = Ellipsis(i)
	return err
}

func nameOf(names []string, i int, what string) ([]byte, error) {
	if i >= len(names) || names[i] == "" {
		return nil, fmt.Errorf("%s %d has no name", what, i)
	}
	return []byte(names[i]), nil
}

func numberOf(names []string, text []byte, what string) (int, error) {
	i := slices.Index(names, string(text))
	if i < 0 || len(text) == 0 {
		return 0, fmt.Errorf("there is no %s %q in this version", what, text)
	}
	return i, nil
}
