// Package expect holds events against what a test says must come, and tells how
// they differ. It is pure: events are JSON, whoever made them.
package expect

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gadget-bpf/gadget/schemas"
)

// Event is one event of a data source.
type Event struct {
	// Source is "" when it is not known, which fits any.
	Source string
	// Fields by dotted name, as text.
	Fields map[string]string
}

// Parse reads an event in JSON.
func Parse(source string, line []byte) (Event, error) {
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return Event{}, fmt.Errorf("read event of %s: %w", source, err)
	}
	e := Event{Source: source, Fields: map[string]string{}}
	e.add("", tree)
	return e, nil
}

func (e *Event) add(prefix string, tree map[string]any) {
	for key, value := range tree {
		name := strings.TrimPrefix(prefix+"."+key, ".")
		switch v := value.(type) {
		case map[string]any:
			e.add(name, v)
		case string:
			e.Fields[name] = v
		default:
			text, _ := json.Marshal(v)
			e.Fields[name] = string(text)
		}
	}
}

// Failure is an expectation that does not hold.
type Failure struct {
	Pos schemas.Pos
	// Message says what was expected and what came; it may have several lines.
	Message string
}

// Check returns what does not hold of a test. vars replace ${NAME} in what is expected.
func Check(t *schemas.Test, events []Event, vars map[string]string) []Failure {
	var failures []Failure
	used := make([]bool, len(events))
	next := 0 // where the events of the next expectation may begin
	for i := range t.Expect {
		x := expanded(&t.Expect[i], vars)
		from := 0
		if t.Ordered {
			from = next
		}
		var found []int
		for n := from; n < len(events); n++ {
			if !used[n] && matches(x, &events[n]) {
				found = append(found, n)
			}
		}
		if len(found) < x.Min || x.Max >= 0 && len(found) > x.Max {
			failures = append(failures, Failure{x.Pos, describe(x, events, found, t.Ordered)})
			continue
		}
		// An event answers one expectation only; those that may not come take none.
		take := found
		if x.Max < 0 {
			take = found[:min(len(found), x.Min)]
		}
		for _, n := range take {
			used[n] = true
			next = n + 1
		}
	}
	return failures
}

// Vars are what a test may say ${NAME} for: the lines NAME=VALUE of a text.
func Vars(text string) map[string]string {
	vars := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "="); ok {
			vars[name] = value
		}
	}
	return vars
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z_0-9]*)\}`)

func expanded(x *schemas.Expectation, vars map[string]string) *schemas.Expectation {
	out := *x
	out.Event = make(map[string]string, len(x.Event))
	for name, value := range x.Event {
		out.Event[name] = variable.ReplaceAllStringFunc(value, func(ref string) string {
			v, ok := vars[ref[2:len(ref)-1]]
			if !ok {
				return ref
			}
			if strings.HasPrefix(value, "~") {
				return regexp.QuoteMeta(v)
			}
			return v
		})
	}
	return &out
}

func matches(x *schemas.Expectation, e *Event) bool {
	if x.Source != "" && e.Source != "" && x.Source != e.Source {
		return false
	}
	for name, want := range x.Event {
		got, ok := e.Fields[name]
		if !ok || !holds(want, got) {
			return false
		}
	}
	return true
}

// holds compares one value with what is expected of it.
func holds(want, got string) bool {
	if pattern, ok := strings.CutPrefix(want, "~"); ok {
		re, err := regexp.Compile(pattern)
		return err == nil && re.MatchString(got)
	}
	for _, op := range []string{">=", "<=", "!=", ">", "<"} {
		bound, ok := strings.CutPrefix(want, op)
		if !ok {
			continue
		}
		bound = strings.TrimSpace(bound)
		if op == "!=" {
			return got != bound
		}
		a, errA := strconv.ParseFloat(got, 64)
		b, errB := strconv.ParseFloat(bound, 64)
		if errA != nil || errB != nil {
			return false
		}
		switch op {
		case ">=":
			return a >= b
		case "<=":
			return a <= b
		case ">":
			return a > b
		}
		return a < b
	}
	return want == got
}

// describe says what was expected and what came instead.
func describe(x *schemas.Expectation, events []Event, found []int, ordered bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "want %s with %s, got %d", times(x), fields(x.Event), len(found))
	if len(found) > 0 {
		fmt.Fprintf(&b, ":")
		for _, n := range found[:min(len(found), 3)] {
			fmt.Fprintf(&b, "\n  + %s", fields(subset(&events[n], x)))
		}
		return b.String()
	}
	var from []Event
	for _, e := range events {
		if x.Source == "" || e.Source == "" || x.Source == e.Source {
			from = append(from, e)
		}
	}
	if len(from) == 0 {
		b.WriteString("; no events came at all")
		return b.String()
	}
	best, hits := &from[0], -1
	for i := range from {
		n := 0
		for name, want := range x.Event {
			if got, ok := from[i].Fields[name]; ok && holds(want, got) {
				n++
			}
		}
		if n > hits {
			best, hits = &from[i], n
		}
	}
	if hits == len(x.Event) && ordered {
		b.WriteString(" in this place: one came before the events that are expected before it")
		return b.String()
	}
	fmt.Fprintf(&b, "; the closest of %d events differs in", len(from))
	for _, name := range slices.Sorted(maps.Keys(x.Event)) {
		got, ok := best.Fields[name]
		switch want := x.Event[name]; {
		case !ok:
			fmt.Fprintf(&b, "\n  %s: there is no such field", name)
		case !holds(want, got):
			fmt.Fprintf(&b, "\n  %s:\n  - %s\n  + %s", name, want, got)
		}
	}
	return b.String()
}

func times(x *schemas.Expectation) string {
	switch {
	case x.Max == 0:
		return "no event"
	case x.Max < 0 && x.Min == 1:
		return "an event"
	case x.Max < 0:
		return fmt.Sprintf("at least %d events", x.Min)
	case x.Min == x.Max:
		return fmt.Sprintf("%d events", x.Min)
	}
	return fmt.Sprintf("%d to %d events", x.Min, x.Max)
}

func subset(e *Event, x *schemas.Expectation) map[string]string {
	out := map[string]string{}
	for name := range x.Event {
		out[name] = e.Fields[name]
	}
	return out
}

// fields writes fields as a person would.
func fields(m map[string]string) string {
	if len(m) == 0 {
		return "anything"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %q", name, m[name]))
	}
	return strings.Join(parts, ", ")
}
