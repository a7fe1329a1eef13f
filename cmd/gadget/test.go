package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/expect"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/schemas"
)

type testOptions struct {
	file, run, junit string
	allow            permissions
	output           choice
}

func testCmd(a *app) *cobra.Command {
	opts := testOptions{output: oneOf("FORMAT", "text", "json", "yaml")}
	cmd := &cobra.Command{
		Use:     "test DIR…",
		Short:   "Build a gadget, run it, and check that the expected events come",
		GroupID: groupImages,
		Long: `Build the gadget in each DIR and run the tests of its gadget_test.yaml: load the gadget,
wait until it is ready, run the test's workload, and hold the events against what is
expected. What came instead is shown. Needs root, as gadget run does.

  tests:
  - name: a file that does not exist
    params: {failed: "true"}          # the gadget's own flags
    workload: cat "$TMP/missing" || true
    expect:
    - event: {proc.comm: cat, fname: "${TMP}/missing", error: ENOENT}
      count: 1                        # or 2..5, 2.., 0; default: at least one

A value is a text, ~ with a regular expression, or < <= > >= != with a value. The
scripts setup (before the gadget runs) and workload (when it is ready) run by /bin/sh
in DIR; lines NAME=VALUE that they write to "$VARS", and TMP, SETUP_PID and
WORKLOAD_PID, can be used as ${NAME}.`,
		Example: `  gadget test ./mysnoop
  gadget test gadgets/* --junit report.xml
  gadget test ./mysnoop --run 'missing' -v`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf(cmd, "which gadget? gadget test wants a DIR with its source")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runTest(cmd.Context(), a, args, opts) },
	}
	addOutput(cmd, &opts.output)
	fs := cmd.Flags()
	fs.StringVarP(&opts.file, "file", "f", schemas.DefaultTestFile, "`FILE` with the tests, in DIR")
	fs.StringVar(&opts.run, "run", "", "only tests whose name matches this regular `EXPRESSION`")
	opts.allow.addTo(cmd)
	fs.StringVar(&opts.junit, "junit", "", "also write the results to `FILE`, as JUnit XML")
	return cmd
}

func runTest(ctx context.Context, a *app, dirs []string, opts testOptions) error {
	only, err := regexp.Compile(opts.run)
	if err != nil {
		return &fault{code: exitUsage, err: fmt.Errorf("--run: %w", err)}
	}
	live := opts.output.String() == "text"
	results := []testResult{}
	failed := 0
	for _, dir := range dirs {
		done, err := a.testGadget(ctx, dir, &opts, only, func(r testResult) {
			if live {
				r.write(a.out, a.term)
			}
		})
		if err != nil {
			return err
		}
		results = append(results, done...)
	}
	for _, r := range results {
		if len(r.Failures) > 0 {
			failed++
		}
	}
	if opts.junit != "" {
		if err := writeJUnit(opts.junit, results); err != nil {
			return err
		}
	}
	if !live {
		if err := a.print(opts.output.String(), results, nil); err != nil {
			return err
		}
	}
	switch {
	case len(results) == 0:
		return &fault{code: exitUsage, err: errors.New("no test has such a name")}
	case failed > 0:
		return &fault{code: exitFailure, err: fmt.Errorf("%d of %d tests failed", failed, len(results))}
	}
	return nil
}

// testGadget builds the gadget in dir and runs its tests.
func (a *app) testGadget(ctx context.Context, dir string, opts *testOptions, only *regexp.Regexp, tell func(testResult)) ([]testResult, error) {
	tests, err := readTests(filepath.Join(dir, opts.file), a)
	if err != nil {
		return nil, err
	}
	if !isSource(dir) {
		dir = "./" + dir // never an image of that name
	}
	g, err := a.openGadget(ctx, dir)
	if err != nil {
		return nil, err
	}
	g.mayChange = opts.allow.change
	var results []testResult
	for i := range tests {
		if !only.MatchString(tests[i].Name) {
			continue
		}
		r, err := a.runOne(ctx, g, dir, &tests[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", dir, tests[i].Name, err)
		}
		results = append(results, *r)
		tell(*r)
	}
	return results, nil
}

func readTests(file string, a *app) ([]schemas.Test, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		f := &fault{code: exitFailure, err: fmt.Errorf("%s: there are no tests", file)}
		return nil, f.hint("gadget test --help shows what a test looks like")
	}
	if err != nil {
		return nil, err
	}
	tests, problems, err := schemas.ParseTests(file, text)
	if err != nil {
		return nil, err
	}
	printProblems(a.err, a.errTerm(), problems, false)
	if schemas.Refusal(problems, false) != nil {
		return nil, &fault{code: exitFailure, err: fmt.Errorf("%s is refused", file)}
	}
	return tests, nil
}

