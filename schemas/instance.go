package schemas

import (
	"regexp"
	"strings"
)

// Instance is one run described in a file (kind instance-spec).
type Instance struct {
	// Image is the reference of the gadget.
	Image string
	// ID has 32 hexadecimal digits, Name 1 to 32 of a-z 0-9 - _; "" when the
	// runner shall choose.
	ID, Name string
	// Tags group runs, Nodes choose machines.
	Tags, Nodes []string
	// ParamValues by full or bare name of the parameter, as written.
	ParamValues map[string]string
	Pos         Pos
}

var (
	instanceKeys = []string{"apiVersion", "kind", "image", "id", "name", "tags", "nodes", "paramValues"}
	anyForm      = regexp.MustCompile(`.`)
	instanceAPI  = regexp.MustCompile(`^1$`)
	instanceKind = regexp.MustCompile(`^instance-spec$`)
	instanceID   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	instanceName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)
)

// ParseInstances reads the instance-specs of a file, one in each document. The
// error is set when src is not YAML; problems of severity Error refuse the file.
func ParseInstances(file string, src []byte) ([]Instance, []Problem, error) {
	r := &reader{file: file}
	roots, err := r.documents(src, 0)
	if err != nil {
		return nil, nil, err
	}
	var out []Instance
	for _, root := range roots {
		if isNull(follow(root)) {
			continue // a document of comments, as before the first ---
		}
		i := Instance{ParamValues: map[string]string{}, Pos: r.pos(root)}
		required := map[string]bool{"apiversion": false, "kind": false, "image": false}
		for _, e := range r.entries(root, "the instance-spec") {
			required[e.key] = true
			r.instanceKey(&i, e)
		}
		for _, key := range []string{"apiVersion", "kind", "image"} {
			if !required[strings.ToLower(key)] {
				r.report(Error, root, "", "the instance-spec has no %s", key)
			}
		}
		out = append(out, i)
	}
	if len(out) == 0 {
		r.report(Error, nil, "", "the file has no instance-spec")
	}
	sortProblems(r.problems)
	return out, r.problems, nil
}

func (r *reader) instanceKey(i *Instance, e entry) {
	switch e.key {
	case "apiversion":
		r.match(e, instanceAPI, "1")
	case "kind":
		r.match(e, instanceKind, "instance-spec")
	case "image":
		i.Image = r.match(e, anyForm, "the name of an image")
	case "id":
		i.ID = r.match(e, instanceID, "32 digits of 0-9 a-f")
	case "name":
		i.Name = r.match(e, instanceName, "1 to 32 of a-z 0-9 - _")
	case "tags":
		i.Tags = r.list(e.value, "tags")
	case "nodes":
		i.Nodes = r.list(e.value, "nodes")
	case "paramvalues":
		i.ParamValues = r.texts(e.value, "paramValues")
	default:
		r.unknown(e, "the instance-spec", instanceKeys)
	}
}

// match reads a text of a certain form.
func (r *reader) match(e entry, form *regexp.Regexp, expect string) string {
	problems := len(r.problems)
	value := r.text(e.value, e.raw)
	if len(r.problems) == problems && !form.MatchString(value) {
		r.report(Error, e.value, "", "%s must be %s, not %q", e.raw, expect, value)
	}
	return value
}
