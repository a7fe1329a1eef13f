package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var subject = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromString("image"), Size: 5}

func newKey(t testing.TB) *PrivateKey {
	t.Helper()
	k, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSign(t testing.TB, form Form, k *PrivateKey, earlier ...[]byte) *Artifact {
	t.Helper()
	a, err := Sign(form, subject, "example.com/acme/tool", k, earlier...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// read reads all signatures of an artifact; blobs are those that it lacks.
func read(t testing.TB, a *Artifact, blobs ...Blob) []Signature {
	t.Helper()
	var all []Signature
	for _, l := range Layers(a.Manifest.Data) {
		for _, b := range append(a.Blobs, blobs...) {
			if b.Digest == l.Digest {
				all = append(all, Read(l, b.Data))
				break
			}
		}
	}
	return all
}

func public(keys ...*PrivateKey) []*PublicKey {
	var all []*PublicKey
	for _, k := range keys {
		all = append(all, k.Public())
	}
	return all
}

func TestForms(t *testing.T) {
	ours, theirs := newKey(t), newKey(t)
	for _, form := range []Form{Tag, Referrer, Bundle} {
		t.Run(string(form), func(t *testing.T) {
			a := mustSign(t, form, ours)
			all := read(t, a)
			if len(all) != 1 || all[0].Damage != nil {
				t.Fatalf("read %+v", all)
			}
			v, err := Check(all, subject.Digest, public(theirs, ours))
			if err != nil || v.Key != ours.Public() {
				t.Errorf("verified %+v, %v", v, err)
			}
			var refused *RefusedError
			if _, err := Check(all, subject.Digest, public(theirs)); !errors.As(err, &refused) || !strings.Contains(err.Error(), "another key") {
				t.Errorf("wrong key: %v", err)
			}
			if _, err := Check(all, digest.FromString("other"), public(ours)); !errors.As(err, &refused) || !strings.Contains(err.Error(), "of another image") {
				t.Errorf("wrong digest: %v", err)
			}
			if _, err := Check(all, subject.Digest, nil); err == nil {
				t.Error("verified without a key")
			}
			if (a.Tag != "") != (form == Tag) || bytes.Contains(a.Manifest.Data, []byte(`"subject"`)) != (form != Tag) {
				t.Errorf("tag %q, manifest %s", a.Tag, a.Manifest.Data)
			}
			// The same key and image give the same bytes.
			if again := mustSign(t, form, ours); again.Manifest.Digest != a.Manifest.Digest {
				t.Error("signed again, it is another manifest")
			}
		})
	}
}

// TestTampered changes every byte of what a signature consists of: none may be
// taken for one of the image then.
func TestTampered(t *testing.T) {
	k := newKey(t)
	for _, form := range []Form{Tag, Bundle} {
		a := mustSign(t, form, k)
		layer := Layers(a.Manifest.Data)[0]
		data := a.Blobs[len(a.Blobs)-1].Data
		for i := range data {
			changed := bytes.Clone(data)
			changed[i] ^= 1
			s := Read(layer, changed)
			if _, err := Check([]Signature{s}, subject.Digest, public(k)); err == nil && !harmless(form, data, changed) {
				t.Fatalf("%s: verified after byte %d of %s was changed: %s", form, i, data, changed)
			}
		}
		if form == Tag {
			layer.Annotations[annotationSignature] = "AAAA" + layer.Annotations[annotationSignature][4:]
			if _, err := Check([]Signature{Read(layer, data)}, subject.Digest, public(k)); err == nil {
				t.Error("verified with another signature")
			}
		}
	}
}

// harmless changes of a bundle are those outside of what is signed and of the signature.
func harmless(form Form, before, after []byte) bool {
	var b, a sigstoreBundle
	if form != Bundle || json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
		return false
	}
	return bytes.Equal(preAuthEncoding(a.Envelope), preAuthEncoding(b.Envelope)) && bytes.Equal(a.Envelope.Signatures[0].Sig, b.Envelope.Signatures[0].Sig)
}

func TestSeveral(t *testing.T) {
	one, two, three := newKey(t), newKey(t), newKey(t)
	first := mustSign(t, Tag, one)
	second := mustSign(t, Tag, two, first.Manifest.Data)
	both := read(t, second, first.Blobs...)
	if len(both) != 2 {
		t.Fatalf("%d signatures under the tag, want 2", len(both))
	}
	for _, k := range []*PrivateKey{one, two} {
		if v, err := Check(both, subject.Digest, public(three, k)); err != nil || v.Key != k.Public() {
			t.Errorf("%+v, %v", v, err)
		}
	}
	// Garbage around the right one does no harm.
	garbage := []Signature{Read(ocispec.Descriptor{MediaType: mediaTypeSimple}, []byte("?")), Read(ocispec.Descriptor{MediaType: mediaTypeBundle}, []byte("{}"))}
	if _, err := Check(append(garbage, both...), subject.Digest, public(two)); err != nil {
		t.Errorf("with garbage: %v", err)
	}
	if _, err := Check(garbage, subject.Digest, public(two)); err == nil || !strings.Contains(err.Error(), "2 signatures: its signature is not base64; its media type") {
		t.Errorf("garbage alone: %v", err)
	}
	if _, err := Check(nil, subject.Digest, public(two)); err == nil || err.Error() != "it is not signed" {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := Sign(Tag, subject, "", one, []byte("?")); err == nil {
		t.Error("signed on top of garbage")
	}
}

// TestWrongStatements signs well what is no signature of an image.
func TestWrongStatements(t *testing.T) {
	k := newKey(t)
	bundle := func(change func(*envelope, *statement)) []byte {
		st := statement{Type: statementType, PredicateType: predicateSign, Subject: []statementSubject{{Digest: map[string]string{"sha256": subject.Digest.Encoded()}}}}
		e := &envelope{PayloadType: payloadTypeInToto}
		change(e, &st)
		e.Payload, _ = json.Marshal(st)
		sig, _ := k.sign(preAuthEncoding(e))
		e.Signatures = append(e.Signatures, envelopeSign{Sig: sig})
		data, _ := json.Marshal(sigstoreBundle{MediaType: mediaTypeBundle, Envelope: e})
		return data
	}
	tests := []struct {
		name, want string
		change     func(*envelope, *statement)
	}{
		{"as it should be", "", func(*envelope, *statement) {}},
		{"second subject", "", func(_ *envelope, s *statement) {
			s.Subject = append([]statementSubject{{Digest: map[string]string{"sha256": "00"}}}, s.Subject...)
		}},
		{"attestation", "which is no signature", func(_ *envelope, s *statement) { s.PredicateType = "https://slsa.dev/provenance/v1" }},
		{"payload type", "not an in-toto statement", func(e *envelope, _ *statement) { e.PayloadType = "text/plain" }},
		{"statement type", "no in-toto statement", func(_ *envelope, s *statement) { s.Type = "x" }},
		{"two signatures", "2 signatures instead of one", func(e *envelope, _ *statement) { e.Signatures = []envelopeSign{{}} }},
		{"other digest", "of another image", func(_ *envelope, s *statement) { s.Subject[0].Digest["sha256"] = strings.Repeat("0", 64) }},
		{"other algorithm", "of another image", func(_ *envelope, s *statement) {
			s.Subject[0].Digest = map[string]string{"sha512": subject.Digest.Encoded()}
		}},
		{"no subject", "of another image", func(_ *envelope, s *statement) { s.Subject = nil }},
	}
	for _, tt := range tests {
		s := Read(ocispec.Descriptor{MediaType: mediaTypeBundle}, bundle(tt.change))
		if _, err := Check([]Signature{s}, subject.Digest, public(k)); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// A simple signature of another type, and one without a digest.
	for _, payload := range []string{`{"critical":{"image":{"docker-manifest-digest":"` + subject.Digest.String() + `"},"type":"letter"}}`, `{"critical":{"type":"` + simpleType + `"}}`} {
		sig, _ := k.sign([]byte(payload))
		l := ocispec.Descriptor{MediaType: mediaTypeSimple, Annotations: map[string]string{annotationSignature: pemBase64(sig)}}
		if _, err := Check([]Signature{Read(l, []byte(payload))}, subject.Digest, public(k)); err == nil {
			t.Errorf("verified %s", payload)
		}
	}
}

func pemBase64(data []byte) string {
	text, _ := json.Marshal(data)
	return strings.Trim(string(text), `"`)
}

// TestGolden holds what is written against the bytes that cosign writes (v2.6.5), but
// for the signature.
func TestGolden(t *testing.T) {
	k := newKey(t)
	simple := mustSign(t, Tag, k)
	want := `{"critical":{"identity":{"docker-reference":"example.com/acme/tool"},"image":{"docker-manifest-digest":"` + subject.Digest.String() + `"},"type":"cosign container image signature"},"optional":null}`
	if got := string(simple.Blobs[1].Data); got != want {
		t.Errorf("payload:\n%s\nwant:\n%s", got, want)
	}
	if simple.Tag != "sha256-"+subject.Digest.Encoded()+".sig" {
		t.Errorf("tag %s", simple.Tag)
	}
	bundle := mustSign(t, Bundle, k)
	var b sigstoreBundle
	if err := json.Unmarshal(bundle.Blobs[1].Data, &b); err != nil {
		t.Fatal(err)
	}
	want = `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + subject.Digest.Encoded() + `"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}`
	if got := string(b.Envelope.Payload); got != want {
		t.Errorf("statement:\n%s\nwant:\n%s", got, want)
	}
	if got := string(preAuthEncoding(&envelope{PayloadType: "http://example.com/HelloWorld", Payload: []byte("hello world")})); got != "DSSEv1 29 http://example.com/HelloWorld 11 hello world" {
		t.Errorf("pre-authentication encoding %q", got) // the example of the specification
	}
}

func TestLimits(t *testing.T) {
	if Layers(bytes.Repeat([]byte(" "), MaxManifest+1)) != nil {
		t.Error("a huge manifest was read")
	}
	many := ocispec.Manifest{}
	for i := range MaxSignatures + 10 {
		many.Layers = append(many.Layers, ocispec.Descriptor{
			MediaType: mediaTypeSimple, Digest: subject.Digest, Size: 10, Annotations: map[string]string{annotationSignature: fmt.Sprint(i)},
		})
	}
	many.Layers[0].Size = MaxLayer + 1
	many.Layers[1].Digest = "sha256:../../x"
	data, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	layers := Layers(data)
	if len(layers) != MaxSignatures || layers[0].Size != 10 || layers[0].Digest != subject.Digest {
		t.Errorf("%d layers, first %+v", len(layers), layers[0])
	}
	if s := Read(layers[0], make([]byte, MaxLayer+1)); s.Damage == nil {
		t.Error("a huge payload was read")
	}
	if _, err := Sign(Tag, subject, "", newKey(t), data); err == nil {
		t.Error("signed beyond the limit")
	}
}

func TestKeys(t *testing.T) {
	ec := func(c elliptic.Curve) any { k, _ := ecdsa.GenerateKey(c, rand.Reader); return k }
	rsaKey := func(bits int) any { k, _ := rsa.GenerateKey(rand.Reader, bits); return k }
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for name, key := range map[string]any{"P-256": ec(elliptic.P256()), "P-384": ec(elliptic.P384()), "P-521": ec(elliptic.P521()), "RSA": rsaKey(2048), "Ed25519": ed} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		k, err := ParsePrivateKey(name, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ParsePublicKeys(name, k.Public().PEM())
		if err != nil || len(keys) != 1 || keys[0].Fingerprint() != k.Public().Fingerprint() {
			t.Fatalf("%s: public key: %v", name, err)
		}
		if _, err := Check(read(t, mustSign(t, Bundle, k)), subject.Digest, keys); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	weak, _ := x509.MarshalPKIXPublicKey(&rsaKey(1024).(*rsa.PrivateKey).PublicKey)
	curve, _ := x509.MarshalPKIXPublicKey(&ec(elliptic.P224()).(*ecdsa.PrivateKey).PublicKey)
	for want, text := range map[string][]byte{
		"too weak":         pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: weak}),
		"P-224":            pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: curve}),
		"damaged":          pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: weak[:50]}),
		"it is a private":  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY"}),
		`"CERTIFICATE"`:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}),
		"no public key":    []byte("hello"),
		"more than 65536 ": make([]byte, MaxKeyFile+1),
	} {
		if _, err := ParsePublicKeys("k.pub", text); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "k.pub: ") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for want, text := range map[string]string{
		"only openssl reads": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"it is a public key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"damaged":            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"no private key":     "hello",
	} {
		if _, err := ParsePrivateKey("k.pem", []byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestEncryptedKey(t *testing.T) {
	k := newKey(t)
	sealed, err := k.PEM([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(password string) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(password), nil }
	}
	opened, err := ParsePrivateKey("k", sealed, with("secret"))
	if err != nil || opened.Public().Fingerprint() != k.Public().Fingerprint() {
		t.Error(err)
	}
	if _, err := ParsePrivateKey("k", sealed, with("")); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	for want, inside := range map[string]string{
		"N=1073741824": `{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1}},"cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}`,
		`"argon2"`:     `{"kdf":{"name":"argon2"},"cipher":{"name":"nacl/secretbox"}}`,
		"nonce":        `{"kdf":{"name":"scrypt"},"cipher":{"name":"nacl/secretbox","nonce":"AA=="}}`,
		"is damaged":   `?`,
	} {
		text := pem.EncodeToMemory(&pem.Block{Type: pemEncryptedBefore, Bytes: []byte(inside)})
		if _, err := ParsePrivateKey("k", text, with("")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestOpenSSL reads keys as openssl writes them.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"pkcs8":   {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"sec1":    {"ecparam", "-genkey", "-name", "prime256v1"},
		"ed25519": {"genpkey", "-algorithm", "ed25519"},
		"pkcs1":   {"genrsa", "-traditional"},
	} {
		path := filepath.Join(dir, name)
		if out, err := exec.Command("openssl", append(args, "-out", path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParsePrivateKey(name, text, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		pub, err := exec.Command("openssl", "pkey", "-in", path, "-pubout").Output()
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ParsePublicKeys(name, pub)
		if err != nil || keys[0].Fingerprint() != k.Public().Fingerprint() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRead reads anything as a manifest, and as a signature of each kind: nothing
// that the key has not signed is verified.
func FuzzRead(f *testing.F) {
	k := newKey(f)
	for _, form := range []Form{Tag, Bundle} {
		a := mustSign(f, form, k)
		sig := Layers(a.Manifest.Data)[0].Annotations[annotationSignature]
		f.Add(a.Manifest.Data, a.Blobs[1].Data, sig)
	}
	other := newKey(f)
	f.Fuzz(func(t *testing.T, manifest, data []byte, sig string) {
		Layers(manifest)
		for _, mediaType := range []string{mediaTypeSimple, mediaTypeBundle} {
			s := Read(ocispec.Descriptor{MediaType: mediaType, Annotations: map[string]string{annotationSignature: sig}}, data)
			if _, err := Check([]Signature{s}, subject.Digest, public(other)); err == nil {
				t.Fatalf("verified %s", data)
			}
		}
		_, _ = Sign(Tag, subject, "", k, manifest)
	})
}

// FuzzKeys reads anything as a key.
func FuzzKeys(f *testing.F) {
	k := newKey(f)
	f.Add(k.Public().PEM())
	der, _ := x509.MarshalPKCS8PrivateKey(k.signer)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: pemEncrypted, Bytes: []byte(`{"kdf":{"name":"scrypt","params":{"N":2,"r":1,"p":1},"salt":""},"cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}`)}))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = ParsePublicKeys("k", text)
		if k, err := ParsePrivateKey("k", text, func() ([]byte, error) { return nil, errors.New("no password") }); err == nil {
			mustSign(t, Bundle, k)
		}
	})
}