// runOne runs one test. The error is for what kept it from being run.
func (a *app) runOne(ctx context.Context, g *gadget, dir string, t *schemas.Test) (*testResult, error) {
	started := time.Now()
	result := &testResult{Gadget: filepath.Base(dir), Name: t.Name, Failures: []string{}}
	if err := checkExpectations(g, t); err != nil {
		return nil, err
	}
	s, err := newScripts(dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.run(ctx, "SETUP", t.Setup); err != nil {
		result.fail(t.Pos, err.Error())
	} else if err := a.observe(ctx, g, t, s, result); err != nil {
		return nil, err
	}
	result.Seconds = time.Since(started).Seconds()
	return result, nil
}

// settleTime is for events that must not come: so long the gadget runs on when
// nothing is missing any more.
const settleTime = 200 * time.Millisecond

// observe runs the gadget with the test's workload and checks what comes.
func (a *app) observe(ctx context.Context, g *gadget, t *schemas.Test, s *scripts, result *testResult) error {
	o, err := testRun(g, t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &collector{}
	show := showOptions{}
	show.output.all = "jsonl"
	if t.Filter != "" {
		show.filters = []string{t.Filter}
	}
	encode := show.encoder(g, view.Terminal{})
	o.Out, o.Log, o.Filter = out, a.log, show.filter
	o.Encoder = func(s *plan.Source, env *event.Env) (event.Encoder, error) {
		e, err := encode(s, env)
		if e == nil || err != nil || s.Metrics != nil {
			return e, err
		}
		return named{e, s.Name + "\t"}, nil
	}
	var workload error
	ready := false
	o.Ready = func() {
		ready = true
		go func() {
			defer cancel()
			if workload = s.run(ctx, "WORKLOAD", t.Workload); workload == nil {
				out.await(ctx, t, s.vars())
			}
		}()
	}
	_, err = runner.Run(ctx, g.plan, o)
	var refused *runner.VerifierError
	switch {
	case errors.As(err, &refused):
		return a.verifierFault(refused, verifierShort)
	case err != nil && !(ready && errors.Is(err, context.Canceled)):
		return err
	}
	if workload != nil {
		result.fail(t.Pos, workload.Error())
	}
	events, err := out.events()
	if err != nil {
		return err
	}
	result.Events = len(events)
	for _, e := range events {
		a.log.Debug("event", "source", e.Source, "fields", e.Fields)
	}
	for _, f := range expect.Check(t, events, s.vars()) {
		result.fail(f.Pos, f.Message)
	}
	return nil
}

// testRun are the options that a test sets.
func testRun(g *gadget, t *schemas.Test) (runner.Options, error) {
	o := runner.Options{Host: t.Host, Params: map[string]string{}, AllowChange: g.mayChange}
	for name, value := range t.Params {
		p := paramNamed(g.plan, name)
		if p == nil {
			return o, fmt.Errorf("%s: params: the gadget has no parameter %q", t.Pos, name)
		}
		if _, err := p.Encode(value); err != nil {
			return o, fmt.Errorf("%s: params: %w", t.Pos, err)
		}
		o.Params[p.Key] = value
	}
	if t.Container != "" {
		names, err := container.ParsePatterns(t.Container)
		if err != nil {
			return o, fmt.Errorf("%s: container: %w", t.Pos, err)
		}
		o.Selector.Name = names
	}
	return o, nil
}

func paramNamed(p *plan.Plan, name string) *plan.Param {
	for i := range p.Params {
		if p.Params[i].Key == name {
			return &p.Params[i]
		}
	}
	return nil
}

// checkExpectations finds names that no event can have.
func checkExpectations(g *gadget, t *schemas.Test) error {
	for _, x := range t.Expect {
		var names []string
		found := x.Source == ""
		for _, s := range g.plan.Sources {
			if x.Source != "" && x.Source != s.Name {
				continue
			}
			found = true
			if s.Metrics != nil {
				names = nil // their JSON has members of its own
				break
			}
			for i := range s.Layout.Fields {
				names = append(names, s.Layout.Fields[i].Name)
			}
		}
		if !found {
			return fmt.Errorf("%s: the gadget has no data source %q", x.Pos, x.Source)
		}
		for name := range x.Event {
			if names != nil && !contains(names, name) {
				hint := cmp.Or(schemas.DidYouMean(name, names), "gadget schema lists them")
				return fmt.Errorf("%s: events have no field %q; %s", x.Pos, name, hint)
			}
		}
	}
	return nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// named puts the name of its data source before every event.
type named struct {
	event.Encoder
	prefix string
}

// Append implements event.Encoder.
func (n named) Append(dst []byte, rec *event.Record) []byte {
	return n.Encoder.Append(append(dst, n.prefix...), rec)
}

// collector keeps the events of a test. It is for any number of goroutines.
type collector struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (c *collector) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(p)
}

// events returns what came so far.
func (c *collector) events() ([]expect.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []expect.Event
	for line := range bytes.Lines(c.buf.Bytes()) {
		// Metrics are no events, and come without a name.
		source, text, ok := bytes.Cut(line, []byte("\t"))
		if !ok {
			source, text = nil, line
		}
		e, err := expect.Parse(string(source), text)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// await returns when nothing is missing any more, or the test's time is over.
func (c *collector) await(ctx context.Context, t *schemas.Test, vars map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	var since time.Time
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		events, err := c.events()
		switch complete := err == nil && len(expect.Check(t, events, vars)) == 0; {
		case !complete:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > settleTime:
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
