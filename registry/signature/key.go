package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxKeyFile bounds what is read of a file with keys, in bytes.
	MaxKeyFile = 64 << 10
	// minRSA is the size in bits below which nobody should trust an RSA key.
	minRSA = 2048
)

// PublicKey verifies signatures. It is immutable.
type PublicKey struct {
	// Name says where the key is from, such as the name of its file.
	Name string
	key  crypto.PublicKey
	der  []byte // as PKIX
}

// ParsePublicKeys reads the public keys in a PEM text, at least one. name is what
// messages call them.
func ParsePublicKeys(name string, text []byte) ([]*PublicKey, error) {
	if len(text) > MaxKeyFile {
		return nil, fmt.Errorf("%s: more than %d bytes are no key", name, MaxKeyFile)
	}
	var keys []*PublicKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		key, err := parsePublic(block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		k, err := newPublicKey(name, key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		keys = append(keys, k)
	}
	if keys == nil {
		return nil, fmt.Errorf("%s: it has no public key in PEM form (-----BEGIN PUBLIC KEY-----)", name)
	}
	return keys, nil
}

func parsePublic(block *pem.Block) (crypto.PublicKey, error) {
	switch {
	case block.Type == "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the public key is damaged or of an unknown kind: %w", err)
		}
		return key, nil
	case block.Type == "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the public key is damaged: %w", err)
		}
		return key, nil
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("it is a private key; to verify, give the public one")
	}
	return nil, fmt.Errorf("it has %q where a public key is wanted", block.Type)
}

// newPublicKey refuses keys that are too weak.
func newPublicKey(name string, key crypto.PublicKey) (*PublicKey, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return nil, fmt.Errorf("an RSA key of %d bits is too weak, %d are needed", k.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if c := k.Curve; c != elliptic.P256() && c != elliptic.P384() && c != elliptic.P521() {
			return nil, fmt.Errorf("the curve %s is not supported, only P-256, P-384 and P-521", c.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return nil, errors.New("this kind of key cannot sign images; ECDSA, RSA and Ed25519 can")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return &PublicKey{name, key, der}, nil
}

// Fingerprint identifies the key: the SHA-256 digest of its DER form (PKIX).
func (k *PublicKey) Fingerprint() string {
	sum := sha256.Sum256(k.der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// PEM returns the key as openssl and cosign write it.
func (k *PublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der})
}

// verify reports whether the key has signed the message. ECDSA and RSA sign its
// SHA-256, as cosign does, or for large curves the hash of their size.
func (k *PublicKey) verify(message, sig []byte) bool {
	switch key := k.key.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		if ecdsa.VerifyASN1(key, sum[:], sig) {
			return true
		}
		switch key.Curve {
		case elliptic.P384():
			sum := sha512.Sum384(message)
			return ecdsa.VerifyASN1(key, sum[:], sig)
		case elliptic.P521():
			sum := sha512.Sum512(message)
			return ecdsa.VerifyASN1(key, sum[:], sig)
		}
	case *rsa.PublicKey:
		sum := sha256.Sum256(message)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, sig)
	}
	return false
}
