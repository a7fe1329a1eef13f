package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	oras "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// ErrOffline is what everything returns that would need a network it may not use.
var ErrOffline = errors.New("offline: no registry is asked")

// ClientOptions are the choices of NewClient. The zero value works: HTTPS with the
// system's certificates, and no credentials.
type ClientOptions struct {
	// Credentials are asked when a registry wants to know who we are; nil is nobody.
	Credentials *Credentials
	// Offline makes every request fail with ErrOffline before anything is dialled.
	Offline bool
	// PlainHTTP says whether registries are spoken to without TLS. With nil that
	// is tried on this machine only, after TLS was answered with plain HTTP.
	PlainHTTP *bool
	// Insecure takes any certificate.
	Insecure bool
	// CAFile has certificates, as PEM, to trust besides the system's.
	CAFile string
	// CertDirs hold a directory for each registry, as docker's certs.d does; nil is
	// those of docker and containers.
	CertDirs []string
	// UserAgent is sent to registries.
	UserAgent string
	// Transport replaces the connection to the network.
	Transport http.RoundTripper
	// Log gets warnings and retries; nil is silent.
	Log *slog.Logger
}

// Client speaks to registries. It may be used concurrently; nothing has to be
// closed.
type Client struct {
	o   ClientOptions
	log *slog.Logger

	mu         sync.Mutex
	transports map[string]http.RoundTripper // by host
	plain      map[string]bool              // by host: speaks plain HTTP
}

// NewClient returns a client. It reads no file and dials nothing.
func NewClient(o ClientOptions) *Client {
	c := &Client{o: o, log: o.Log, transports: map[string]http.RoundTripper{}, plain: map[string]bool{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.o.CertDirs == nil {
		c.o.CertDirs = []string{"/etc/containers/certs.d", "/etc/docker/certs.d"}
	}
	if c.o.UserAgent == "" {
		c.o.UserAgent = "gadget"
	}
	return c
}

// Remote returns the repository of an image. Nothing is dialled yet.
func (c *Client) Remote(ref Reference) *Remote { return &Remote{client: c, ref: ref} }

// RoundTrip implements http.RoundTripper: one request, to a host that has
// certificates of its own perhaps, and never when offline.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.o.Offline {
		return nil, ErrOffline
	}
	t, err := c.transport(req.URL.Host)
	if err != nil {
		return nil, err
	}
	resp, err := t.RoundTrip(req)
	switch {
	case err != nil:
		c.log.Debug("registry", "method", req.Method, "url", req.URL.Redacted(), "error", err)
	default:
		c.log.Debug("registry", "method", req.Method, "url", req.URL.Redacted(), "status", resp.StatusCode)
		if after, ok := req.Context().Value(retryAfterKey{}).(*string); ok {
			*after = resp.Header.Get("Retry-After")
		}
		if isPage(resp) {
			resp.Body.Close()
			return nil, errPage
		}
	}
	return resp, err
}

// errPage is for servers that are no registry.
var errPage = errors.New("it answers with a web page instead of a manifest")

func isPage(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK && strings.Contains(resp.Request.URL.Path, "/manifests/") &&
		strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
}

func (c *Client) transport(host string) (http.RoundTripper, error) {
	if c.o.Transport != nil {
		return c.o.Transport, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.transports[host]; t != nil {
		return t, nil
	}
	config, err := c.tlsConfig(host)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   4 * parallel,
		ForceAttemptHTTP2:     true,
		// A registry that answers with endless headers gets nowhere.
		MaxResponseHeaderBytes: 256 << 10,
	}
	c.transports[host] = t
	return t, nil
}

// http returns a client that tries again when a registry is busy, and follows no
// redirect away from TLS.
func (c *Client) http() *http.Client {
	return &http.Client{
		Transport: &retry.Transport{Base: c, Policy: func() retry.Policy {
			return &retry.GenericPolicy{Retryable: retryable, Backoff: backoff, MaxWait: maxPause, MaxRetry: 4}
		}},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) >= 10:
				return errors.New("more than 10 redirects")
			case req.URL.Scheme != "https" && via[0].URL.Scheme == "https":
				return fmt.Errorf("redirect from https to %s", req.URL.Redacted())
			}
			return nil
		},
	}
}

