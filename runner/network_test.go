package runner

import (
	"bytes"
	"net"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// TestStreamByNetwork checks that events that tell nothing but their network
// namespace get the containers that live there, also the first events of new
// ones, and that those of others are left out.
func TestStreamByNetwork(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/listens")
	d := testengine.StartDocker(t)
	listener := func() int {
		// A socket of several paths would have several of one path below it.
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return 0
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port
	}
	const webPort, dbPort = 4101, 4102
	listen := func(name string, port int) {
		d.Run(t, []string{"--rm", "--name", name}, "sh", "-c", "nc -l -p "+strconv.Itoa(port)+" 127.0.0.1 & sleep 0.3")
	}
	for _, tt := range []struct {
		name            string
		host            bool
		selector        container.Patterns
		web, db, onHost bool
	}{
		{"everything", true, nil, true, true, true},
		{"containers", false, nil, true, true, false},
		{"one", false, container.Patterns{"web"}, true, false, false},
		{"host and one", true, container.Patterns{"db"}, false, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			hostPort := 0
			o := Options{Host: tt.host, Engines: engine.Options{Docker: d.Host()}, Out: &out, Encoder: json}
			o.Selector.Name = tt.selector
			runUntil(t, p, o, func() {
				hostPort = listener()
				listen("web", webPort)
				listen("db", dbPort)
			})
			want, got := map[int][]string{}, map[int][]string{}
			for _, expected := range []struct {
				shown bool
				port  int
				name  string
			}{{tt.web, webPort, "web"}, {tt.db, dbPort, "db"}, {tt.onHost, hostPort, ""}} {
				if expected.shown {
					want[expected.port] = []string{expected.name}
				}
			}
			for line := range bytes.Lines(out.Bytes()) {
				var e struct {
					Port    int
					Runtime struct{ ContainerName string }
				}
				decode(t, line, &e)
				if e.Port == webPort || e.Port == dbPort || e.Port == hostPort {
					got[e.Port] = append(got[e.Port], e.Runtime.ContainerName)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("names by port: -want +got:\n%s", diff)
			}
		})
	}
}
