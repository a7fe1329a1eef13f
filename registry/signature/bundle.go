package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Names of Sigstore bundles and of what they hold (sigstore/protobuf-specs,
// sigstore_bundle.proto; cosign, pkg/types; in-toto attestation framework v1).
const (
	mediaTypeBundle       = "application/vnd.dev.sigstore.bundle.v0.3+json"
	mediaTypeBundlePrefix = "application/vnd.dev.sigstore.bundle"
	payloadTypeInToto     = "application/vnd.in-toto+json"
	statementType         = "https://in-toto.io/Statement/v1"
	statementTypeBefore   = "https://in-toto.io/Statement/v0.1"
	predicateSign         = "https://sigstore.dev/cosign/sign/v1"
)

// sigstoreBundle is the JSON of a bundle; what is about certificates and logs is
// left out.
type sigstoreBundle struct {
	MediaType            string               `json:"mediaType"`
	VerificationMaterial verificationMaterial `json:"verificationMaterial"`
	Envelope             *envelope            `json:"dsseEnvelope,omitempty"`
}

type verificationMaterial struct {
	PublicKey *publicKeyHint `json:"publicKey,omitempty"`
}

type publicKeyHint struct {
	Hint string `json:"hint"`
}

// envelope is a DSSE envelope (secure-systems-lab/dsse, envelope.md).
type envelope struct {
	Payload     []byte         `json:"payload"`
	PayloadType string         `json:"payloadType"`
	Signatures  []envelopeSign `json:"signatures"`
}

type envelopeSign struct {
	Sig   []byte `json:"sig"`
	KeyID string `json:"keyid,omitempty"`
}

// statement is an in-toto statement.
type statement struct {
	Type          string             `json:"_type"`
	Subject       []statementSubject `json:"subject"`
	PredicateType string             `json:"predicateType"`
	Predicate     map[string]any     `json:"predicate"`
}

type statementSubject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"`
}

func readBundle(data []byte) (s Signature, err error) {
	var b sigstoreBundle
	s.Form = Bundle
	switch {
	case json.Unmarshal(data, &b) != nil:
		return s, errors.New("it is no JSON of a Sigstore bundle")
	case !strings.HasPrefix(b.MediaType, mediaTypeBundlePrefix):
		return s, fmt.Errorf("its media type is %q, not that of a Sigstore bundle", b.MediaType)
	case b.Envelope == nil:
		return s, errors.New("the bundle has no DSSE envelope")
	case len(b.Envelope.Signatures) != 1:
		return s, fmt.Errorf("the bundle has %s instead of one", plural(len(b.Envelope.Signatures), "signature"))
	case b.Envelope.PayloadType != payloadTypeInToto:
		return s, fmt.Errorf("its payload is of type %q, not an in-toto statement", b.Envelope.PayloadType)
	}
	var st statement
	switch {
	case json.Unmarshal(b.Envelope.Payload, &st) != nil,
		st.Type != statementType && st.Type != statementTypeBefore:
		return s, errors.New("its payload is no in-toto statement")
	case st.PredicateType != predicateSign:
		// Whoever attests what is in an image does not say thereby that it is good.
		return s, fmt.Errorf("it states %q, which is no signature", st.PredicateType)
	}
	s.signed, s.sig = preAuthEncoding(b.Envelope), b.Envelope.Signatures[0].Sig
	s.about = func(d digest.Digest) error {
		for _, subject := range st.Subject {
			if subject.Digest[d.Algorithm().String()] == d.Encoded() {
				return nil
			}
		}
		return errOtherDigest
	}
	return s, nil
}

// preAuthEncoding is what is signed of an envelope (DSSE, protocol.md).
func preAuthEncoding(e *envelope) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "DSSEv1 %d %s %d ", len(e.PayloadType), e.PayloadType, len(e.Payload))
	b.Write(e.Payload)
	return b.Bytes()
}

// signBundle returns a bundle with a signature of the digest.
func signBundle(d digest.Digest, key *PrivateKey) (Blob, error) {
	payload, err := json.Marshal(statement{
		Type: statementType, PredicateType: predicateSign, Predicate: map[string]any{},
		Subject: []statementSubject{{Digest: map[string]string{d.Algorithm().String(): d.Encoded()}}},
	})
	if err != nil {
		return Blob{}, err
	}
	e := &envelope{Payload: payload, PayloadType: payloadTypeInToto}
	sig, err := key.sign(preAuthEncoding(e))
	if err != nil {
		return Blob{}, err
	}
	e.Signatures = []envelopeSign{{Sig: sig}}
	// The hint is that of cosign: the digest of the key.
	sum := sha256.Sum256(key.public.der)
	hint := &publicKeyHint{base64.StdEncoding.EncodeToString(sum[:])}
	data, err := json.Marshal(sigstoreBundle{mediaTypeBundle, verificationMaterial{hint}, e})
	return newBlob(mediaTypeBundle, data), err
}
