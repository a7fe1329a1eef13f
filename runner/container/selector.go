package container

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Selector chooses containers. A container must satisfy all criteria that are
// given; the zero value matches every container.
type Selector struct {
	// None matches no container, whatever else is said.
	None bool
	// Name matches the container's name, its id, or the beginning of that: six
	// hexadecimal digits or more.
	Name Patterns
	// Image matches the image's name, Runtime that of the runtime.
	Image, Runtime Patterns
	// Digest matches the digest of the image, of which 12 digits count.
	Digest Digests
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
	for _, p := range []Patterns{s.Name, s.Image, Patterns(s.Digest), s.Namespace, s.Pod, s.PodContainer} {
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
	return !s.None && s.Name.matchContainer(c) &&
		s.Image.Match(c.Image) &&
		Patterns(s.Digest).Match(shortDigest(c.ImageDigest)) &&
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
// What has no name, "", is not named by any pattern, nor excluded by one.
func (p Patterns) Match(values ...string) bool {
	return p.match(func(text string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return v != "" && glob(text, v) })
	})
}

// matchContainer is Match for the name and the id of a container.
func (p Patterns) matchContainer(c *event.Container) bool {
	return p.match(func(text string) bool {
		return c.Name != "" && glob(text, c.Name) || c.ID != "" && glob(text, c.ID) || isBeginning(text, c.ID)
	})
}

// minBeginning is how much of an id people must give: less is likely to be a name.
const minBeginning = 6

// isBeginning says whether text is the beginning of an id.
func isBeginning(text, id string) bool {
	return len(text) >= minBeginning && strings.HasPrefix(id, text) && strings.Trim(text, "0123456789abcdef") == ""
}

// match says whether the list chooses something, of which hit says whether a pattern
// without its exclamation mark names it.
func (p Patterns) match(hit func(text string) bool) bool {
	wanted, found := false, false
	for _, pattern := range p {
		text, exclude := strings.CutPrefix(pattern, "!")
		hit := hit(text)
		if exclude && hit {
			return false
		}
		wanted = wanted || !exclude
		found = found || hit && !exclude
	}
	return found || !wanted
}

// Digests is a list of digests of images, each its first 12 digits, with exclusions
// as in [Patterns].
type Digests Patterns

// ParseDigests splits a comma separated list of digests such as sha256:0123456789ab…,
// of which the algorithm and all but 12 digits may be missing.
func ParseDigests(list string) (Digests, error) {
	p, err := ParsePatterns(list)
	if err != nil {
		return nil, err
	}
	for i, item := range p {
		text, exclude := strings.CutPrefix(item, "!")
		short := shortDigest(text)
		if len(short) < shortID || strings.Trim(short, "0123456789abcdef") != "" {
			return nil, fmt.Errorf("%q is not the digest of an image: write 12 hexadecimal digits of it, or more", text)
		}
		if p[i] = short; exclude {
			p[i] = "!" + short
		}
	}
	return Digests(p), nil
}

// shortDigest is the part of a digest that is compared (compat-spec §5.4).
func shortDigest(digest string) string {
	if _, hex, ok := strings.Cut(digest, ":"); ok {
		digest = hex
	}
	return digest[:min(len(digest), shortID)]
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
