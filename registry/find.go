package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// query is a name for an image in a layout.
type query struct {
	// names that an entry may have: in full, and as given for entries of other tools.
	names []string
	// id is a digest or the beginning of one, "" when the name can be none.
	id string
	// ref is zero when the name can only be an id.
	ref Reference
}

func parseQuery(name string) (query, error) {
	ref, err := ParseReference(name)
	q := query{ref: ref, names: []string{name}}
	switch {
	case isID(name):
		q.id = name
	case err != nil:
		return q, err
	}
	if err == nil {
		q.names = slices.Compact([]string{ref.String(), name})
		if ref.Digest != "" {
			q.id = ref.Digest.String()
		}
	}
	return q, nil
}

// isID says whether a name can be a digest or the beginning of one.
func isID(name string) bool {
	hex := name
	if algorithm, after, ok := strings.Cut(name, ":"); ok {
		if a := digest.Algorithm(algorithm); a != digest.SHA256 && a != digest.SHA512 {
			return false
		}
		hex = after
	}
	return len(hex) >= 4 && strings.Trim(hex, "0123456789abcdef") == ""
}

// in looks for the entry in the text of an index.json, which may be empty.
func (q query) in(data []byte) (ocispec.Descriptor, bool, error) {
	if bytes.HasPrefix(data, []byte(indexHead)) {
		for _, n := range q.names {
			if d, found, err := findLine(data, n); found || err != nil {
				return d, found, err
			}
		}
		if !bytes.HasSuffix(data, []byte("}\n")) {
			return ocispec.Descriptor{}, false, errors.New("the file ends in the middle")
		}
		if q.id == "" {
			return ocispec.Descriptor{}, false, nil
		}
	}
	if len(data) == 0 {
		return ocispec.Descriptor{}, false, nil
	}
	index, err := decodeIndex(data)
	if err != nil {
		return ocispec.Descriptor{}, false, err
	}
	d, _, found, err := q.inIndex(index)
	return d, found, err
}

// inIndex looks for the entry and says whether it was found by its name.
func (q query) inIndex(index *ocispec.Index) (d ocispec.Descriptor, byName, found bool, err error) {
	for _, name := range q.names {
		i := slices.IndexFunc(index.Manifests, func(m ocispec.Descriptor) bool { return nameOf(m) == name })
		if i >= 0 {
			return index.Manifests[i], true, true, nil
		}
	}
	if q.id == "" {
		return d, false, false, nil
	}
	d, found, err = findDigest(index, q.id)
	return d, false, found, err
}

// findLine returns the entry of a name in an index.json that this package
// wrote, without decoding the other lines.
func findLine(data []byte, name string) (ocispec.Descriptor, bool, error) {
	needle, err := json.Marshal(name)
	if err != nil {
		return ocispec.Descriptor{}, false, err
	}
	for from := 0; ; {
		at := bytes.Index(data[from:], needle)
		if at < 0 {
			return ocispec.Descriptor{}, false, nil
		}
		at += from
		length := bytes.IndexByte(data[at:], '\n')
		if length < 0 {
			return ocispec.Descriptor{}, false, errors.New("the file ends in the middle")
		}
		start, end := bytes.LastIndexByte(data[:at], '\n')+1, at+length
		from = end
		if data[start] != '{' {
			continue // the annotations of the index
		}
		var d ocispec.Descriptor
		if err := json.Unmarshal(bytes.TrimSuffix(data[start:end], []byte(",")), &d); err != nil {
			return d, false, errors.New(jsonTrouble(err))
		}
		if nameOf(d) == name && d.Digest.Validate() == nil {
			return d, true, nil
		}
	}
}

// findDigest returns the entry whose digest begins with prefix: a whole digest,
// or at least four of its hexadecimal digits with or without the algorithm.
func findDigest(index *ocispec.Index, prefix string) (ocispec.Descriptor, bool, error) {
	algorithm, hex, ok := strings.Cut(prefix, ":")
	if !ok {
		algorithm, hex = "", prefix
	}
	if len(hex) < 4 || strings.Trim(hex, "0123456789abcdef") != "" {
		return ocispec.Descriptor{}, false, nil
	}
	var found []ocispec.Descriptor
	for _, m := range index.Manifests {
		if !isAttachment(m) && (algorithm == "" || algorithm == m.Digest.Algorithm().String()) && strings.HasPrefix(m.Digest.Encoded(), hex) &&
			!slices.ContainsFunc(found, func(f ocispec.Descriptor) bool { return f.Digest == m.Digest }) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return ocispec.Descriptor{}, false, nil
	case 1:
		return found[0], true, nil
	}
	ambiguous := &AmbiguousError{Name: prefix}
	for _, f := range found {
		ambiguous.Digests = append(ambiguous.Digests, f.Digest)
	}
	return ocispec.Descriptor{}, false, ambiguous
}
