package registry

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Pattern stands for names of images:
//
//	ghcr.io/acme/tool:v1        this name
//	ghcr.io/acme/tool           the repository, with any tag
//	ghcr.io/acme/tool@sha256:…  the image with that digest, in the repository
//	ghcr.io/acme/*              all names that begin so
//	*                           every image, with and without a name
//
// What is left out of a name goes without saying, as in ParseReference.
type Pattern struct {
	prefix string
	all    bool
	// ref is zero for a prefix; its tag is "" for any.
	ref Reference
}

// ParsePattern reads a pattern.
func ParsePattern(s string) (Pattern, error) {
	if s == "*" {
		return Pattern{all: true}, nil
	}
	prefix, wild := strings.CutSuffix(s, "*")
	switch {
	case strings.Contains(prefix, "*"):
		return Pattern{}, fmt.Errorf("pattern %q: * stands at the end only", s)
	case wild:
		return Pattern{prefix: fullPrefix(prefix)}, nil
	}
	ref, err := ParseReference(s)
	if err != nil {
		return Pattern{}, err
	}
	if name, _, _ := strings.Cut(s, "@"); !strings.HasSuffix(name, ":"+ref.Tag) {
		ref.Tag = "" // it went without saying
	}
	return Pattern{ref: ref}, nil
}

// fullPrefix adds to the beginning of a name what goes without saying.
func fullPrefix(prefix string) string {
	first, _, slash := strings.Cut(prefix, "/")
	switch {
	case isDomain(first):
		return prefix
	case slash:
		return DefaultDomain + "/" + prefix
	}
	return DefaultDomain + "/" + DefaultRepository + prefix
}

// Fits reports whether the pattern stands for an image of that name and digest. The
// zero Reference is an image without a name.
func (p Pattern) Fits(name Reference, d digest.Digest) bool {
	switch {
	case p.all:
		return true
	case name == (Reference{}):
		return false
	case p.prefix != "":
		return strings.HasPrefix(name.String(), p.prefix)
	}
	return p.ref.Repository() == name.Repository() && (p.ref.Tag == "" || p.ref.Tag == name.Tag) && (p.ref.Digest == "" || p.ref.Digest == d)
}
