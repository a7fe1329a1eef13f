package engine

import (
	"encoding/binary"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// Two ids of containers.
const (
	hex   = "4e9b5b3c7a1d2f60818293a4b5c6d7e8f9000112233445566778899aabbccdde"
	other = "00ff5b3c7a1d2f60818293a4b5c6d7e8f9000112233445566778899aabbccd11"
)

// listen makes a socket.
func listen(t testing.TB) (net.Listener, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // Short: it becomes the path of a socket.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, path
}

// serve serves HTTP, and HTTP/2 as gRPC has it, by a function: to be as bad as no
// real engine can be made to be.
func serve(t testing.TB, handler http.HandlerFunc) (socket string) {
	t.Helper()
	l, path := listen(t)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: &protocols}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return path
}

// answerGRPC writes one message and a status.
func answerGRPC(w http.ResponseWriter, message []byte, status string) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	if message != nil {
		w.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))))
		w.Write(message)
	}
	w.Header().Set("Grpc-Status", status)
}

// object appends a field that is a message.
func object(number int, fields ...[]byte) []byte {
	var m []byte
	for _, f := range fields {
		m = append(m, f...)
	}
	return appendText(nil, protoNumber(number), m)
}

// text appends a field that is a text.
func text(number int, value string) []byte { return appendText(nil, protoNumber(number), value) }

// labels appends a map.
func labels(number int, pairs ...string) []byte {
	var m []byte
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, object(number, text(1, pairs[i]), text(2, pairs[i+1]))...)
	}
	return m
}
