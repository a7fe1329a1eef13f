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
	"invalid",
	"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
	"cstring", "bytes", "rest-bytes", "rest-string", "rest-args",
	"wall-time", "timestamp",
	"errno", "signal", "syscall", "file-mode", "file-flags", "human-size", "duration", "cpu-time", "user", "group",
	"enum-name", "enum-set",
	"l3-addr", "l4-addr", "l4-proto", "l4-endpoint",
	"from-container", "env-var", "added",
}

// attrNames by ContainerAttr.
var attrNames = []string{
	"k8s.node", "k8s.namespace", "k8s.podName", "k8s.containerName", "k8s.hostnetwork", "k8s.podLabels",
	"k8s.owner.kind", "k8s.owner.name",
	"runtime.containerName", "runtime.runtimeName", "runtime.containerId", "runtime.containerPid",
	"runtime.containerImageName", "runtime.containerImageDigest", "runtime.containerStartedAt",
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
	if i >= len(names) {
		return nil, fmt.Errorf("%s %d has no name", what, i)
	}
	return []byte(names[i]), nil
}

func numberOf(names []string, text []byte, what string) (int, error) {
	i := slices.Index(names, string(text))
	if i < 0 {
		return 0, fmt.Errorf("there is no %s %q in this version", what, text)
	}
	return i, nil
}
