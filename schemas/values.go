package schemas

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

func isBool(s string) bool { return s == "true" || s == "false" }

func isInt(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

func isWidth(s string) bool { return s == "type" || isInt(s) }

func isDuration(s string) bool {
	_, err := time.ParseDuration(s)
	return err == nil
}

func isInterval(s string) bool { return s == "0" || isDuration(s) }

// oneOf is an annotation that takes one of a few words.
func oneOf(words ...string) annotation {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return annotation{
		check:  func(s string) bool { return slices.Contains(words, s) },
		expect: "one of " + strings.Join(quoted, ", "),
	}
}

// cutDot splits a dotted key after its first part.
func cutDot(key string) (first, rest string, dotted bool) {
	return strings.Cut(key, ".")
}