func retryable(resp *http.Response, err error) (bool, error) {
	if err != nil {
		if errors.Is(err, ErrOffline) {
			return false, nil
		}
		again, _ := retry.DefaultPredicate(resp, err)
		return again, nil
	}
	if resp.StatusCode == http.StatusNotImplemented {
		return false, nil // and will not be in a second
	}
	return retry.DefaultPredicate(resp, nil)
}

// maxPause is how long is waited at most before a busy registry is asked again.
const maxPause = time.Minute

// backoff is pause as the answer of a registry asks for it.
func backoff(attempt int, resp *http.Response) time.Duration {
	if resp == nil {
		return pause(attempt, "")
	}
	return pause(attempt, resp.Header.Get("Retry-After"))
}

// pause is as long as a registry says by Retry-After, and otherwise longer each time.
func pause(attempt int, after string) time.Duration {
	if wait, err := time.ParseDuration(after + "s"); err == nil && wait >= 0 {
		return wait
	}
	if at, err := http.ParseTime(after); err == nil {
		return time.Until(at)
	}
	return retry.ExponentialBackoff(250*time.Millisecond, 2, 0.1)(attempt, nil)
}

type retryAfterKey struct{}

// withRetryAfter returns a context whose requests keep Retry-After of their last
// answer: errors do not have it.
func withRetryAfter(ctx context.Context) (context.Context, *string) {
	after := new(string)
	return context.WithValue(ctx, retryAfterKey{}, after), after
}

// speaksPlain says whether a registry is spoken to without TLS.
func (c *Client) speaksPlain(ctx context.Context, host string) (bool, error) {
	if c.o.PlainHTTP != nil {
		return *c.o.PlainHTTP, nil
	}
	if !isLoopback(host) || c.o.Offline {
		return false, nil
	}
	c.mu.Lock()
	plain, known := c.plain[host]
	c.mu.Unlock()
	if known {
		return plain, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return false, err
	}
	resp, err := c.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	if err != nil && !isNotTLS(err) {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain[host] = err != nil
	return err != nil, nil
}

// isNotTLS says whether a server answered a TLS greeting with something else.
func isNotTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// repository returns the client of one repository. used gets the credential that
// was sent, if any.
func (c *Client) repository(ctx context.Context, ref Reference, used *usedCredential) (*remote.Repository, error) {
	where := oras.Reference{Registry: ref.Domain, Repository: ref.Path}
	plain, err := c.speaksPlain(ctx, where.Host())
	if err != nil {
		return nil, err
	}
	repo := &remote.Repository{
		Client: c.authClient(ref, where.Host(), used), Reference: where, PlainHTTP: plain,
		MaxMetadataBytes: MaxManifest, ReferrerListMaxPages: 100,
		// Many registries refuse deletion, and who pushes may not delete.
		SkipReferrersGC: true,
		HandleWarning:   func(w remote.Warning) { c.log.Warn("registry " + ref.Domain + ": " + w.Text) },
	}
	return repo, nil
}

func (c *Client) authClient(ref Reference, host string, used *usedCredential) *auth.Client {
	client := &auth.Client{Client: c.http(), Cache: auth.NewCache(), ClientID: "gadget"}
	client.SetUserAgent(c.o.UserAgent)
	client.Credential = func(ctx context.Context, asked string) (auth.Credential, error) {
		if c.o.Credentials == nil || asked != host {
			return auth.EmptyCredential, nil
		}
		found, err := c.o.Credentials.find(ctx, ref)
		if err != nil {
			return auth.EmptyCredential, err
		}
		used.set(found)
		return found.Credential, nil
	}
	return client
}
