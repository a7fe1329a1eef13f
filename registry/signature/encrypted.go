package signature

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"
)

// encryptedKey is the JSON in cosign's encrypted keys (go-securesystemslib, package
// encrypted): a secret box whose key scrypt makes of the password.
type encryptedKey struct {
	KDF struct {
		Name   string       `json:"name"`
		Params scryptParams `json:"params"`
		Salt   []byte       `json:"salt"`
	} `json:"kdf"`
	Cipher struct {
		Name  string `json:"name"`
		Nonce []byte `json:"nonce"`
	} `json:"cipher"`
	Ciphertext []byte `json:"ciphertext"`
}

type scryptParams struct {
	N int `json:"N"`
	R int `json:"r"`
	P int `json:"p"`
}

const (
	kdfName    = "scrypt"
	cipherName = "nacl/secretbox"
	nonceSize  = 24
	saltSize   = 32
)

// strength of new keys: that of cosign. The largest that is taken needs 1 GiB.
var (
	strength    = scryptParams{N: 1 << 16, R: 8, P: 1}
	maxStrength = scryptParams{N: 1 << 20, R: 8, P: 16}
)

func decrypt(data, password []byte) ([]byte, error) {
	var e encryptedKey
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("the encrypted key is damaged: %w", err)
	}
	p := e.KDF.Params
	switch {
	case e.KDF.Name != kdfName || e.Cipher.Name != cipherName:
		return nil, fmt.Errorf("it is encrypted with %q and %q; %s and %s are known", e.KDF.Name, e.Cipher.Name, kdfName, cipherName)
	case len(e.Cipher.Nonce) != nonceSize:
		return nil, errors.New("the encrypted key is damaged: its nonce has a wrong size")
	case p.N <= 0 || p.R <= 0 || p.P <= 0 || p.N > maxStrength.N || p.R > maxStrength.R || p.P > maxStrength.P:
		return nil, fmt.Errorf("the encrypted key is damaged: scrypt with N=%d, r=%d, p=%d", p.N, p.R, p.P)
	}
	secret, err := boxKey(password, e.KDF.Salt, p)
	if err != nil {
		return nil, err
	}
	plain, ok := secretbox.Open(nil, e.Ciphertext, (*[nonceSize]byte)(e.Cipher.Nonce), secret)
	if !ok {
		return nil, ErrPassword
	}
	return plain, nil
}

func encrypt(plain, password []byte) ([]byte, error) {
	var e encryptedKey
	e.KDF.Name, e.KDF.Params, e.KDF.Salt = kdfName, strength, make([]byte, saltSize)
	e.Cipher.Name, e.Cipher.Nonce = cipherName, make([]byte, nonceSize)
	rand.Read(e.KDF.Salt) // never fails
	rand.Read(e.Cipher.Nonce)
	secret, err := boxKey(password, e.KDF.Salt, strength)
	if err != nil {
		return nil, err
	}
	e.Ciphertext = secretbox.Seal(nil, plain, (*[nonceSize]byte)(e.Cipher.Nonce), secret)
	return json.Marshal(e)
}

func boxKey(password, salt []byte, p scryptParams) (*[32]byte, error) {
	key, err := scrypt.Key(password, salt, p.N, p.R, p.P, 32)
	if err != nil {
		return nil, fmt.Errorf("the encrypted key is damaged: %w", err)
	}
	return (*[32]byte)(key), nil
}
