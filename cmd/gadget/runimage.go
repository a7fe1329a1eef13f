package main

// imageOf is the IMAGE that a process of this program runs, by its arguments; ""
// when it runs none.
func imageOf(args []string) string {
	root := rootCmd(&app{})
	cmd, rest, err := root.Find(args)
	if err != nil || cmd.Name() != "run" {
		return ""
	}
	fs := cmd.Flags()
	addCompat(fs)
	fs.AddFlagSet(root.PersistentFlags())
	fs.SetInterspersed(false)
	if fs.Parse(rest) != nil {
		return ""
	}
	return fs.Arg(0)
}
