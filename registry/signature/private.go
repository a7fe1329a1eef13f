package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// PEM types of encrypted keys: cosign's, now and before 2.0, and openssl's.
const (
	pemEncrypted        = "ENCRYPTED SIGSTORE PRIVATE KEY"
	pemEncryptedBefore  = "ENCRYPTED COSIGN PRIVATE KEY"
	pemEncryptedOpenSSL = "ENCRYPTED PRIVATE KEY"
)

// ErrPassword says that an encrypted key does not open with the password.
var ErrPassword = errors.New("the password is wrong, or the key is damaged")

// PrivateKey signs images. It is immutable.
type PrivateKey struct {
	signer crypto.Signer
	public *PublicKey
}

// ParsePrivateKey reads a private key in PEM form: PKCS #8, SEC 1 or PKCS #1 as
// openssl writes them, or encrypted as cosign writes it. password is asked for
// encrypted keys only. name is what messages call the key.
func ParsePrivateKey(name string, text []byte, password func() ([]byte, error)) (*PrivateKey, error) {
	if len(text) > MaxKeyFile {
		return nil, fmt.Errorf("%s: more than %d bytes are no key", name, MaxKeyFile)
	}
	block, rest := pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam puts them first
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, fmt.Errorf("%s: it has no private key in PEM form (-----BEGIN PRIVATE KEY-----)", name)
	}
	key, err := parsePrivate(block, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return newPrivateKey(name, key)
}

func parsePrivate(block *pem.Block, password func() ([]byte, error)) (key any, err error) {
	if block.Headers["DEK-Info"] != "" {
		block.Type = pemEncryptedOpenSSL
	}
	switch block.Type {
	case pemEncrypted, pemEncryptedBefore:
		secret, err := password()
		if err != nil {
			return nil, err
		}
		der, err := decrypt(block.Bytes, secret)
		if err != nil {
			return nil, err
		}
		key, err = x509.ParsePKCS8PrivateKey(der)
		return key, damagedKey(err)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case pemEncryptedOpenSSL:
		return nil, errors.New("it is encrypted in a way that only openssl reads; decrypt it with: openssl pkey -in KEY -out PLAIN")
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("it is a public key; to sign, give the private one")
	default:
		return nil, fmt.Errorf("it has %q where a private key is wanted", block.Type)
	}
	return key, damagedKey(err)
}

func damagedKey(err error) error {
	if err != nil {
		return fmt.Errorf("the private key is damaged or of an unknown kind: %w", err)
	}
	return nil
}

func newPrivateKey(name string, key any) (*PrivateKey, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: this kind of key cannot sign images; ECDSA, RSA and Ed25519 can", name)
	}
	public, err := newPublicKey(name, signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &PrivateKey{signer, public}, nil
}

// GenerateKey makes a new key, ECDSA on P-256 as cosign does.
func GenerateKey() (*PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return newPrivateKey("the new key", key)
}

// Public returns the key that verifies what k signs.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// PEM returns the key encrypted with a password, which may be empty, in the form
// of cosign.
func (k *PrivateKey) PEM(password []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	sealed, err := encrypt(der, password)
	if err != nil {
		return nil, fmt.Errorf("encrypt the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemEncrypted, Bytes: sealed}), nil
}

// sign signs a message: Ed25519 itself, others its SHA-256. The same key and
// message give the same signature (ECDSA by RFC 6979, which a nil source of
// randomness asks for).
func (k *PrivateKey) sign(message []byte) ([]byte, error) {
	if _, ok := k.signer.(ed25519.PrivateKey); ok {
		return k.signer.Sign(nil, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	return k.signer.Sign(nil, sum[:], crypto.SHA256)
}
