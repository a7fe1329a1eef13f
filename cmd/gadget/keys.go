package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gadget-bpf/gadget/registry/signature"
)

// passwordOptions are the flags of verbs that open or lock a private key.
type passwordOptions struct{ file string }

// envPassword is cosign's variable for the password of a private key.
const envPassword = "COSIGN_PASSWORD"

func (o *passwordOptions) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.file, "password-file", "", "`FILE` with the password of the private key, - for stdin (default $"+envPassword+", else asked for)")
}

// password gets the password from the file, the environment or the terminal. confirm
// asks twice, for a new one.
func (a *app) password(cmd *cobra.Command, o *passwordOptions, confirm bool) ([]byte, error) {
	if o.file != "" {
		text, err := readInput(o.file)
		if err != nil {
			return nil, fmt.Errorf("read the password: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		return []byte(strings.TrimSuffix(line, "\r")), nil
	}
	if text, ok := a.env(envPassword); ok {
		return []byte(text), nil
	}
	if a.in == nil || !term.IsTerminal(int(a.in.Fd())) {
		return nil, usageErrorf(cmd, "the private key needs a password, and stdin is no terminal to ask for it").
			hint("give --password-file FILE, or set %s (empty for none)", envPassword)
	}
	first, err := a.askPassword("password of the private key: ")
	if err != nil || !confirm {
		return first, err
	}
	second, err := a.askPassword("the same again: ")
	if err == nil && string(first) != string(second) {
		err = errors.New("these were two different passwords")
	}
	return first, err
}

func (a *app) askPassword(prompt string) ([]byte, error) {
	fmt.Fprint(a.err, prompt)
	text, err := term.ReadPassword(int(a.in.Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return nil, fmt.Errorf("read the password: %w", err)
	}
	return text, nil
}

// readInput reads a small file, or stdin for -.
func readInput(name string) ([]byte, error) {
	if name == "-" {
		return readSmall(os.Stdin, "stdin")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readSmall(f, name)
}

func readSmall(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, signature.MaxKeyFile+1))
	if err == nil && len(data) > signature.MaxKeyFile {
		err = fmt.Errorf("%s: more than %d bytes", name, signature.MaxKeyFile)
	}
	return data, err
}

// privateKey reads the key to sign with.
func (a *app) privateKey(cmd *cobra.Command, file string, o *passwordOptions) (*signature.PrivateKey, error) {
	text, err := readInput(file)
	if err != nil {
		return nil, &fault{code: exitUsage, err: fmt.Errorf("read the key: %w", err)}
	}
	key, err := signature.ParsePrivateKey(file, text, func() ([]byte, error) { return a.password(cmd, o, false) })
	if err != nil && asFault(err) == nil {
		return nil, &fault{code: exitUsage, err: err}
	}
	return key, err
}

// publicKeys reads keys to verify with: each is a file, or the key itself in PEM form.
func publicKeys(values []string) ([]*signature.PublicKey, error) {
	var keys []*signature.PublicKey
	for _, v := range values {
		some, err := publicKey(v, "")
		if err != nil {
			return nil, &fault{code: exitUsage, err: err}
		}
		keys = append(keys, some...)
	}
	return keys, nil
}

// publicKey reads the keys in a file, or those in a text in PEM form. Relative names
// are those of files in dir.
func publicKey(value, dir string) ([]*signature.PublicKey, error) {
	if strings.Contains(value, "-----BEGIN ") {
		keys, err := signature.ParsePublicKeys("the key given as text", []byte(value))
		for _, k := range keys {
			k.Name = k.Fingerprint()[:len("sha256:")+12]
		}
		return keys, err
	}
	path := value
	if dir != "" && !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := readInput(path)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	return signature.ParsePublicKeys(path, text)
}
