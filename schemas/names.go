package schemas

import (
	"maps"
	"slices"
)

// AnnotationContainers is the top-level annotation of gadget.yaml that asks for
// the data source of containers; its value is "true".
const AnnotationContainers = "enable-containers-datasource"

// ProgramDisabled is the value of attach_to that switches a program off.
const ProgramDisabled = "gadget_program_disabled"

// operators are the settings of operators that make a data source (compat-spec
// §5.7), in lower case.
var operators = map[string]map[string]annotation{
	"process": {"emitstats": boolText, "interval": intervalText, "first-interval": intervalText, "count": intText, "fields": anyText},
	"cgroup":  {"emitstats": boolText, "interval": intervalText, "first-interval": intervalText, "count": intText},
	"ebpf":    {"emitstats": boolText, "statistics-interval": intervalText, "gadgets-only": boolText},
}

// annotation says which values a known annotation, or setting, takes.
type annotation struct {
	check  func(value string) bool
	expect string
}

var (
	anyText  = annotation{}
	boolText = annotation{isBool, "true or false"}
	intText  = annotation{isInt, "a number"}
	// intervalText without a unit can only be 0.
	intervalText = annotation{isInterval, "a duration such as 1s, or 0"}
)

// fieldAnnotations are the annotations of fields that have an effect
// (compat-spec §3.4), in lower case.
var fieldAnnotations = map[string]annotation{
	"description":                       anyText,
	"template":                          anyText, // checked by its own rule, which knows the nearest name
	"columns.width":                     {isWidth, "a number, or \"type\" for the width of the type"},
	"columns.minwidth":                  {isWidth, "a number, or \"type\" for the width of the type"},
	"columns.maxwidth":                  {isWidth, "a number, or \"type\" for the width of the type"},
	"columns.alignment":                 oneOf("left", "right"),
	"columns.ellipsis":                  oneOf("", "start", "middle", "end"),
	"columns.hidden":                    boolText,
	"columns.fixed":                     boolText,
	"columns.hex":                       boolText,
	"columns.alias":                     anyText,
	"columns.precision":                 intText,
	"columns.replace":                   anyText,
	"value.one-of":                      anyText,
	"json.skip":                         boolText,
	"formatters.timestamp.target":       anyText,
	"formatters.timestamp.format":       anyText,
	"formatters.syscall.target":         anyText,
	"formatters.signal.target":          anyText,
	"formatters.errno.target":           anyText,
	"formatters.bytes.target":           anyText,
	"formatters.duration.target":        anyText,
	"formatters.file_mode.target":       anyText,
	"formatters.file_flags.target":      anyText,
	"uidgidresolver.target":             anyText,
	"ebpf.formatter.enum":               anyText,
	"ebpf.formatter.bitfield.separator": anyText,
	"ebpf.formatter.kstack":             anyText,
	"metrics.type":                      oneOf("key", "counter", "gauge", "histogram"),
	"metrics.name":                      anyText,
	"metrics.description":               anyText,
	"metrics.unit":                      anyText,
	"metrics.boundaries":                anyText,
	"logs.name":                         anyText,
	"profiles.sample-attribute":         boolText,
	"pcap.interface-key":                anyText,
	"pcap.interface-var":                anyText,
	"content-type":                      anyText,
}

// sourceAnnotations are those of data sources (compat-spec §3.5).
var sourceAnnotations = map[string]annotation{
	"description":                          anyText,
	"fetch-interval":                       {isInterval, "a duration such as 1s, or 0 for once"},
	"fetch-count":                          intText,
	"ebpf.map.flush-on-stop":               boolText,
	"ebpf.iter.fetch-on-stop":              boolText,
	"ebpf.rest.name":                       anyText,
	"ebpf.rest.len":                        anyText,
	"cli.clear-screen-before":              boolText,
	"cli.supported-output-modes":           anyText,
	"cli.default-output-mode":              anyText,
	"cli.raw.fields":                       anyText,
	"metrics.collect":                      boolText,
	"metrics.print":                        boolText,
	"metrics.implicit-counter.name":        anyText,
	"metrics.implicit-counter.description": anyText,
	"pcap.payload":                         anyText,
	"pcap.timestamp":                       anyText,
	"pcap.packet-length":                   anyText,
	"logs.name":                            anyText,
	"logs.body":                            anyText,
	"logs.severity":                        anyText,
	"logs.array-handling":                  oneOf("array", "elements"),
	"profiles.stack-fields":                anyText,
	"profiles.value-field":                 anyText,
	"profiles.name":                        anyText,
	"profiles.type":                        anyText,
	"profiles.unit":                        anyText,
	"kubenameresolver.enable":              boolText,
	"generate_networkpolicy.enable":        boolText,
}

// FieldAnnotations returns the annotation keys of fields that have an effect, sorted.
func FieldAnnotations() []string { return slices.Sorted(maps.Keys(fieldAnnotations)) }

// SourceAnnotations returns the annotation keys of data sources that have an
// effect, sorted. Beside them env.fields.NAME is known for any name.
func SourceAnnotations() []string { return slices.Sorted(maps.Keys(sourceAnnotations)) }

// paramTypes are the values of a parameter's "type".
var paramTypes = []string{
	"bool", "string", "bytes", "int", "int8", "int16", "int32", "int64",
	"uint", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
	"duration", "ip", "[]string",
}

// Keys of the file by level, spelled as people write them.
var (
	metadataKeys = []string{
		"name", "description", "homepageURL", "documentationURL", "sourceURL", "annotations",
		"datasources", "params", "paramDefaults", "operator", "programs", "category", "tags", "ebpfParams",
	}
	// deadKeys are top-level keys of old files that mean nothing any more.
	deadKeys    = []string{"gadgetParams", "tracers", "snapshotters", "toppers", "structs"}
	sourceKeys  = []string{"annotations", "fields", "tags"}
	fieldKeys   = []string{"annotations", "tags"}
	sectionKeys = []string{"ebpf", "wasm", "custom"}
	paramKeys   = []string{
		"key", "alternativeKey", "alias", "title", "defaultValue", "description",
		"isMandatory", "tags", "type", "typeHint", "valueHint", "possibleValues",
	}
	customParamKeys = append([]string{"patch", "values"}, paramKeys...)
	programKeys     = []string{"attach_to", "optional", "alternatives", "when", "perf", "sampler"}
	perfKeys        = []string{"type", "config", "sampleType"}
	samplerKeys     = []string{"frequency", "period"}
)
