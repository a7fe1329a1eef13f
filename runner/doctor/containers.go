package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// askTime is how long a runtime may take for an answer.
const askTime = 500 * time.Millisecond

// containers watches containers for a moment, and asks runtimes.
func containers(ctx context.Context, may bool, engines engine.Options) []Check {
	checks := []Check{watcher(ctx, may, engines)}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	runtimes := container.Runtimes(ctx, engines)
	for _, r := range runtimes {
		checks = append(checks, runtimeCheck(r))
	}
	if len(runtimes) == 0 {
		checks = append(checks, Check{Name: "runtimes", State: OK, Detail: "none found; containers of others are seen, with their ids"})
	}
	return checks
}

// watcher does what every run does that has to do with containers.
func watcher(ctx context.Context, may bool, engines engine.Options) Check {
	c := Check{Name: "watcher", State: OK, Vital: true, Detail: "containers are known before anything runs in them"}
	if !may {
		c.State, c.Detail = Unknown, notTried
		return c
	}
	w, err := container.Start(ctx, container.Options{Engines: engines})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		c.State, c.Detail = Missing, reason(err)
	}
	return c
}

func runtimeCheck(r container.Runtime) Check {
	c := Check{Name: r.Name, State: OK, Detail: fmt.Sprintf("%s at %s", r.Version, r.Socket)}
	if r.Err != nil {
		c.State, c.Detail = Limited, fmt.Sprintf("%v: its containers have ids instead of names", r.Err)
		c.Remedy = "start it, or say where it is, for docker by DOCKER_HOST=unix://SOCKET; only root and the group of the socket may ask it"
	}
	return c
}
