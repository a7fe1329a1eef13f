package registry

import (
	_ "crypto/sha256" // go-digest knows only the algorithms that are linked in
	_ "crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// What a name means that leaves something out (compat-spec §1.5).
const (
	DefaultDomain     = "ghcr.io"
	DefaultRepository = "inspektor-gadget/gadget/"
	DefaultTag        = "latest"
)

// Reference is the full name of an image. It is comparable; the zero value is
// no name.
type Reference struct {
	// Domain is the registry with its port, Path the repository there.
	Domain, Path string
	// Tag or Digest or both are set. The digest decides.
	Tag    string
	Digest digest.Digest
}

// ParseReference reads the name of an image as people write it: trace_open,
// me/tool:v1, localhost:5000/tool, ghcr.io/me/tool@sha256:…. What has no registry
// is in ghcr.io, what is a single word there is one of the official gadgets, and
// the tag is latest unless there is a tag or a digest.
func ParseReference(s string) (Reference, error) {
	if err := checkName(s); err != nil {
		return Reference{}, err
	}
	domain, rest := DefaultDomain, s
	if first, after, ok := strings.Cut(s, "/"); ok && isDomain(first) {
		domain, rest = first, after
	}
	if domain == DefaultDomain && !strings.Contains(rest, "/") {
		rest = DefaultRepository + rest
	}
	parsed, err := reference.Parse(domain + "/" + rest)
	if err != nil {
		return Reference{}, nameError(s, err)
	}
	named, ok := parsed.(reference.Named)
	if !ok || reference.Domain(named) != domain {
		return Reference{}, nameError(s, reference.ErrReferenceInvalidFormat)
	}
	r := Reference{Domain: domain, Path: reference.Path(named)}
	if tagged, ok := parsed.(reference.Tagged); ok {
		r.Tag = tagged.Tag()
	}
	if digested, ok := parsed.(reference.Digested); ok {
		r.Digest = digested.Digest()
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = DefaultTag
	}
	return r, nil
}

// isDomain tells a registry from the first part of a repository.
func isDomain(first string) bool {
	return strings.ContainsAny(first, ".:") || first == "localhost" || first != strings.ToLower(first)
}

// checkName refuses what people write by mistake in words that help.
func checkName(s string) error {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case s == "":
		return errors.New("the name of the image is empty")
	case len(s) > 1024:
		return fmt.Errorf("the name of the image is %d bytes long, more than 1024", len(s))
	case ok && len(scheme) < 10:
		return fmt.Errorf("image name %q: names have no scheme; write %q", s, rest)
	case strings.ContainsAny(s, " \t\r\n"):
		return fmt.Errorf("image name %q: names have no spaces", s)
	}
	return nil
}

// nameError says which part of the name is wrong.
func nameError(s string, err error) error {
	name, sum, hasDigest := strings.Cut(s, "@")
	switch {
	case errors.Is(err, reference.ErrNameContainsUppercase):
		return fmt.Errorf("image name %q: repositories are in lower case; write %q", s, lowerRepository(s))
	case errors.Is(err, reference.ErrNameTooLong):
		return fmt.Errorf("image name %q: more than %d characters without the tag", s, reference.RepositoryNameTotalLengthMax)
	case hasDigest && digest.Digest(sum).Validate() != nil:
		return fmt.Errorf("image name %q: a digest is sha256: and 64 of 0-9 a-f, not %q", s, sum)
	}
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		tag := name[colon+1:]
		if tag == "" || reference.TagRegexp.FindString(tag) != tag {
			return fmt.Errorf("image name %q: a tag is up to 128 letters, digits and _ . -, not %q", s, tag)
		}
	}
	return fmt.Errorf("image name %q is not of the form [REGISTRY/]NAME[:TAG][@DIGEST], NAME of a-z 0-9 . _ - and / between parts", s)
}

// lowerRepository lowers the letters of the repository, not those of the tag.
func lowerRepository(s string) string {
	end := len(s)
	if i := strings.IndexByte(s, '@'); i >= 0 {
		end = i
	}
	if i := strings.LastIndexByte(s[:end], ':'); i > strings.LastIndexByte(s[:end], '/') {
		end = i
	}
	return strings.ToLower(s[:end]) + s[end:]
}

// String returns the full name; ParseReference of it is the same reference.
func (r Reference) String() string {
	if r == (Reference{}) {
		return ""
	}
	return r.Repository() + r.suffix()
}

// Familiar returns the name as short as ParseReference still takes it: official
// gadgets lose registry and repository. The tag stays.
func (r Reference) Familiar() string {
	if r == (Reference{}) {
		return ""
	}
	return r.FamiliarRepository() + r.suffix()
}

// Repository returns the name without tag and digest.
func (r Reference) Repository() string { return r.Domain + "/" + r.Path }

// FamiliarRepository is Familiar without tag and digest.
func (r Reference) FamiliarRepository() string {
	short, official := strings.CutPrefix(r.Path, DefaultRepository)
	// A slash would make another name of the short one.
	if official && r.Domain == DefaultDomain && !strings.Contains(short, "/") {
		return short
	}
	return r.Repository()
}

func (r Reference) suffix() string {
	s := ""
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}
