package main

import "github.com/spf13/cobra"

func imageCmd(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "image",
		Short:   "Build, list, inspect, move and remove images",
		GroupID: groupImages,
		Long: `Build gadgets into OCI images, and look after the images on this machine. None of
this needs root.`,
		Example: `  gadget image build -t mysnoop:v1 ./mysnoop
  gadget image list
  gadget image inspect trace_exec
  gadget image push ghcr.io/acme/mysnoop:v1
  gadget image save -o mysnoop.tar mysnoop:v1`,
	})
	cmd.AddCommand(
		imageBuildCmd(a),
		imageCopyCmd(a),
		imageDfCmd(a),
		imageDiffCmd(a),
		imageExportCmd(a),
		imageImportCmd(a),
		imageInitCmd(a),
		imageInspectCmd(a),
		imageKeygenCmd(a),
		imageListCmd(a),
		imageLintCmd(a),
		imageLoadCmd(a),
		imagePruneCmd(a),
		imagePullCmd(a, "image "),
		imagePushCmd(a, "image "),
		imageRemoveCmd(a),
		imageSaveCmd(a),
		imageSignCmd(a),
		imageTagCmd(a),
		imageVerifyCmd(a),
	)
	return cmd
}
