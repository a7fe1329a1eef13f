package signature

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Names of cosign's simple signing (cosign, specs/SIGNATURE_SPEC.md).
const (
	mediaTypeSimple     = "application/vnd.dev.cosign.simplesigning.v1+json"
	annotationSignature = "dev.cosignproject.cosign/signature"
	simpleType          = "cosign container image signature"
)

// simplePayload is what a simple signature signs.
type simplePayload struct {
	Critical simpleCritical `json:"critical"`
	Optional map[string]any `json:"optional"`
}

type simpleCritical struct {
	Identity struct {
		// DockerReference is the repository in which the image was signed. Like
		// cosign, nobody checks it: a mirror keeps the signatures.
		DockerReference string `json:"docker-reference"`
	} `json:"identity"`
	Image struct {
		Digest digest.Digest `json:"docker-manifest-digest"`
	} `json:"image"`
	Type string `json:"type"`
}

func readSimple(data []byte, sig string) (s Signature, err error) {
	if s.sig, err = decodeBase64("signature", sig); err != nil {
		return s, err
	}
	var p simplePayload
	if json.Unmarshal(data, &p) != nil {
		return s, errors.New("its payload is no JSON of a simple signature")
	}
	if p.Critical.Type != simpleType {
		return s, fmt.Errorf("its payload is of type %q, not that of an image", p.Critical.Type)
	}
	s.signed = data
	s.about = func(d digest.Digest) error {
		if p.Critical.Image.Digest != d {
			return errOtherDigest
		}
		return nil
	}
	return s, nil
}

// signSimple returns the layer of a simple signature. repository may be "".
func signSimple(d digest.Digest, repository string, key *PrivateKey) (Blob, error) {
	var p simplePayload
	p.Critical.Identity.DockerReference = repository
	p.Critical.Image.Digest = d
	p.Critical.Type = simpleType
	data, err := json.Marshal(p)
	if err != nil {
		return Blob{}, err
	}
	sig, err := key.sign(data)
	if err != nil {
		return Blob{}, err
	}
	layer := newBlob(mediaTypeSimple, data)
	layer.Annotations = map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(sig)}
	return layer, nil
}
