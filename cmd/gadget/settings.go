package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/registry/policy"
	"github.com/gadget-bpf/gadget/schemas"
)

// annotationNoSettings marks commands that work whatever the configuration says.
const annotationNoSettings = "no-settings"

// annotationParam marks the flags of a gadget's own parameters; their environment
// variables have a prefix of their own, and files do not set them.
const annotationParam = "param"

const systemConfig = "/etc/gadget/config.yaml"

// settings are the values of flags that nobody typed: those of the environment and
// of the configuration files, the nearer source first.
type settings struct {
	env   func(string) (string, bool)
	files []settingsFile
	// typed are the flags that stood on the command line.
	typed map[*pflag.Flag]bool
}

type settingsFile struct {
	path   string
	config schemas.Config
	// policy is nil when the file has none.
	policy *policy.Policy
}

// system reports whether the file is that of the administrator.
func (f *settingsFile) system() bool { return f.path == systemConfig }

func skipsSettings(cmd *cobra.Command) bool {
	return cmd.Annotations[annotationNoSettings] != "" || strings.HasPrefix(cmd.Name(), "__")
}

// loadSettings reads the configuration files that exist.
func loadSettings(env func(string) (string, bool)) (*settings, error) {
	s := &settings{env: env, typed: map[*pflag.Flag]bool{}}
	for _, path := range configPaths(env) {
		src, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("read configuration: %w", err)}
		}
		config, problems, err := schemas.ParseConfig(path, src)
		if err == nil {
			err = schemas.Refusal(problems, true)
		}
		if err != nil {
			return nil, &fault{code: exitUsage, err: err}
		}
		file := settingsFile{path: path, config: config}
		if config.Policy != nil {
			if file.policy, problems = policy.New(*config.Policy); file.policy == nil {
				return nil, &fault{code: exitUsage, err: schemas.Refusal(problems, true)}
			}
		}
		s.files = append(s.files, file)
	}
	return s, nil
}

// configPaths lists the places of configuration files, the user's first.
func configPaths(env func(string) (string, bool)) []string {
	var paths []string
	dir, _ := env("XDG_CONFIG_HOME")
	if home, _ := env("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".config")
	}
	if filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "gadget", "config.yaml"))
	}
	return append(paths, systemConfig)
}

// check refuses keys that are no setting of any verb.
func (s *settings) check(root *cobra.Command) error {
	var known []string
	visitSettings(root, func(key string, _ *cobra.Command, _ *pflag.Flag) { known = append(known, key) })
	var errs []error
	for _, file := range s.files {
		for _, p := range file.config.Check(known) {
			errs = append(errs, p)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	f := &fault{code: exitUsage, err: errors.Join(errs...)}
	return f.hint("gadget help settings says how keys are made")
}

// apply sets the flags of cmd that were not given.
func (s *settings) apply(cmd *cobra.Command) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			s.typed[f] = true
		}
		if failed != nil || f.Changed || !isSetting(f) {
			return
		}
		for _, v := range s.lookUp(settingKey(cmd, f), f) {
			err := cmd.Flags().Set(f.Name, v.text)
			if err != nil && v.origin == envFormat {
				continue
			}
			if err != nil {
				var invalid *pflag.InvalidValueError
				if errors.As(err, &invalid) {
					err = errors.New(valueMistake(f, v.text, invalid.Unwrap()))
				}
				failed = &fault{code: exitUsage, err: fmt.Errorf("%s: %s: %w", v.origin, f.Name, err)}
				return
			}
		}
	})
	return failed
}

// setting is one value that nobody typed, and where it comes from.
type setting struct{ text, origin string }

// envFormat is the variable that means the format of the output in every verb that
// has one. Verbs have different formats: where there is none of that name, their
// own default counts.
const envFormat = "GADGET_OUTPUT"

// lookUp finds the values for the flag f, whose key in files is key; none when
// nobody set it. Only a list in a file has more than one.
func (s *settings) lookUp(key string, f *pflag.Flag) []setting {
	if v, ok := s.env(envName(f)); ok && v != "" && (envName(f) != envFormat || f.Value.Type() == "FORMAT") {
		return []setting{{v, envName(f)}}
	}
	for _, file := range s.files {
		var found []setting
		for _, e := range file.config.Entries {
			if e.Key == key && f.Annotations[annotationParam] == nil {
				found = append(found, setting{e.Value, e.Pos.String()})
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// envName is the environment variable of a flag: GADGET_BUFFER_SIZE, and for a
// gadget's own parameter GADGET_PARAM_UID.
func envName(f *pflag.Flag) string {
	prefix := "GADGET_"
	if f.Annotations[annotationParam] != nil {
		prefix = "GADGET_PARAM_"
	}
	return prefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(f.Name))
}

func isSetting(f *pflag.Flag) bool { return !f.Hidden && f.Name != "help" }

// settingKey is the key of a flag of cmd in configuration files: color for a global
// flag, image.list.output for others.
func settingKey(cmd *cobra.Command, f *pflag.Flag) string {
	if cmd.Root().PersistentFlags().Lookup(f.Name) == f {
		return f.Name
	}
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	return strings.ReplaceAll(path, " ", ".") + "." + f.Name
}

// visitSettings calls visit for every flag that a configuration file can set.
func visitSettings(root *cobra.Command, visit func(key string, cmd *cobra.Command, f *pflag.Flag)) {
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if isSetting(f) {
			visit(f.Name, root, f)
		}
	})
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !skipsSettings(cmd) {
			cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
				if isSetting(f) && f.Annotations[annotationParam] == nil {
					visit(settingKey(cmd, f), cmd, f)
				}
			})
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	for _, c := range root.Commands() {
		walk(c)
	}
}

// settingsTopic is the help topic settings.
func settingsTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "Configuration files, environment variables and which one wins",
		Long: `Every flag can be set in four ways. The first that is set wins:

  1. the flag itself             gadget run trace_exec --buffer-size 16MiB
  2. an environment variable     GADGET_BUFFER_SIZE=16MiB
  3. the user's file             $XDG_CONFIG_HOME/gadget/config.yaml (~/.config/gadget/config.yaml)
  4. the system's file           /etc/gadget/config.yaml

The variable of a flag is its name in upper case after GADGET_, with _ for -; it
counts for every verb that has the flag. The variable of a gadget's own parameter
begins with GADGET_PARAM_. An empty variable counts as not set.

In files, global flags stand at the top, flags of a verb below its name; a flag that
may be given several times takes a list:

  color: never
  run:
    buffer-size: 16MiB
    containername: [web, db]
  image.list:
    output: json

The key policy says which images may run; gadget run asks the policies of both files:

  policy:
  - images: ghcr.io/acme/*       names, or beginnings of names with * behind
    keys: acme.pub               files beside this one, or keys in PEM form
  - images: localhost:5000/*
    allow: always                or never; what no rule is about may not run

A key that no verb knows is an error that names its line.
gadget config view shows every setting, its value and where that comes from.`,
	}
}
