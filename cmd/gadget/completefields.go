package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// completeFields lets the shell complete the names of a gadget's fields where flags
// take them.
func completeFields(cmd *cobra.Command, g *gadget) {
	for _, flag := range []string{"fields", "sort"} {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
				return completeList(g, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
			})
		}
	}
	for _, flag := range []string{"filter", "filter-expr"} {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
				return completeLast(g, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
			})
		}
	}
}

// completeList completes the last field of a list such as a,-b or open:a;close:b.
func completeList(g *gadget, word string) []string {
	done := strings.LastIndexAny(word, ",;") + 1
	item := word[done:]
	sources := g.plan.Sources
	lead := word[:done]
	if source, rest, ok := strings.Cut(item, ":"); ok {
		sources, lead, item = nil, lead+source+":", rest
		if s := g.plan.Source(source); s != nil {
			sources = []*plan.Source{s}
		}
	}
	if item != "" && strings.ContainsAny(item[:1], "+-") {
		lead, item = lead+item[:1], item[1:]
	}
	return fieldsWith(sources, lead, item)
}

// completeLast completes the word at the end of a filter.
func completeLast(g *gadget, word string) []string {
	done := strings.LastIndexAny(word, " !&|()=<>,") + 1
	return fieldsWith(g.plan.Sources, word[:done], word[done:])
}

// fieldsWith returns the fields that begin with a prefix, behind what is there
// already, each with its description.
func fieldsWith(sources []*plan.Source, lead, prefix string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range sources {
		for i := range s.Layout.Fields {
			f := &s.Layout.Fields[i]
			if seen[f.Name] || !strings.HasPrefix(strings.ToLower(f.Name), strings.ToLower(prefix)) {
				continue
			}
			seen[f.Name] = true
			out = append(out, cobra.CompletionWithDesc(lead+f.Name, f.Description))
		}
	}
	return out
}
