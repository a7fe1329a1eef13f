package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tlsConfig returns what is trusted, and shown, when speaking to a host: files of
// the first directory for it, laid out as docker's certs.d/HOST:
//
//	*.crt          certificates to trust
//	*.cert, *.key  a certificate of ours and its key
func (c *Client) tlsConfig(host string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.o.Insecure}
	if c.o.CAFile != "" {
		if err := trust(config, c.o.CAFile); err != nil {
			return nil, err
		}
	}
	for _, dir := range c.o.CertDirs {
		dir = filepath.Join(dir, host)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if errors.Is(err, fs.ErrPermission) {
			c.log.Warn("the certificates for a registry may not be read", "directory", dir)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("certificates for %s: %w", host, err)
		}
		for _, e := range entries {
			if err := addCertificate(config, filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
		return config, nil
	}
	return config, nil
}

func addCertificate(config *tls.Config, path string) error {
	switch filepath.Ext(path) {
	case ".crt":
		return trust(config, path)
	case ".cert":
		key := strings.TrimSuffix(path, ".cert") + ".key"
		pair, err := tls.LoadX509KeyPair(path, key)
		if err != nil {
			return fmt.Errorf("client certificate %s with key %s: %w", path, key, err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	return nil
}

// trust adds the certificates of a file to those of the system.
func trust(config *tls.Config, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("certificates to trust: %w", err)
	}
	if config.RootCAs == nil {
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			config.RootCAs = x509.NewCertPool()
		}
	}
	if !config.RootCAs.AppendCertsFromPEM(data) {
		return fmt.Errorf("certificates to trust: %s has no certificate in PEM form", path)
	}
	return nil
}
