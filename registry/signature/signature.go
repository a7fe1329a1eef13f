package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Form is how a signature is written down.
type Form string

// The forms, by the names that users give them.
const (
	Tag      Form = "tag"
	Referrer Form = "referrer"
	Bundle   Form = "bundle"
)

// Limits on what is read of the signatures of one image.
const (
	// MaxManifest and MaxLayer are in bytes.
	MaxManifest = 1 << 20
	MaxLayer    = 1 << 20
	// MaxSignatures are looked at, the others are as if they were not there.
	MaxSignatures = 64
)

// Signature is one signature as it was found: nothing of it is to be believed
// before Check.
type Signature struct {
	Form Form
	// Manifest is the digest of the manifest that has it.
	Manifest digest.Digest
	// Damage says why it cannot be one, nil when it can.
	Damage error

	// signed are the bytes that were signed, and about says whether they speak of
	// a digest.
	signed, sig []byte
	about       func(digest.Digest) error
}

// Read reads a signature out of a layer that Layers has found.
func Read(layer ocispec.Descriptor, data []byte) Signature {
	var s Signature
	var err error
	switch {
	case len(data) > MaxLayer:
		err = fmt.Errorf("it has more than %d bytes", MaxLayer)
	case layer.MediaType == mediaTypeSimple:
		s, err = readSimple(data, layer.Annotations[annotationSignature])
	default:
		s, err = readBundle(data)
	}
	s.Damage = err
	return s
}

// verify reports whether the key has signed that this digest is an image of its owner.
func (s *Signature) verify(d digest.Digest, key *PublicKey) bool {
	return s.Damage == nil && key.verify(s.signed, s.sig) && s.about(d) == nil
}

// Verified is what Check has found.
type Verified struct {
	Key *PublicKey
	// By is the signature that the key has made.
	By *Signature
}

// Check returns the first of the keys that has signed the digest. Without one the
// error is a *RefusedError. Signatures by others, of something else, or damaged ones,
// do no harm.
func Check(all []Signature, d digest.Digest, keys []*PublicKey) (*Verified, error) {
	for _, k := range keys {
		for i := range all {
			if all[i].verify(d, k) {
				return &Verified{k, &all[i]}, nil
			}
		}
	}
	refused := &RefusedError{Digest: d, Signatures: len(all)}
	for _, k := range keys {
		refused.Keys = append(refused.Keys, k.Name)
	}
	for i := range all {
		refused.Why = append(refused.Why, all[i].reason(d, keys))
	}
	return nil, refused
}

// reason says why a signature does not count.
func (s *Signature) reason(d digest.Digest, keys []*PublicKey) string {
	if s.Damage != nil {
		return s.Damage.Error()
	}
	for _, k := range keys {
		if k.verify(s.signed, s.sig) {
			return fmt.Sprintf("made with %s, but %s", k.Name, s.about(d))
		}
	}
	return "made with another key, or altered"
}

// RefusedError says that no key has signed an image.
type RefusedError struct {
	Digest digest.Digest
	// Signatures were found, made by none of Keys. Why has a reason for each.
	Signatures int
	Keys       []string
	Why        []string
}

// Error says how many signatures there are and why none counts.
func (e *RefusedError) Error() string {
	switch {
	case e.Signatures == 0:
		return "it is not signed"
	case len(e.Keys) == 0:
		return fmt.Sprintf("it has %s, and there is no key to verify with", plural(e.Signatures, "signature"))
	}
	reasons := e.Why
	const shown = 3
	if len(reasons) > shown {
		reasons = append(reasons[:shown:shown], "…")
	}
	return fmt.Sprintf("it is not signed by %s (%s: %s)", strings.Join(e.Keys, " or "), plural(e.Signatures, "signature"), strings.Join(reasons, "; "))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// errOtherDigest says that a signature is one of something else.
var errOtherDigest = errors.New("of another image")

func decodeBase64(what, text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) == 0 {
		return nil, fmt.Errorf("its %s is not base64", what)
	}
	return data, nil
}
