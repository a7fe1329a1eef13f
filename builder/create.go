package builder

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/schemas"
)

// templates holds one gadget in each directory, and beside them what all share.
//
//go:embed templates
var templates embed.FS

// placeholder is the name of the gadget in all templates: they are gadgets that can
// be built as they are.
const placeholder = "mygadget"

// Templates returns the names of the gadgets that [Create] can begin with, sorted.
func Templates() []string {
	entries, err := templates.ReadDir("templates")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// gadgetName is what a gadget, its data source and its C function can be called.
var gadgetName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,14}$`)

// Create writes the source of a new gadget to dir, whose last element is its name,
// and returns the files, relative to dir. It makes dir, never overwrites anything,
// and leaves nothing behind when it fails.
func Create(dir, template string) ([]string, error) {
	name := filepath.Base(filepath.Clean(dir))
	if !slices.Contains(Templates(), template) {
		return nil, fmt.Errorf("there is no template %q; there are %s", template, strings.Join(Templates(), ", "))
	}
	if !gadgetName.MatchString(name) || strings.Contains(name, "___") {
		return nil, fmt.Errorf("%q cannot be the name of a gadget: use up to 15 of a-z, 0-9 and _, beginning with a letter", name)
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already, and nothing is overwritten", dir)
	} else if err != nil {
		return nil, fmt.Errorf("create gadget: %w", err)
	}
	files, err := fill(dir, name, template)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create gadget: %w", err), os.RemoveAll(dir))
	}
	return files, nil
}

// fill writes the files of a new gadget.
func fill(dir, name, template string) ([]string, error) {
	var about string
	own := "templates/" + template
	if text, err := templates.ReadFile(own + "/" + schemas.DefaultMetadataFile); err == nil {
		md, _, err := schemas.ParseMetadata(schemas.DefaultMetadataFile, text)
		if err != nil {
			return nil, err
		}
		about = md.Description + "."
	}
	// go:embed leaves files out whose names begin with a dot.
	from := map[string]string{"templates/README.md": "README.md", "templates/build.yaml": "build.yaml", "templates/gitignore": ".gitignore"}
	entries, err := templates.ReadDir(own)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		from[own+"/"+e.Name()] = e.Name()
	}
	var files []string
	for source, file := range from {
		text, err := templates.ReadFile(source)
		if err != nil {
			return nil, err
		}
		out := strings.NewReplacer(placeholder, name, "@about@", about).Replace(string(text))
		if err := os.WriteFile(filepath.Join(dir, file), []byte(out), 0o644); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if err := WriteHeaders(dir, Platforms()[0]); err != nil && !errors.Is(err, ErrNoHeaders) {
		return nil, err
	} else if err == nil {
		files = append(files, FlagsFile)
	}
	slices.Sort(files)
	return files, nil
}
