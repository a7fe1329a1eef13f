package main

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/schemas"
)

// TestSettingsOrder checks which source wins: flag, environment, user's file,
// system's file, default.
func TestSettingsOrder(t *testing.T) {
	file := func(name, text string) settingsFile {
		config, problems, err := schemas.ParseConfig(name, []byte(text))
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		return settingsFile{path: name, config: config}
	}
	user := file("user.yaml", "run:\n  max-events: 2\n  image: [a, b]\n")
	system := file("system.yaml", "run:\n  max-events: 1\n  host: true\ncolor: never\n")
	tests := []struct {
		name, flag string
		args       []string
		env        map[string]string
		want       string
		origin     string
	}{
		{"flag", "max-events", []string{"--max-events=4"}, map[string]string{"GADGET_MAX_EVENTS": "3"}, "4", ""},
		{"environment", "max-events", nil, map[string]string{"GADGET_MAX_EVENTS": "3"}, "3", "GADGET_MAX_EVENTS"},
		{"empty variable", "max-events", nil, map[string]string{"GADGET_MAX_EVENTS": ""}, "2", "user.yaml:2:3"},
		{"user", "max-events", nil, nil, "2", "user.yaml:2:3"},
		{"system", "host", nil, nil, "true", "system.yaml:3:3"},
		{"global flag", "color", nil, nil, "never", "system.yaml:4:1"},
		{"list", "image", nil, nil, "a,b", "user.yaml:3:3"},
		{"default", "no-trunc", nil, nil, "false", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }
			root := rootCmd(&app{streams: streams{out: io.Discard, err: io.Discard, env: env}})
			cmd := verb(root, "run")
			if err := cmd.ParseFlags(tt.args); err != nil {
				t.Fatal(err)
			}
			s := &settings{env: env, typed: map[*pflag.Flag]bool{}, files: []settingsFile{user, system}}
			if err := s.check(root); err != nil {
				t.Fatal(err)
			}
			if err := s.apply(cmd); err != nil {
				t.Fatal(err)
			}
			f := cmd.Flags().Lookup(tt.flag)
			origin := ""
			if found := s.lookUp(settingKey(cmd, f), f); len(found) > 0 && !s.typed[f] {
				origin = found[0].origin
			}
			if f.Value.String() != tt.want || origin != tt.origin {
				t.Errorf("%q from %q, want %q from %q", f.Value, origin, tt.want, tt.origin)
			}
		})
	}
}

func TestConfigPaths(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"XDG", map[string]string{"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, []string{"/x/gadget/config.yaml", systemConfig}},
		{"home", map[string]string{"HOME": "/h"}, []string{"/h/.config/gadget/config.yaml", systemConfig}},
		{"relative is none", map[string]string{"XDG_CONFIG_HOME": "x", "HOME": "/h"}, []string{systemConfig}},
		{"nothing", nil, []string{systemConfig}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := configPaths(func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok })
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestShellLine(t *testing.T) {
	got := shellLine([]string{"gadget", "run", "x", "-F", `comm == "it's"`, ""})
	if want := `gadget run x -F 'comm == "it'\''s"' ''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
