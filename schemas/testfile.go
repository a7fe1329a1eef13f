package schemas

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// DefaultTestFile is the file with a gadget's tests, beside its source.
const DefaultTestFile = "gadget_test.yaml"

// DefaultTestTimeout is how long a test waits for its events after the workload.
const DefaultTestTimeout = 10 * time.Second

// Test is one test of a gadget: what to do while it runs, and which events must
// come of it.
type Test struct {
	Name string
	// Params by flag, as gadget run takes them, without dashes.
	Params map[string]string
	// Host shows processes of the host too, Container only those of a container,
	// Filter is an expression over events, as for gadget run.
	Host              bool
	Container, Filter string
	// Setup is a shell script that runs before the gadget, Workload one that runs
	// when it is ready. What they leave in the background lives until the end of the test.
	Setup, Workload string
	Timeout         time.Duration
	// Ordered wants the events in the order of Expect.
	Ordered bool
	Expect  []Expectation
	Pos     Pos
}

// Expectation is how many events of a form must come.
type Expectation struct {
	// Source is the data source, "" for any.
	Source string
	// Event has some fields by dotted name and what they must be: a text, ~ with
	// a regular expression, or < <= > >= != with a number or text.
	Event map[string]string
	// Min and Max count the events; a negative Max is no limit.
	Min, Max int
	Pos      Pos
}

var (
	testKeys   = []string{"name", "params", "host", "container", "filter", "setup", "workload", "timeout", "ordered", "expect"}
	expectKeys = []string{"source", "event", "count"}
	countForm  = regexp.MustCompile(`^\d+(\.\.\d*)?$`)
	anyTime    = regexp.MustCompile(`^\d+(\.\d+)?(ms|s|m)$`)
	boolForm   = regexp.MustCompile(`^(true|false)$`)
)

// ParseTests reads a gadget_test.yaml. The error is set when src is not YAML;
// problems of severity Error refuse the file.
func ParseTests(file string, src []byte) ([]Test, []Problem, error) {
	r := &reader{file: file}
	roots, err := r.documents(src, 1)
	if err != nil {
		return nil, nil, err
	}
	var tests []Test
	for _, root := range roots {
		for _, e := range r.entries(root, "the file of tests") {
			if e.key != "tests" {
				r.unknown(e, "the file of tests", []string{"tests"})
				continue
			}
			for _, n := range r.items(e, "tests") {
				tests = append(tests, r.test(n))
			}
		}
	}
	if len(tests) == 0 {
		r.report(Error, nil, "begin with tests: and a list", "the file has no tests")
	}
	sortProblems(r.problems)
	return tests, r.problems, nil
}

func (r *reader) test(item entry) Test {
	t := Test{Host: true, Timeout: DefaultTestTimeout, Params: map[string]string{}, Pos: r.pos(item.value)}
	for _, e := range r.entries(item.value, "a test") {
		switch e.key {
		case "name":
			t.Name = r.match(e, anyForm, "a text")
		case "params":
			t.Params = r.texts(e.value, "params")
		case "host":
			t.Host = r.match(e, boolForm, "true or false") == "true"
		case "container":
			t.Container = r.text(e.value, e.raw)
		case "filter":
			t.Filter = r.text(e.value, e.raw)
		case "setup":
			t.Setup = r.text(e.value, e.raw)
		case "workload":
			t.Workload = r.text(e.value, e.raw)
		case "timeout":
			if d, err := time.ParseDuration(r.match(e, anyTime, "a time such as 5s")); err == nil {
				t.Timeout = d
			}
		case "ordered":
			t.Ordered = r.match(e, boolForm, "true or false") == "true"
		case "expect":
			for _, n := range r.items(e, "expect") {
				t.Expect = append(t.Expect, r.expectation(n))
			}
		default:
			r.unknown(e, "a test", testKeys)
		}
	}
	if t.Name == "" {
		r.report(Error, item.value, "", "the test has no name")
	}
	if len(t.Expect) == 0 {
		r.report(Error, item.value, "a test without expectations cannot fail", "the test expects nothing")
	}
	return t
}

func (r *reader) expectation(item entry) Expectation {
	x := Expectation{Min: 1, Max: -1, Event: map[string]string{}, Pos: r.pos(item.value)}
	for _, e := range r.entries(item.value, "an expectation") {
		switch e.key {
		case "source":
			x.Source = r.text(e.value, e.raw)
		case "event":
			r.leaves(x.Event, "", e.value)
		case "count":
			x.Min, x.Max = countRange(r.match(e, countForm, "a number, or a range such as 2..5 or 2.."))
		default:
			r.unknown(e, "an expectation", expectKeys)
		}
	}
	for name, value := range x.Event {
		if pattern, ok := strings.CutPrefix(value, "~"); ok {
			if _, err := regexp.Compile(pattern); err != nil {
				r.report(Error, item.value, "", "field %s: %q is no regular expression", name, pattern)
			}
		}
	}
	return x
}

// items returns the entries of a list.
func (r *reader) items(e entry, what string) []entry {
	n := follow(e.value)
	if isNull(n) {
		return nil
	}
	if kindName(n) != "a list" {
		r.report(Error, n, "begin each entry with \"- \"", "%s must be a list, not %s", what, kindName(n))
		return nil
	}
	var out []entry
	for _, c := range n.Content {
		out = append(out, entry{at: c, value: c})
	}
	return out
}

// leaves collects the texts below a node by dotted name, keys as written.
func (r *reader) leaves(out map[string]string, prefix string, n *yaml.Node) {
	for _, e := range r.entries(n, "event") {
		name := joinDot(prefix, e.raw)
		if follow(e.value).Kind == yaml.MappingNode {
			r.leaves(out, name, e.value)
			continue
		}
		out[name] = r.text(e.value, name)
	}
}

// countRange reads 3, 2..5 or 2..
func countRange(text string) (low, high int) {
	first, last, ranged := strings.Cut(text, "..")
	low, err := strconv.Atoi(first)
	switch {
	case err != nil:
		return 1, -1
	case !ranged:
		return low, low
	}
	if high, err = strconv.Atoi(last); err != nil {
		return low, -1
	}
	return low, max(low, high)
}

// Sources returns the names of the data sources that a test speaks of, sorted.
func (t *Test) Sources() []string {
	var names []string
	for _, x := range t.Expect {
		if x.Source != "" && !slices.Contains(names, x.Source) {
			names = append(names, x.Source)
		}
	}
	slices.Sort(names)
	return names
}
