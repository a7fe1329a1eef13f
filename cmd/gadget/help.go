package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

// annotationSection is the flag annotation that names its section in the help.
const annotationSection = "section"

// Sections of flags in the order they are printed. Flags without the annotation
// are in sectionFlags.
const (
	sectionFlags  = "Flags"
	sectionGlobal = "Global flags"
	// sectionOwn is followed by the name of the gadget whose flags they are.
	sectionOwn = "Flags of "
)

// inSection puts the flags of fs that names lists under a title of their own.
func inSection(fs *pflag.FlagSet, title string, names ...string) {
	for _, n := range names {
		f := fs.Lookup(n)
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[annotationSection] = []string{title}
	}
}

// flagSection is the visible flags of one section.
type flagSection struct {
	title string
	flags *pflag.FlagSet
}

// flagSections sorts the visible flags of cmd into sections: those of the gadget
// first, then those with a title of their own in the order they were declared, the
// global ones last.
func flagSections(cmd *cobra.Command) []flagSection {
	var sections []flagSection
	add := func(title string, f *pflag.Flag) {
		i := slices.IndexFunc(sections, func(s flagSection) bool { return s.title == title })
		if i < 0 {
			i = len(sections)
			fs := pflag.NewFlagSet(title, pflag.ContinueOnError)
			fs.SortFlags = false
			sections = append(sections, flagSection{title, fs})
		}
		sections[i].flags.AddFlag(f)
	}
	// In the order in which they were declared: the most used come first.
	cmd.Flags().SortFlags = false
	cmd.PersistentFlags().SortFlags = false
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		title := sectionFlags
		if cmd.Root().PersistentFlags().Lookup(f.Name) == f {
			title = sectionGlobal
		}
		if s := f.Annotations[annotationSection]; len(s) > 0 {
			title = s[0]
		}
		if !f.Hidden && f.Name != "help" {
			add(title, f)
		}
	})
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			add(sectionGlobal, f)
		}
	})
	slices.SortStableFunc(sections, func(a, b flagSection) int { return sectionRank(a.title) - sectionRank(b.title) })
	return sections
}

func sectionRank(title string) int {
	switch {
	case strings.HasPrefix(title, sectionOwn):
		return -1
	case title == sectionFlags:
		return 1
	case title == sectionGlobal:
		return 2
	}
	return 0
}

// printHelp writes the help of cmd to stdout.
func (a *app) printHelp(cmd *cobra.Command) {
	// Help comes before the settings are read, and must not fail.
	_ = a.setUp(cmd)
	fmt.Fprint(a.out, helpText(cmd, a.term))
}

func helpText(cmd *cobra.Command, t view.Terminal) string {
	var b strings.Builder
	title := func(s string) { fmt.Fprintf(&b, "\n%s\n", t.Bold(s+":")) }
	b.WriteString(strings.TrimSpace(firstNonEmpty(cmd.Long, cmd.Short)) + "\n")
	if cmd.Runnable() {
		title("Usage")
		fmt.Fprintf(&b, "  %s\n", usageLine(cmd))
	}
	if len(cmd.Aliases) > 0 {
		title("Aliases")
		fmt.Fprintf(&b, "  %s\n", strings.Join(cmd.Aliases, ", "))
	}
	if cmd.Example != "" {
		title("Examples")
		b.WriteString(strings.TrimRight(cmd.Example, "\n") + "\n")
	}
	for _, g := range verbSections(cmd) {
		title(g.title)
		for _, c := range g.verbs {
			fmt.Fprintf(&b, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
	if cmd.Runnable() {
		for _, s := range flagSections(cmd) {
			title(s.title)
			b.WriteString(s.flags.FlagUsagesWrapped(t.Width))
		}
	}
	if more := cmd.Annotations[annotationMoreHelp]; more != "" {
		b.WriteString("\n" + more)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nSee %s VERB --help for more.\n", cmd.CommandPath())
	}
	return b.String()
}

// annotationMoreHelp is the command annotation with text for the end of its help.
const annotationMoreHelp = "more-help"

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " VERB [flags]"
	}
	return strings.TrimSuffix(cmd.UseLine(), " [flags]") + " [flags]"
}

// verbSection is a titled list of verbs.
type verbSection struct {
	title string
	verbs []*cobra.Command
}

// verbSections sorts the verbs below cmd by their groups; help topics come last.
func verbSections(cmd *cobra.Command) []verbSection {
	var plain, topics verbSection
	plain.title, topics.title = "Verbs", "Topics (gadget help TOPIC)"
	sections := make([]verbSection, len(cmd.Groups()))
	for i, g := range cmd.Groups() {
		sections[i].title = g.Title
	}
	for _, c := range cmd.Commands() {
		switch i := slices.IndexFunc(cmd.Groups(), func(g *cobra.Group) bool { return g.ID == c.GroupID }); {
		case c.Hidden:
		case c.IsAdditionalHelpTopicCommand():
			topics.verbs = append(topics.verbs, c)
		case i >= 0:
			sections[i].verbs = append(sections[i].verbs, c)
		default:
			plain.verbs = append(plain.verbs, c)
		}
	}
	sections = append(sections, plain, topics)
	return slices.DeleteFunc(sections, func(s verbSection) bool { return len(s.verbs) == 0 })
}

// helpCmd is `gadget help`.
func helpCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB|TOPIC]",
		Short:   "Explain a verb or a topic",
		GroupID: groupTool,
		Example: `  gadget help image build
  gadget help exit-codes`,
		Annotations: map[string]string{annotationNoSettings: "true"},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range at.Commands() {
				if !c.Hidden {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.Root()
			for _, word := range args {
				next := verb(at, word)
				if next == nil {
					return unknownVerb(at, word)
				}
				at = next
			}
			at.InitDefaultHelpFlag()
			a.printHelp(at)
			return nil
		},
	}
}

func firstNonEmpty(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
