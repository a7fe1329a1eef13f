package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// grpc calls methods of a gRPC server on a unix socket. It is what is needed for
// calls with one small message each way: the framing of
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md over the HTTP/2 of
// net/http. The complete library and
// the generated messages would add 5.4 MB to the binary.
type grpc struct {
	// what is the name for errors.
	what, socket string
	http         http.Client
}

// grpcPrefix is the length of what comes before a message: one byte that says
// whether it is compressed, four with its length.
const grpcPrefix = 5

func newGRPC(what, socket string) *grpc {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	g := &grpc{what: what, socket: socket}
	g.http.Transport = &http.Transport{
		DialContext: dialer(socket), Protocols: &h2c,
		MaxIdleConns: 1, IdleConnTimeout: time.Minute,
		DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
	return g
}

// dialer connects to a unix socket, whatever address is wanted.
func dialer(socket string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
}

// status is an error that the server reports. The codes are those of
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md.
type status struct{ code, message string }

const (
	statusOK            = "0"
	statusNotFound      = "5"
	statusUnimplemented = "12"
)

func (s *status) Error() string {
	if s.message == "" {
		return "gRPC status " + s.code
	}
	return s.message
}

// isStatus says whether an error is one that the server reports, with that code.
func isStatus(err error, code string) bool {
	var s *status
	return errors.As(err, &s) && s.code == code
}

// call calls a method, such as /package.Service/Method. The namespace is
// containerd's; "" is none.
func (g *grpc) call(ctx context.Context, method, namespace string, request []byte) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := g.exchange(ctx, method, namespace, request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, explain(g.what, g.socket, err)
	}
	return answer, nil
}

func (g *grpc) exchange(ctx context.Context, method, namespace string, request []byte) (message, error) {
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine"+method, strings.NewReader(string(append(framed, request...))))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	if namespace != "" {
		req.Header.Set("containerd-namespace", namespace)
	}
	resp, err := g.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/grpc") {
		return nil, fmt.Errorf("the answer is not gRPC: %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	if err != nil {
		return nil, err
	}
	if len(body) > bodyLimit {
		return nil, tooLarge()
	}
	if err := grpcStatus(resp); err != nil {
		return nil, err
	}
	return unframe(body)
}

// grpcStatus reads what the server says at the end, or instead of an answer.
func grpcStatus(resp *http.Response) error {
	end := resp.Trailer
	if resp.Header.Get("Grpc-Status") != "" {
		end = resp.Header
	}
	code := end.Get("Grpc-Status")
	switch code {
	case statusOK:
		return nil
	case "":
		return errors.New("the answer is not gRPC: it has no status")
	}
	text := end.Get("Grpc-Message")
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	return &status{code: code, message: text[:min(len(text), maxName)]}
}

// unframe takes the one message out of a body.
func unframe(body []byte) (message, error) {
	if len(body) < grpcPrefix || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-grpcPrefix) {
		return nil, errors.New("the answer is not one gRPC message")
	}
	return body[grpcPrefix:], nil
}
