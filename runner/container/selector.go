package container

import (
	"fmt"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Selector chooses containers. A container must satisfy all criteria that are
// given; the zero value matches every container.
type Selector struct {
	// None matches no container, whatever else is said.
	None bool
	// Name matches the container's name, its id, or the first 12 digits of it.
	Name Patterns
	// Image matches the image's name, Runtime that of the runtime.
	Image, Runtime Patterns
	// Namespace, Pod and PodContainer match the Kubernetes names that a runtime
	// keeps in labels.
	Namespace, Pod, PodContainer Patterns
	// Labels must all hold.
	Labels Labels
}

// Empty is true when the selector matches every container.
func (s *Selector) Empty() bool {
	return !s.None && len(s.Runtime) == 0 && !s.needsName()
}

// needsName is true when only a runtime's answer can satisfy the selector.
func (s *Selector) needsName() bool {
	for _, p := range []Patterns{s.Name, s.Image, s.Namespace, s.Pod, s.PodContainer} {
		if len(p) > 0 {
			return true
		}
	}
	return len(s.Labels) > 0
}

// WantsRuntime says whether containers of that runtime may be among those chosen.
func (s *Selector) WantsRuntime(name string) bool { return s.Runtime.Match(name) }

// Match says whether the container is one of those chosen.
func (s *Selector) Match(c *event.Container) bool {
	return !s.None && s.Name.Match(c.Name, c.ID, abbreviate(c.ID)) &&
		s.Image.Match(c.Image) &&
		s.Runtime.Match(c.Runtime) &&
		s.Namespace.Match(c.Namespace) &&
		s.Pod.Match(c.Pod) &&
		s.PodContainer.Match(c.PodContainer) &&
		s.Labels.match(c.Labels)
}

// Patterns is a list of texts and globs, of which one must match; a pattern that
// begins with an exclamation mark must not. An empty list matches everything, a
// list of exclusions everything else.
type Patterns []string

// ParsePatterns splits a comma separated list, such as "web,db-*,!db-old". In a
// pattern * stands for any text and ? for any character.
func ParsePatterns(list string) (Patterns, error) {
	var p Patterns
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if strings.TrimPrefix(item, "!") == "" {
			return nil, fmt.Errorf("%q has an empty element: write names between the commas, such as web,!sidecar", list)
		}
		p = append(p, item)
	}
	return p, nil
}

// Match says whether one of the values, which are names of the same thing, is chosen.
func (p Patterns) Match(values ...string) bool {
	wanted, found := false, false
	for _, pattern := range p {
		text, exclude := strings.CutPrefix(pattern, "!")
		hit := false
		for _, v := range values {
			hit = hit || glob(text, v)
		}
		if exclude && hit {
			return false
		}
		wanted = wanted || !exclude
		found = found || hit && !exclude
	}
	return found || !wanted
}

// Labels are conditions on the labels of a container.
type Labels []Label

// Label is one condition: the label must, or must not, have the value.
type Label struct {
	Key, Value string
	Not        bool
}

// ParseLabels splits a comma separated list of conditions: "app=shop,tier!=db".
// The forms !key=value and key=!value mean the same as key!=value.
func ParseLabels(list string) (Labels, error) {
	var labels Labels
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		key, value, ok := strings.Cut(item, "=")
		l := Label{Key: strings.Trim(key, "!"), Value: strings.TrimPrefix(value, "!")}
		if !ok || l.Key == "" {
			return nil, fmt.Errorf("%q is not a label: write key=value or key!=value", item)
		}
		l.Not = l.Key != key || l.Value != value
		labels = append(labels, l)
	}
	return labels, nil
}

func (l Labels) match(labels map[string]string) bool {
	for _, want := range l {
		value, ok := labels[want.Key]
		if (ok && value == want.Value) == want.Not {
			return false
		}
	}
	return true
}

// glob matches with * for any text and ? for any one byte. Unlike a file's, a
// container's pattern has no separators: * goes over slashes.
func glob(pattern, s string) bool {
	// Where to try again when a character does not match: one further into s
	// than the last star has been tried.
	star, again := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, again = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			again++
			p, i = star+1, again
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// shortID is the length to which people shorten container ids.
const shortID = 12

func abbreviate(id string) string {
	if len(id) == 64 {
		return id[:shortID]
	}
	return id
}
