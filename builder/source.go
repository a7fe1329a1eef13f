package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/gadget-bpf/gadget/schemas"
)

// Source is the set of files that make a gadget. Paths are spelled as the user
// did, because messages show them; "" stands for a part that the gadget has not.
type Source struct {
	// Program is the C file, Metadata the gadget.yaml, WASM the module.
	Program, Metadata, WASM string
}

// SourceOptions says which files to take in place of the defaults. All are
// relative to the working directory.
type SourceOptions struct {
	// Program and Definition are the C file and the gadget.yaml.
	Program, Definition string
	// BuildFile is the build.yaml.
	BuildFile string
}

// ResolveSource finds the files of the gadget in dir: those that o names, else
// those that build.yaml names, else program.bpf.c and gadget.yaml. A file that
// somebody named must exist, a default need not, as long as something is there.
func ResolveSource(dir string, o SourceOptions) (Source, error) {
	if dir == "" {
		dir = "."
	}
	for _, path := range []string{dir, o.Program, o.Definition, o.BuildFile} {
		if err := checkPath(path); err != nil {
			return Source{}, err
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return Source{}, fmt.Errorf("read gadget: %w", err)
	}
	if !info.IsDir() {
		return Source{}, fmt.Errorf("%s is a file, not the directory of a gadget; to build one C file say --prog %s", dir, dir)
	}
	build, err := readBuildFile(dir, o.BuildFile)
	if err != nil {
		return Source{}, err
	}

	var src Source
	if src.Program, err = pick(dir, o.Program, build.EBPFSource, build.EBPFSourcePos); err != nil {
		return Source{}, err
	}
	if src.Metadata, err = pick(dir, o.Definition, build.Metadata, build.MetadataPos); err != nil {
		return Source{}, err
	}
	if build.WASM != "" {
		if src.WASM, err = pick(dir, "", build.WASM, build.WASMPos); err != nil {
			return Source{}, err
		}
	}
	if src == (Source{}) {
		return Source{}, fmt.Errorf("nothing to build in %s: no %s, no %s and no %s naming other files",
			dir, schemas.DefaultSourceFile, schemas.DefaultMetadataFile, schemas.DefaultBuildFile)
	}
	return src, nil
}

// readBuildFile reads the build.yaml that was asked for, or that of dir if there is one.
func readBuildFile(dir, asked string) (schemas.Build, error) {
	file := asked
	if file == "" {
		file = filepath.Join(dir, schemas.DefaultBuildFile)
	}
	text, err := readFile(file, schemas.MaxFile)
	if asked == "" && errors.Is(err, fs.ErrNotExist) {
		return schemas.DefaultBuild(), nil
	}
	if err != nil {
		return schemas.Build{}, fmt.Errorf("read build file: %w", err)
	}
	build, _, err := schemas.ParseBuild(file, text)
	if err != nil {
		return schemas.Build{}, err
	}
	return build, refuse(schemas.Validate(schemas.BuildSchema, file, text), false)
}

// pick returns the path of one part. flag is what the command line says; name is
// what build.yaml says at pos, or the default when pos is nowhere.
func pick(dir, flag, name string, pos schemas.Pos) (string, error) {
	if flag != "" {
		if _, err := os.Stat(flag); err != nil {
			inDir := filepath.Join(dir, flag)
			if _, other := os.Stat(inDir); other == nil {
				return "", fmt.Errorf("%s: no such file (is it %s?)", flag, inDir)
			}
			return "", fmt.Errorf("read gadget: %w", err)
		}
		return flag, nil
	}
	fault := func(message string) error {
		return &CheckError{Problems: []schemas.Problem{{Severity: schemas.Error, Pos: pos, Message: message}}}
	}
	if err := checkPath(name); err != nil {
		return "", fault(err.Error())
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, name)
	}
	switch _, err := os.Stat(path); {
	case err == nil:
		return path, nil
	case pos == (schemas.Pos{}) && errors.Is(err, fs.ErrNotExist):
		return "", nil
	case pos == (schemas.Pos{}):
		return "", fmt.Errorf("read gadget: %w", err)
	default:
		return "", fault(fmt.Sprintf("%s: no such file", path))
	}
}

// checkPath refuses paths that a compiler could take for something else: an
// option, a file of options, or a line of its own in a message.
func checkPath(path string) error {
	switch {
	case strings.HasPrefix(path, "-") || strings.HasPrefix(path, "@"):
		return fmt.Errorf("path %q begins with %q, which compilers take for an option; write ./%s", path, path[:1], path)
	case strings.ContainsFunc(path, unicode.IsControl):
		return fmt.Errorf("path %q contains control characters", path)
	}
	return nil
}

// metadata reads and parses gadget.yaml. text is nil and md empty when the gadget has none.
func (s Source) metadata() (text []byte, md *schemas.Metadata, problems []schemas.Problem, err error) {
	if s.Metadata == "" {
		return nil, &schemas.Metadata{}, nil, nil
	}
	text, err = readFile(s.Metadata, schemas.MaxFile)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read metadata: %w", err)
	}
	if md, _, err = schemas.ParseMetadata(s.Metadata, text); err != nil {
		return nil, nil, nil, err
	}
	// The parser's findings are among those of the schema.
	return text, md, schemas.Validate(schemas.GadgetSchema, s.Metadata, text), nil
}

// maxWASM bounds a module, in bytes: those of real gadgets have a few million.
const maxWASM = 64 << 20

// wasm reads the WASM module, nil when the gadget has none.
func (s Source) wasm() ([]byte, error) {
	if s.WASM == "" {
		return nil, nil
	}
	if ext := filepath.Ext(s.WASM); ext != ".wasm" {
		return nil, fmt.Errorf("%s: compiling %s to WASM is not supported yet; compile it and name the .wasm file in %s", s.WASM, ext, schemas.DefaultBuildFile)
	}
	module, err := readFile(s.WASM, maxWASM)
	if err != nil {
		return nil, fmt.Errorf("read WASM module: %w", err)
	}
	if !bytes.HasPrefix(module, []byte("\x00asm")) {
		return nil, fmt.Errorf("%s is not a WASM module", s.WASM)
	}
	return module, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}
