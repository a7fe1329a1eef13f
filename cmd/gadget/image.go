package main

import "github.com/spf13/cobra"

func imageCmd(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "image",
		Short:   "Build, list, tag, remove and inspect images",
		GroupID: groupImages,
		Long: `Build gadgets into OCI images, and look after the images on this machine. None of
this needs root.`,
		Example: `  gadget image build -t mysnoop:v1 ./mysnoop
  gadget image list
  gadget image inspect trace_exec`,
	})
	cmd.AddCommand(
		imageBuildCmd(a),
		imageInspectCmd(a),
		imageListCmd(a),
		imageRemoveCmd(a),
		imageTagCmd(a),
	)
	return cmd
}
