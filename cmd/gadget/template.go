package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

// goTemplate begins the value of -o that is followed by a template.
const goTemplate = "go-template="

// Limits of templates: one that repeats itself ends, whatever it writes.
const (
	maxTemplate       = 64 << 10
	maxTemplateOutput = 16 << 20
	maxTemplateTime   = 10 * time.Second
)

// templateFuncs are there besides those of package text/template.
var templateFuncs = template.FuncMap{
	"json": func(v any) (string, error) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		err := e.Encode(v)
		return strings.TrimSuffix(b.String(), "\n"), err
	},
	"join": func(list []any, separator string) string {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = fmt.Sprint(v)
		}
		return strings.Join(words, separator)
	},
	"split": func(s, separator string) []string { return strings.Split(s, separator) },
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
	"size":  func(n int64) string { return size(uint64(max(0, n))) },
	"short": func(d string) string { return digest(d, false) },
}

// parseTemplate reads a template; \n and \t in it are what they are in C, as shells
// pass them on.
func parseTemplate(text string) (*template.Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the template has %d bytes, more than %d", len(text), maxTemplate)
	}
	text = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(text)
	t, err := template.New("").Option("missingkey=error").Funcs(templateFuncs).Parse(text)
	if err != nil {
		return nil, errors.New(templateTrouble(err))
	}
	return t, nil
}

// writeTemplate writes value, whose fields have the names of its JSON, by a template.
func writeTemplate(w io.Writer, t *template.Template, value any) error {
	out := &boundedBuffer{left: maxTemplateOutput}
	done := make(chan error, 1)
	go func() { done <- t.Execute(out, plainValue(reflect.ValueOf(value))) }()
	select {
	case err := <-done:
		if err != nil {
			return templateFault(err, value)
		}
	case <-time.After(maxTemplateTime):
		// What goes on in the goroutine ends with the process.
		return &fault{code: exitUsage, err: fmt.Errorf("the template is not done after %s", maxTemplateTime)}
	}
	_, err := io.WriteString(w, view.SafeText(out.String()))
	return err
}

// boundedBuffer takes so many bytes and fails then.
type boundedBuffer struct {
	bytes.Buffer
	left int
}

// Write implements io.Writer.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("the template writes more than %d bytes", maxTemplateOutput)
	}
	return b.Buffer.Write(p)
}

// plainValue is a value as JSON has it, with all of its fields, empty ones too.
func plainValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plainValue(v.Elem())
	case reflect.Struct:
		fields := map[string]any{}
		for _, f := range jsonFields(v.Type()) {
			fields[f.name] = plainValue(v.FieldByIndex(f.index))
		}
		return fields
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plainValue(v.Index(i))
		}
		return list
	case reflect.Map:
		entries := map[string]any{}
		for key, value := range v.Seq2() {
			entries[key.String()] = plainValue(value)
		}
		return entries
	}
	return v.Interface()
}

type jsonField struct {
	name  string
	index []int
	typ   reflect.Type
}

// jsonFields are the fields of a struct that its JSON has.
func jsonFields(t reflect.Type) []jsonField {
	var fields []jsonField
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && f.IsExported() {
			fields = append(fields, jsonField{name, f.Index, f.Type})
		}
	}
	return fields
}

// fieldNamesOf are the names of all fields of a type and what is in it; those of the
// outermost struct are top.
func fieldNamesOf(t reflect.Type) (top, all []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, nil
	}
	for _, f := range jsonFields(t) {
		top = append(top, f.name)
		_, inner := fieldNamesOf(f.typ)
		all = append(append(all, f.name), inner...)
	}
	slices.Sort(all)
	return top, slices.Compact(all)
}

var (
	// templatePlace is how package text/template begins an error: name, line, column.
	templatePlace = regexp.MustCompile(`^template: [^:]*:(\d+)(?::(\d+))?: `)
	templateStep  = regexp.MustCompile(`executing "[^"]*" at (<.*?>): (.*)`)
	noSuchField   = regexp.MustCompile(`map has no entry for key "([^"]*)"`)
	inNoStruct    = regexp.MustCompile(`can't evaluate field (\S+) in type .*`)
)

// templateTrouble is an error of package text/template with its place, and without
// what only says how templates work inside.
func templateTrouble(err error) string {
	text := err.Error()
	where := ""
	if m := templatePlace.FindStringSubmatch(text); m != nil {
		where, text = "line "+m[1]+": ", text[len(m[0]):]
		if m[2] != "" {
			where = "line " + m[1] + ", column " + m[2] + ": "
		}
	}
	if m := templateStep.FindStringSubmatch(text); m != nil {
		text = m[1] + ": " + m[2]
	}
	text = noSuchField.ReplaceAllString(text, `there is no field "$1"`)
	text = inNoStruct.ReplaceAllString(text, `there is no field "$1" in a list or a value; {{range .}} goes through a list`)
	return where + text
}

// templateFault tells what went wrong with a template, and which fields there are.
func templateFault(err error, value any) error {
	f := &fault{code: exitUsage, err: fmt.Errorf("template: %s", templateTrouble(err))}
	missing := noSuchField.FindStringSubmatch(err.Error())
	if missing == nil && !inNoStruct.MatchString(err.Error()) {
		return f
	}
	top, all := fieldNamesOf(reflect.TypeOf(value))
	if missing != nil {
		f.hint("%s", didYouMean(".", missing[1], all))
	}
	return f.hint("there are: .%s", strings.Join(top, ", ."))
}
