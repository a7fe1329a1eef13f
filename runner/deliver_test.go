package runner

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// faulty is an encoder with a bug.
type faulty struct{ mute }

func (faulty) Append([]byte, *event.Record) []byte { panic("a bug") }

// TestCrash checks that a panic in a loop reaches the caller of Run, who may have a
// terminal to put right.
func TestCrash(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/tasks")
	var out bytes.Buffer
	o := Options{Host: true, Out: &out, Encoder: func(*plan.Source, *event.Env) (event.Encoder, error) { return faulty{}, nil }}
	defer func() {
		text := fmt.Sprint(recover())
		if !strings.HasPrefix(text, "a bug\n\n") || !strings.Contains(text, "faulty.Append") {
			t.Errorf("the caller sees %q, want the panic with its stack", text)
		}
	}()
	_, err := Run(t.Context(), p, o)
	t.Errorf("no panic; error %v", err)
}
