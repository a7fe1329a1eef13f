package schemas

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Policy says which images may run. The first rule that fits an image decides; an
// image that none fits may not:
//
//	policy:
//	- images: ghcr.io/acme/*
//	  keys: acme.pub
//	- images: [localhost:5000/*, ghcr.io/acme-labs/tool]
//	  allow: always
type Policy struct {
	Rules []PolicyRule
	Pos   Pos
}

// PolicyRule is one rule.
type PolicyRule struct {
	// Images are patterns of names.
	Images []string
	// Allow is AllowAlways, AllowSigned or AllowNever.
	Allow string
	// Keys of which one must have signed the image, with AllowSigned: each a file,
	// or the key itself in PEM form.
	Keys []string
	Pos  Pos
}

// What a rule of a policy says of the images that it fits.
const (
	AllowAlways = "always"
	AllowSigned = "signed"
	AllowNever  = "never"
)

var allowWords = []string{AllowAlways, AllowSigned, AllowNever}

// policy reads the rules. A policy without any would be a mistake: nothing could
// run.
func (r *reader) policy(at, n *yaml.Node) *Policy {
	p := &Policy{Pos: r.pos(at)}
	if n = follow(n); n.Kind != yaml.SequenceNode {
		r.report(Error, at, "write a list: - images: …", "policy must be a list of rules")
		return p
	}
	if len(n.Content) == 0 {
		r.report(Error, at, "write - images: …, or remove the key", "policy has no rules")
	}
	for _, c := range n.Content {
		p.Rules = append(p.Rules, r.policyRule(c))
	}
	return p
}

func (r *reader) policyRule(n *yaml.Node) PolicyRule {
	rule := PolicyRule{Pos: r.pos(n)}
	for _, e := range r.entries(n, "a rule of policy") {
		switch e.key {
		case "images":
			rule.Images = r.list(e.value, "images")
		case "allow":
			rule.Allow = r.text(e.value, "allow")
			if !slices.Contains(allowWords, rule.Allow) {
				r.report(Error, e.value, DidYouMean(rule.Allow, allowWords), "allow must be one of %s, not %q", strings.Join(allowWords, ", "), rule.Allow)
			}
		case "keys":
			rule.Keys = r.list(e.value, "keys")
		default:
			r.unknown(e, "a rule of policy", []string{"images", "allow", "keys"})
		}
	}
	if rule.Allow == "" && len(rule.Keys) > 0 {
		rule.Allow = AllowSigned
	}
	switch {
	case len(rule.Images) == 0:
		r.report(Error, n, `images: "*" is all of them`, "a rule of policy does not say for which images it is")
	case rule.Allow == "":
		r.report(Error, n, "give keys, or allow: always, or allow: never", "a rule of policy does not say what is allowed")
	case rule.Allow == AllowSigned && len(rule.Keys) == 0:
		r.report(Error, n, "give keys", "a rule of policy wants signatures, and does not say by whom")
	case rule.Allow != AllowSigned && len(rule.Keys) > 0:
		r.report(Error, n, "leave out one of them", "a rule of policy has keys, and allow: %s needs none", rule.Allow)
	}
	return rule
}
