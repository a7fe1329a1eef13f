package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// globalOptions are the flags that every verb has.
type globalOptions struct {
	color, logFormat choice
	verbose          verbosity
	quiet, offline   bool
	store            string
	mirrors          []string
}

func (g *globalOptions) addTo(root *cobra.Command) {
	g.color = oneOf("WHEN", "auto", "always", "never")
	g.logFormat = oneOf("FORMAT", "text", "json")
	fs := root.PersistentFlags()
	fs.Var(&g.color, "color", "colour on terminals: auto, always or never")
	fs.Var(&g.logFormat, "log-format", "messages on stderr: text or json")
	fs.VarP(&g.verbose, "verbose", "v", "``say more on stderr; twice says everything")
	fs.Lookup("verbose").NoOptDefVal = "+1"
	fs.BoolVarP(&g.quiet, "quiet", "q", false, "say only errors on stderr")
	fs.StringVar(&g.store, "store", "", "`DIR` of the local image store (default /var/lib/gadget for root, else $XDG_DATA_HOME/gadget)")
	fs.BoolVar(&g.offline, "offline", false, "ask no registry, whatever other flags say")
	fs.StringSliceVar(&g.mirrors, "mirror", nil, "`REGISTRY=MIRROR` to ask for images of a registry before it; several are asked in their order")
	g.color.complete(root, "color")
	g.logFormat.complete(root, "log-format")
}

func (g *globalOptions) check(cmd *cobra.Command) error {
	if g.quiet && g.verbose > 0 {
		return usageErrorf(cmd, "--quiet and --verbose contradict each other")
	}
	return nil
}

// choice is a flag that takes one of a few words.
type choice struct {
	kind, value string
	of          []string
	// template is true when go-template=TEMPLATE may be given instead.
	template bool
}

// oneOf makes a choice of words, of which the first is the default. kind stands
// for the value in the help.
func oneOf(kind string, words ...string) choice {
	return choice{kind: kind, value: words[0], of: words}
}

// String implements pflag.Value.
func (c *choice) String() string { return c.value }

// Type implements pflag.Value.
func (c *choice) Type() string { return c.kind }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if err := c.accept(s); err != nil {
		return err
	}
	c.value = s
	return nil
}

// accept says what is wrong with a word that is none of the choice.
func (c choice) accept(s string) error {
	if slices.Contains(c.of, s) {
		return nil
	}
	if text, ok := strings.CutPrefix(s, goTemplate); ok && c.template {
		_, err := parseTemplate(text)
		return err
	}
	hint := didYouMean("", s, c.of)
	if hint != "" {
		hint = "; " + hint
	}
	of := strings.Join(c.of, ", ")
	if c.template {
		of += ", " + goTemplate + "TEMPLATE"
	}
	return fmt.Errorf("%q is not one of %s%s", s, of, hint)
}

func (c *choice) complete(cmd *cobra.Command, flag string) {
	// The only error is a flag that does not exist, which every run of the tests would show.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(c.of, cobra.ShellCompDirectiveNoFileComp))
}

// verbosity counts how often -v was given; files and variables may set it to a
// number, or to true for once.
type verbosity int

// String implements pflag.Value.
func (v *verbosity) String() string { return strconv.Itoa(int(*v)) }

// Type implements pflag.Value.
func (v *verbosity) Type() string { return "count" }

// Set implements pflag.Value.
func (v *verbosity) Set(s string) error {
	switch s {
	case "+1":
		*v++
		return nil
	case "true":
		*v = 1
		return nil
	case "false":
		*v = 0
		return nil
	}
	n, err := strconv.Atoi(s)
	*v = verbosity(n)
	return err
}

// seconds is a duration flag where a bare number counts seconds.
type seconds time.Duration

// String implements pflag.Value.
func (d *seconds) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type implements pflag.Value.
func (d *seconds) Type() string { return "TIME" }

// Set implements pflag.Value.
func (d *seconds) Set(s string) error {
	v, err := time.ParseDuration(s)
	if n, notNumber := strconv.ParseFloat(s, 64); notNumber == nil {
		v, err = time.Duration(n*float64(time.Second)), nil
		if !(n < math.MaxInt64/float64(time.Second)) {
			v = -1
		}
	}
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as 10s, 1m30s or 10 (seconds)", s)
	}
	*d = seconds(v)
	return nil
}

// byteSize is a flag for an amount of memory, such as 4MiB.
type byteSize uint64

var byteUnits = []struct {
	suffix string
	size   uint64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1},
}

// String implements pflag.Value.
func (b *byteSize) String() string {
	for _, u := range []struct {
		suffix string
		shift  uint
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if n := uint64(*b); n != 0 && n%(1<<u.shift) == 0 {
			return strconv.FormatUint(n>>u.shift, 10) + u.suffix
		}
	}
	return strconv.FormatUint(uint64(*b), 10)
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "SIZE" }

// Set implements pflag.Value.
func (b *byteSize) Set(s string) error {
	number, unit := strings.TrimSpace(s), uint64(1)
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(n), u.size
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size such as 4MiB, 512KiB or 65536", s)
	}
	*b = byteSize(n * unit)
	return nil
}

// flagFault words a mistake in the flags of cmd.
func flagFault(cmd *cobra.Command, err error) error {
	if f := asFault(err); f != nil {
		return f
	}
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &value):
		return usageErrorf(cmd, "--%s: %s", value.GetFlag().Name, valueMistake(value.GetFlag(), value.GetValue(), value.Unwrap()))
	case errors.As(err, &missing):
		return usageErrorf(cmd, "--%s needs a value", missing.GetFlag().Name)
	}
	return usageErrorf(cmd, "%w", err)
}

func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError) error {
	if short := e.GetSpecifiedShortnames(); short != "" {
		return usageErrorf(cmd, "unknown flag -%s in -%s", e.GetSpecifiedName(), short)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return usageErrorf(cmd, "unknown flag --%s", e.GetSpecifiedName()).
		hint("%s", didYouMean("--", e.GetSpecifiedName(), names))
}

// valueMistake says what the flag f wants instead of value, without the words of
// the Go function that refused it.
func valueMistake(f *pflag.Flag, value string, cause error) string {
	if _, own := f.Value.(*paramValue); own {
		return cause.Error()
	}
	switch f.Value.Type() {
	case "bool":
		return fmt.Sprintf("%q is neither true nor false", value)
	case "int", "int64", "count":
		return fmt.Sprintf("%q is not a whole number", value)
	case "uint", "uint32", "uint64":
		return fmt.Sprintf("%q is not a whole number of 0 or more", value)
	}
	return cause.Error()
}
