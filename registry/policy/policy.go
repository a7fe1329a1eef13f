// Package policy decides which images may run, by their names and digests. It reads
// no key and no image: what it says is what has to be checked.
package policy

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/schemas"
)

// Policy is a list of rules, of which the first that fits decides. It is immutable.
type Policy struct {
	pos   schemas.Pos
	rules []rule
}

type rule struct {
	schemas.PolicyRule
	images []registry.Pattern
}

// New reads the patterns of a policy. With problems there is no policy.
func New(p schemas.Policy) (*Policy, []schemas.Problem) {
	policy := &Policy{pos: p.Pos}
	var problems []schemas.Problem
	for _, r := range p.Rules {
		read := rule{PolicyRule: r}
		for _, text := range r.Images {
			pattern, err := registry.ParsePattern(text)
			if err != nil {
				problems = append(problems, schemas.Problem{Severity: schemas.Error, Pos: r.Pos, Message: err.Error()})
			}
			read.images = append(read.images, pattern)
		}
		policy.rules = append(policy.rules, read)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return policy, nil
}

// Verdict is what a policy says of an image.
type Verdict struct {
	// Allow is one of the words of schemas: always, signed, never.
	Allow string
	// Keys of which one must have signed the image, when it is signed.
	Keys []string
	// Pos is the place of the rule, or of the policy when no rule fits.
	Pos schemas.Pos
	// Fits is false when no rule does; the image may not run then.
	Fits bool
}

// Decide says what has to be so for an image to run: it has that name, the zero
// Reference when it has none, and that digest.
func (p *Policy) Decide(name registry.Reference, d digest.Digest) Verdict {
	for _, r := range p.rules {
		if slices.ContainsFunc(r.images, func(i registry.Pattern) bool { return i.Fits(name, d) }) {
			return Verdict{Allow: r.Allow, Keys: r.Keys, Pos: r.Pos, Fits: true}
		}
	}
	return Verdict{Allow: schemas.AllowNever, Pos: p.pos}
}

// Keys lists all keys that the policy names, each once.
func (p *Policy) Keys() []string {
	var keys []string
	for _, r := range p.rules {
		for _, k := range r.Keys {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}
