package schemas

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Config is a configuration file: values for the flags of the program, and a
// [Policy]. Keys at the top are flags of all commands, a map holds those of one
// command:
//
//	verbose: true
//	run:
//	  output: json
//	  container: [web, db]
type Config struct {
	// Entries in the order of the file. A list makes one entry for each of its
	// values, as when the flag is given several times.
	Entries []ConfigEntry
	// Policy is nil when there is none.
	Policy *Policy
}

// ConfigEntry is one value.
type ConfigEntry struct {
	// Key is the name of the flag, after the command and a dot when it stands in
	// the map of a command: verbose, run.output.
	Key   string
	Value string
	Pos   Pos
}

// policyKey is the only key that is not a flag.
const policyKey = "policy"

// ParseConfig reads a configuration file. The error is set when src is not
// YAML. Which keys exist only the program knows: see [Config.Check].
func ParseConfig(file string, src []byte) (Config, []Problem, error) {
	r := &reader{file: file}
	roots, err := r.documents(src, 2)
	if err != nil {
		return Config{}, nil, err
	}
	var c Config
	if len(roots) > 1 {
		r.report(Error, roots[1], "put all in one document, without ---", "a configuration file has one document")
	}
	if len(roots) > 0 {
		r.config(&c, "", roots[0])
	}
	sortProblems(r.problems)
	return c, r.problems, nil
}

func (r *reader) config(c *Config, prefix string, n *yaml.Node) {
	what := "the configuration"
	if prefix != "" {
		what = prefix
	}
	for _, e := range r.entries(n, what) {
		key := joinDot(prefix, e.raw)
		switch {
		case key == policyKey:
			c.Policy = r.policy(e.at, e.value)
		case isNull(e.value):
			// A key without a value, or whose values are all commented out.
		case e.value.Kind == yaml.MappingNode && prefix != "":
			r.report(Error, e.at, "", "%s must be a text or a list of texts, not a map", key)
		case e.value.Kind == yaml.MappingNode:
			r.config(c, key, e.value)
		default:
			for _, v := range r.list(e.value, key) {
				c.Entries = append(c.Entries, ConfigEntry{key, v, r.pos(e.at)})
			}
		}
	}
}

// Check returns a problem for each entry whose key is not among known, with the
// nearest one that is.
func (c Config) Check(known []string) []Problem {
	exists := make(map[string]bool, len(known))
	for _, k := range known {
		exists[k] = true
	}
	var problems []Problem
	for _, e := range c.Entries {
		if exists[e.Key] {
			continue
		}
		exists[e.Key] = true // once is enough for a list
		problems = append(problems, Problem{Error, e.Pos, fmt.Sprintf("unknown key %q in the configuration", e.Key), DidYouMean(e.Key, known)})
	}
	return problems
}
