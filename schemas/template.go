package schemas

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"gopkg.in/yaml.v3"
)

// Limits on one template and on the text it makes, in bytes.
const (
	maxTemplate = 4 << 10
	maxExpanded = 64 << 10
)

// isTemplate reports whether a scalar has something to expand.
func isTemplate(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "{{")
}

// expander makes texts of templates. Templates are those of text/template without
// what could run for long: no loops, no templates in templates, and functions
// that do not make large texts. A stranger has written them.
type expander struct {
	data     map[string]any
	deadline time.Time
}

// newExpander gives templates the two functions of compat-spec §3.3.
func newExpander(param func(fullName string) (string, error), config func(path string) string, deadline time.Time) *expander {
	return &expander{
		deadline: deadline,
		data:     map[string]any{"getParamValue": param, "getConfig": config},
	}
}

// expand returns the text that a template makes.
func (x *expander) expand(text string) (string, error) {
	if len(text) > maxTemplate {
		return "", fmt.Errorf("the template has %d bytes, more than the %d that are expanded", len(text), maxTemplate)
	}
	if err := x.inTime(); err != nil {
		return "", err
	}
	t, err := template.New("").Option("missingkey=error").Funcs(x.functions()).Parse(text)
	if err != nil {
		return "", templateError(err)
	}
	for _, defined := range t.Templates() {
		if defined.Name() != "" {
			return "", errors.New("a template in a patch cannot define others")
		}
	}
	if t.Tree == nil {
		return "", nil // nothing but comments
	}
	if err := permit(t.Root); err != nil {
		return "", err
	}
	var out bounded
	if err := t.Execute(&out, x.data); err != nil {
		return "", templateError(err)
	}
	return out.String(), nil
}

// permit refuses what could make a template run for long.
func permit(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil // an if without else
		}
		for _, item := range n.Nodes {
			if err := permit(item); err != nil {
				return err
			}
		}
		return nil
	case *parse.IfNode:
		return errors.Join(permit(n.List), permit(n.ElseList))
	case *parse.WithNode:
		return errors.Join(permit(n.List), permit(n.ElseList))
	case *parse.TextNode, *parse.ActionNode, *parse.CommentNode:
		return nil
	}
	word, _, _ := strings.Cut(strings.Trim(n.String(), "{}- "), " ")
	return fmt.Errorf("a template in a patch cannot use %q", word)
}

// functions are the built-in ones that make texts, bounded. Variables could
// double a text with each line otherwise.
func (x *expander) functions() template.FuncMap {
	return template.FuncMap{
		"print":   func(args ...any) (string, error) { return x.bound(fmt.Sprint, args) },
		"println": func(args ...any) (string, error) { return x.bound(fmt.Sprintln, args) },
		"printf": func(format string, args ...any) (string, error) {
			if wideVerb.MatchString(format) {
				return "", errors.New("printf: a width above 999")
			}
			return x.bound(func(args ...any) string { return fmt.Sprintf(format, args...) }, args)
		},
		"html":     func(args ...any) (string, error) { return x.bound(template.HTMLEscaper, args) },
		"js":       func(args ...any) (string, error) { return x.bound(template.JSEscaper, args) },
		"urlquery": func(args ...any) (string, error) { return x.bound(template.URLQueryEscaper, args) },
	}
}

var wideVerb = regexp.MustCompile(`[0-9]{4}|\*`)

func (x *expander) bound(make func(args ...any) string, args []any) (string, error) {
	if err := x.inTime(); err != nil {
		return "", err
	}
	text := make(args...)
	if len(text) > maxExpanded {
		return "", errTooLong
	}
	return text, nil
}

func (x *expander) inTime() error {
	if time.Now().After(x.deadline) {
		return fmt.Errorf("the patches take longer than %s", patchTime)
	}
	return nil
}

// bounded is a text that does not grow without end.
type bounded struct{ strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxExpanded {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

var errTooLong = fmt.Errorf("the text has more than %d bytes", maxExpanded)

var theirWords = regexp.MustCompile(`^template: [^:]*:\d+(:\d+)?: (executing "" at )?`)

// templateError is what the template package says, without the place in a file
// that it does not know.
func templateError(err error) error {
	return errors.New(theirWords.ReplaceAllString(err.Error(), ""))
}
