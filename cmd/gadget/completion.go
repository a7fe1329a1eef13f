package main

import (
	"github.com/spf13/cobra"
)

func completionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "completion bash|zsh|fish|powershell",
		Short:       "Print a completion script for your shell",
		GroupID:     groupTool,
		Args:        exactArgs("bash|zsh|fish|powershell"),
		ValidArgs:   []string{"bash", "zsh", "fish", "powershell"},
		Annotations: map[string]string{annotationNoSettings: "true"},
		Long: `Print a script that makes your shell complete verbs, flags, local images and
the parameters of gadgets.`,
		Example: `  # this shell only
  source <(gadget completion bash)

  # every new shell
  gadget completion bash > /etc/bash_completion.d/gadget
  gadget completion zsh > "${fpath[1]}/_gadget"
  gadget completion fish > ~/.config/fish/completions/gadget.fish`,
		RunE: func(cmd *cobra.Command, args []string) error { return runCompletion(a, cmd, args[0]) },
	}
}

func runCompletion(a *app, cmd *cobra.Command, shell string) error {
	root := cmd.Root()
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(a.out, true)
	case "zsh":
		return root.GenZshCompletion(a.out)
	case "fish":
		return root.GenFishCompletion(a.out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(a.out)
	}
	return usageErrorf(cmd, "no completion for %q", shell).hint("%s", didYouMean("", shell, cmd.ValidArgs))
}
