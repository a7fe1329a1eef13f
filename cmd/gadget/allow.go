package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// allowChange is what --allow takes.
const allowChange = "change"

// permissions are what gadgets may do that images may not of themselves.
type permissions struct{ change bool }

func (p *permissions) addTo(cmd *cobra.Command) {
	cmd.Flags().Var(p, "allow", "what the gadget may do besides watching: change, for gadgets that change the system")
	// The only error is a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("allow", cobra.FixedCompletions([]string{allowChange}, cobra.ShellCompDirectiveNoFileComp))
}

// String implements pflag.Value.
func (p *permissions) String() string {
	if p.change {
		return allowChange
	}
	return ""
}

// Type implements pflag.Value.
func (p *permissions) Type() string { return "WHAT" }

// Set implements pflag.Value.
func (p *permissions) Set(s string) error {
	*p = permissions{}
	for _, word := range splitWords(s, ",") {
		if word != allowChange {
			return fmt.Errorf("%q cannot be allowed; there is %s", word, allowChange)
		}
		p.change = true
	}
	return nil
}
