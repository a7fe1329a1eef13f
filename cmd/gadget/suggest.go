package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/schemas"
)

// didYouMean is the hint for a wrong word, "" when no candidate is near. prefix is
// put before the candidate, such as -- for flags.
func didYouMean(prefix, word string, candidates []string) string {
	candidates = slices.Sorted(slices.Values(candidates))
	n := schemas.Nearest(word, candidates)
	if n == "" && len(word) > 2 {
		for _, c := range candidates {
			if strings.HasPrefix(c, word) {
				n = c
				break
			}
		}
	}
	if n == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s%s?", prefix, n)
}
