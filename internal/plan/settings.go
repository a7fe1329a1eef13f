package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gadget-bpf/gadget/schemas"
)

// settings are what gadget.yaml says of one of gadget's operators. What stands
// under paramDefaults wins over what stands under operator.
type settings struct {
	plan     *Plan
	operator string
}

func (s settings) text(key string) string {
	if v := s.plan.Metadata.ParamDefaults["operator."+s.operator+"."+key]; v != "" {
		return v
	}
	return s.plan.Metadata.Operator[s.operator+"."+key]
}

// ignore notes a setting that makes no sense; the default takes its place.
func (s settings) ignore(key, format string, args ...any) {
	s.plan.Problems = append(s.plan.Problems, schemas.Problem{Severity: schemas.Error,
		Message: fmt.Sprintf("operator.%s.%s: %s", s.operator, key, fmt.Sprintf(format, args...))})
}

func (s settings) boolean(key string) bool {
	text := s.text(key)
	v, err := strconv.ParseBool(text)
	if text != "" && err != nil {
		s.ignore(key, "%q is not true or false", text)
	}
	return v
}

// duration is the fallback for 0, too.
func (s settings) duration(key string, fallback time.Duration) time.Duration {
	d, err := duration(s.text(key), fallback)
	if err != nil {
		s.ignore(key, "%v", err)
	}
	if d == 0 {
		return fallback
	}
	return d
}

func (s settings) count(key string) uint64 {
	n, err := count(s.text(key), 0)
	if err != nil {
		s.ignore(key, "%v", err)
	}
	return n
}

// chosen returns the fields that the setting "fields" names, all without it. What
// tells processes and their containers apart is always there.
func (s settings) chosen(all []madeField) []madeField {
	text := s.text("fields")
	if text == "" {
		return all
	}
	wanted := map[string]bool{"pid": true, "mountnsid": true}
	var known []string
	for _, f := range all {
		known = append(known, f.name)
	}
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			s.ignore("fields", "there is no field %q%s", name, suggest(name, slices.Values(known)))
			continue
		}
		wanted[strings.ToLower(name)] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(f madeField) bool {
		name := strings.ToLower(f.name)
		return !wanted[name] && !wanted[strings.TrimSuffix(name, "_raw")]
	})
}
