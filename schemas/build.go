package schemas

// Names that a gadget's files have unless build.yaml says otherwise.
const (
	DefaultBuildFile    = "build.yaml"
	DefaultSourceFile   = "program.bpf.c"
	DefaultMetadataFile = "gadget.yaml"
)

// Build is a build.yaml: where the parts of a gadget are, relative to the
// directory of the gadget.
type Build struct {
	// EBPFSource is the C file, Metadata the gadget.yaml.
	EBPFSource, Metadata string
	// WASM is a .wasm file to take as it is, or a .go or .rs file to compile; "" for none.
	WASM string
	// EBPFSourcePos and MetadataPos say where the file names them; zero when they
	// are the defaults. A default may be missing, what was asked for may not.
	EBPFSourcePos, MetadataPos, WASMPos Pos
}

// DefaultBuild is what holds for a gadget without build.yaml.
func DefaultBuild() Build {
	return Build{EBPFSource: DefaultSourceFile, Metadata: DefaultMetadataFile}
}

var buildKeys = []string{"ebpfsource", "metadata", "wasm"}

// ParseBuild reads a build.yaml. The error is set when src is not YAML; a
// builder refuses problems of severity Error too.
func ParseBuild(file string, src []byte) (Build, []Problem, error) {
	b := DefaultBuild()
	r := &reader{file: file}
	roots, err := r.documents(src, 1)
	if err != nil {
		return b, nil, err
	}
	for _, root := range roots {
		for _, e := range r.entries(root, "build.yaml") {
			r.buildKey(&b, e)
		}
	}
	sortProblems(r.problems)
	return b, r.problems, nil
}

func (r *reader) buildKey(b *Build, e entry) {
	var value *string
	var pos *Pos
	switch e.key {
	case "ebpfsource":
		value, pos = &b.EBPFSource, &b.EBPFSourcePos
	case "metadata":
		value, pos = &b.Metadata, &b.MetadataPos
	case "wasm":
		value, pos = &b.WASM, &b.WASMPos
	default:
		r.unknown(e, "build.yaml", buildKeys)
		return
	}
	if text := r.text(e.value, e.raw); text != "" {
		*value, *pos = text, r.pos(e.value)
	}
}
