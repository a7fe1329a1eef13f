package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// RemoteError says why a registry did not do what it was asked for.
type RemoteError struct {
	// Host is the registry, Action what was tried: "find v1".
	Host, Action string
	// Why in words, and Hints what to do about it.
	Why   string
	Hints []string
	// Unreachable is true when the registry gave no answer at all.
	Unreachable bool
	// Err is the error of the network or the registry.
	Err error
}

// Error names the registry and the cause.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("registry %s: %s: %s", e.Host, e.Action, e.Why)
}

// Unwrap returns the cause.
func (e *RemoteError) Unwrap() error { return e.Err }

// explain words an error of the network or the registry.
func (r *Remote) explain(action string, err error) error {
	var done *RemoteError
	var damage *DamagedError
	switch {
	case err == nil, errors.As(err, &done), errors.As(err, &damage):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, ErrOffline):
		return fmt.Errorf("registry %s: %w", r.ref.Domain, unwrapURL(err))
	}
	e := &RemoteError{Host: r.ref.Domain, Action: action, Err: err}
	var answer *errcode.ErrorResponse
	switch {
	case errors.As(err, &answer):
		e.explainAnswer(r, answer)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		e.explainAnswer(r, &errcode.ErrorResponse{StatusCode: http.StatusUnauthorized})
	case errors.Is(err, errPage):
		e.Why = errPage.Error()
		e.Hints = append(e.Hints, "is it a registry, and not the login page of a proxy?")
	case errors.Is(err, errdef.ErrNotFound):
		e.Why = "not found"
	default:
		e.explainNetwork(err)
	}
	return e
}

// explainAnswer words an answer of the registry.
func (e *RemoteError) explainAnswer(r *Remote, answer *errcode.ErrorResponse) {
	said := ""
	if len(answer.Errors) > 0 {
		said = strings.ReplaceAll(strings.ToLower(answer.Errors[0].Code), "_", " ")
		if m := answer.Errors[0].Message; m != "" {
			said += ": " + m
		}
		said = "; it says: " + said
	}
	code := ""
	if len(answer.Errors) > 0 {
		code = answer.Errors[0].Code
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized:
		e.Why = "not logged in (401" + said + ")"
		e.Hints = append(e.Hints, r.used.words(), "log in with: gadget login "+e.Host)
	case answer.StatusCode == http.StatusForbidden:
		e.Why = "denied (403" + said + ")"
		e.Hints = append(e.Hints, r.used.words(), "this user may not do that in "+r.ref.Repository())
	case refusesKind(answer, code):
		e.Why = fmt.Sprintf("it does not take images of this kind (%d%s)", answer.StatusCode, said)
		e.Hints = append(e.Hints, "the registry seems to know container images only, not OCI artifacts",
			"gadget push --compat image pushes a gadget as a container image, with a digest of its own")
	case answer.StatusCode == http.StatusNotFound:
		e.Why = "not found (404" + said + ")"
	case answer.StatusCode == http.StatusTooManyRequests:
		e.Why = "too many requests (429" + said + ")"
		e.Hints = append(e.Hints, "wait, or log in: many registries allow more to those who have")
	case answer.StatusCode >= 500:
		e.Why = fmt.Sprintf("the registry is in trouble (%d%s)", answer.StatusCode, said)
	default:
		e.Why = fmt.Sprintf("it answers %d %s%s", answer.StatusCode, http.StatusText(answer.StatusCode), said)
	}
}

// refusesKind says whether a registry does not want the media types of a manifest:
// each has its own way of saying so.
func refusesKind(answer *errcode.ErrorResponse, code string) bool {
	switch answer.StatusCode {
	case http.StatusUnsupportedMediaType:
		return true
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity:
		return answer.Method == http.MethodPut && answer.URL != nil && strings.Contains(answer.URL.Path, "/manifests/")
	}
	return answer.StatusCode < 500 && (code == "MANIFEST_INVALID" || code == "UNSUPPORTED")
}

// explainNetwork words what happens before there is an answer.
func (e *RemoteError) explainNetwork(err error) {
	e.Unreachable = true
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Why = "there is no host of that name"
	case errors.As(err, &dns):
		e.Why = "the name of the host cannot be looked up: " + dns.Err
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Why = "connection refused: nothing listens there"
	case isNotTLS(err):
		e.Why = "it speaks plain HTTP"
		e.Hints = append(e.Hints, "--plain-http speaks to it without TLS")
	case errors.As(err, &authority):
		e.Why = "its certificate is signed by an unknown authority"
		e.Hints = append(e.Hints, fmt.Sprintf("trust that authority with --ca-file, or by /etc/containers/certs.d/%s/ca.crt", e.Host),
			"--insecure takes any certificate")
	case errors.As(err, &host):
		e.Why = "its certificate is that of another host: " + host.Error()
	case errors.As(err, &invalid):
		e.Why = "its certificate is not valid: " + invalid.Error()
	case errors.As(err, &alert):
		e.Why = "it ended the TLS handshake: " + alert.Error()
		e.Hints = append(e.Hints, fmt.Sprintf("if it wants a client certificate: /etc/containers/certs.d/%s/client.cert and client.key", e.Host))
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Why = "no answer in time"
	default:
		e.Unreachable = false
		e.Why = unwrapURL(err).Error()
	}
}

// unwrapURL drops the method and URL before the errors of http clients.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
