package schemas

import (
	"fmt"
	"strings"
)

// Nearest returns the candidate that someone who wrote name most likely meant,
// or "" when none is near. Letter case does not count. A near candidate differs
// by few typing errors (a letter too much, missing, wrong, or two swapped), or
// name is all of its last dotted part: comm for proc.comm. Of equally near
// candidates the first wins, so give them in a stable order.
func Nearest(name string, candidates []string) string {
	if near := nearestSpelling(name, candidates); near != "" {
		return near
	}
	suffix := "." + strings.ToLower(name)
	for _, c := range candidates {
		if len(suffix) > 2 && strings.HasSuffix(strings.ToLower(c), suffix) {
			return c
		}
	}
	return ""
}

// DidYouMean returns the hint for an unknown name, "" when no candidate is near.
func DidYouMean(name string, candidates []string) string {
	if near := Nearest(name, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

func nearestSpelling(name string, candidates []string) string {
	if len(name) > 128 {
		return "" // nobody mistypes a name of that length, and distance is quadratic
	}
	best, bestDistance := "", -1
	name = strings.ToLower(name)
	for _, c := range candidates {
		d := distance(name, strings.ToLower(c))
		if d >= 0 && (bestDistance < 0 || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts typing errors between dotted names part by part, as
// logs.code is no misspelling of logs.body though only two letters differ.
// It is -1 for names that are not near.
func distance(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	if len(as) != len(bs) {
		as, bs = []string{a}, []string{b}
	}
	sum := 0
	for i := range as {
		d := typos([]rune(as[i]), []rune(bs[i]))
		if d > tolerance(min(len(as[i]), len(bs[i]))) {
			return -1
		}
		sum += d
	}
	return sum
}

// tolerance is how many typing errors a name of n bytes may have.
func tolerance(n int) int {
	switch {
	case n < 3:
		return 0
	case n < 5:
		return 1
	case n < 8:
		return 2
	}
	return 3
}

// typos is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours.
func typos(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
