// Package schemas says what a gadget is: its metadata (gadget.yaml), its build
// file, its image in memory, and the JSON Schemas of all files that people write.
//
// Parsing keeps positions, so that whoever checks further (the builder against
// the ELF, the runner against the kernel) can point at the line.
package schemas

import "gopkg.in/yaml.v3"

// Metadata is a parsed gadget.yaml. Map keys are in lower case, as they compare
// without regard to it, unless said otherwise; field names keep their dots
// (proc.parent.comm). Maps are never nil in what ParseMetadata returns.
type Metadata struct {
	Name, Description                        string
	HomepageURL, DocumentationURL, SourceURL string
	// Annotations of the image, keys as written, but for AnnotationContainers.
	Annotations map[string]string
	DataSources map[string]DataSource
	Params      Params
	// ParamDefaults overrides defaults by full parameter name, such as
	// operator.oci.ebpf.map-fetch-interval.
	ParamDefaults map[string]string
	// Operator holds the settings of built-in operators, flattened to dotted
	// keys without the leading "operator.": ebpf.emitstats → true.
	Operator map[string]string
	// Programs by C function name in lower case; look up strings.ToLower(name).
	Programs map[string]Program

	// What the file says, for patches: its name and its YAML.
	file string
	root *yaml.Node
}

// DataSource configures one data source of the gadget.
type DataSource struct {
	// Name as written.
	Name        string
	Annotations map[string]string
	Tags        []string
	// Fields by lower-cased full name.
	Fields map[string]Field
	Pos    Pos
}

// Field configures one field of a data source.
type Field struct {
	// Name as written.
	Name        string
	Annotations map[string]string
	Tags        []string
	Pos         Pos
}

// Params are the parameters that gadget.yaml declares, by section. EBPF and
// WASM keys are as written (EBPF: C variable names, which are case sensitive).
type Params struct {
	EBPF, WASM, Custom map[string]Param
}

// Param describes one parameter (compat-spec §3.3).
type Param struct {
	Key, AlternativeKey, Alias, Title string
	DefaultValue, Description         string
	Type, ValueHint                   string
	IsMandatory                       bool
	// PossibleValues are the only ones it takes, nil for any; those of
	// params.custom also when they stand under "values".
	Tags, PossibleValues []string
	Pos                  Pos

	// The metadata that a parameter of params.custom merges: for any value, and
	// for each by its name in lower case. A value without a patch is there, too.
	patch  *yaml.Node
	values map[string]*yaml.Node
}

// Program configures one program by C function name, or by section suffix for
// perf_event programs.
type Program struct {
	// AttachTo replaces the target of the section name; the value
	// gadget_program_disabled switches the program off.
	AttachTo string
	// Optional programs may be missing on a kernel without failing the run.
	Optional bool
	// Alternatives are programs of which the first that attaches is used.
	Alternatives []string
	// When is an expression over the kernel that decides whether to use it.
	When string
	// Perf (type, config, sampletype) says what a perf_event program samples,
	// Frequency how often in a second, Period after how many events; 0 is not said.
	Perf              map[string]string
	Frequency, Period uint64
	// Pos is that of the name, WhenPos that of the expression.
	Pos, WhenPos Pos
}

// Pos is a place in a file. The zero value is "nowhere".
type Pos struct {
	File      string
	Line, Col int
}

// Severity of a Problem.
type Severity uint8

// Errors refuse the file, warnings are shown.
const (
	Warning Severity = iota
	Error
)

// Problem is one finding about a file, with its place and, when there is one, a fix.
type Problem struct {
	Severity Severity
	Pos      Pos
	// Message says what is wrong; Hint what to do about it, may be "".
	Message, Hint string
}
