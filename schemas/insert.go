package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Addition is a value that a file of keys and values lacks.
type Addition struct {
	// Path of keys from the root. Keys compare without regard to letter case.
	Path []string
	// Value is text, written so that it is read back as text.
	Value string
}

// Insert adds values to a YAML file and leaves every byte that is there as it is:
// comments, order, unknown keys, blank lines. Values that are there already stay.
// The error is a [Problem] with the place where something cannot be added.
func Insert(file string, src []byte, additions []Addition) ([]byte, error) {
	text := src
	for _, a := range additions {
		var err error
		if text, err = insert(file, text, a); err != nil {
			return nil, err
		}
	}
	// The text was edited by looking at its indentation: what it means now must be
	// what it meant, and more.
	var before, after any
	if err := errors.Join(yaml.Unmarshal(src, &before), yaml.Unmarshal(text, &after)); err != nil {
		return nil, fmt.Errorf("add to %s: %w", file, err)
	}
	if !within(before, after) {
		return nil, Problem{Error, Pos{File: file}, "values cannot be added to this file without changing others", "write it with one key a line"}
	}
	return text, nil
}

// within reports whether everything in a is in b.
func within(a, b any) bool {
	small, ok := a.(map[string]any)
	if !ok {
		return a == nil || reflect.DeepEqual(a, b)
	}
	large, ok := b.(map[string]any)
	for key, v := range small {
		ok = ok && within(v, large[key])
	}
	return ok
}

func insert(file string, src []byte, a Addition) ([]byte, error) {
	r := &reader{file: file}
	roots, err := r.documents(src, 1)
	if err != nil {
		return nil, err
	}
	e := edit{lines: strings.SplitAfter(string(src), "\n"), step: 2}
	if len(roots) == 0 {
		e.insertAt(len(e.lines), 0, a.Path, a.Value)
		return e.bytes(), nil
	}
	n, rest := roots[0], a.Path
	if n.Kind != yaml.MappingNode {
		return nil, Problem{Error, r.pos(n), "the file is no map of keys and values", ""}
	}
	e.step = indentation(n)
	for {
		key, value := child(n, rest[0])
		switch {
		case value == nil:
			return e.append(r, n, rest, a.Value)
		case len(rest) == 1:
			return src, nil // it has one
		case isNull(value):
			e.insertAt(key.Line, key.Column-1+e.step, rest[1:], a.Value)
			return e.bytes(), nil
		case value.Kind != yaml.MappingNode:
			return nil, Problem{Error, r.pos(value), fmt.Sprintf("%s is %s, not a map of keys and values", key.Value, kindName(value)), ""}
		}
		n, rest = value, rest[1:]
	}
}

// child finds a key of a map.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, name) {
			return n.Content[i], follow(n.Content[i+1])
		}
	}
	return nil, nil
}

// indentation is how far the file indents, 2 where nothing shows it.
func indentation(root *yaml.Node) int {
	for i := 0; i+1 < len(root.Content); i += 2 {
		v := root.Content[i+1]
		if v.Kind == yaml.MappingNode && v.Style&yaml.FlowStyle == 0 && len(v.Content) > 0 && v.Column > 1 {
			return v.Column - root.Content[i].Column
		}
	}
	return 2
}

// edit is a file being edited, in lines with their ends.
type edit struct {
	lines []string
	step  int
}

// append adds a path at the end of a map.
func (e *edit) append(r *reader, n *yaml.Node, path []string, value string) ([]byte, error) {
	if n.Style&yaml.FlowStyle != 0 {
		return nil, Problem{Error, r.pos(n), fmt.Sprintf("%q cannot be added to a map in braces", strings.Join(path, ".")), "write it with one key a line"}
	}
	column := n.Content[0].Column - 1
	end := n.Content[0].Line // the line after that of the first key
	for i := end; i < len(e.lines); i++ {
		line := strings.TrimRight(e.lines[i], "\r\n")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "..."):
			i = len(e.lines)
		case strings.HasPrefix(strings.TrimSpace(line), "#"):
			// A comment belongs to what it is indented like.
			if indent > column {
				end = i + 1
			}
		case indent < column:
			i = len(e.lines)
		default:
			end = i + 1
		}
	}
	e.insertAt(end, column, path, value)
	return e.bytes(), nil
}

// insertAt writes a path before the line of that index.
func (e *edit) insertAt(line, column int, path []string, value string) {
	var b strings.Builder
	for i, key := range path {
		b.WriteString(strings.Repeat(" ", column+i*e.step) + plainOrQuoted(key) + ":")
		if i == len(path)-1 {
			b.WriteString(" " + plainOrQuoted(value))
		}
		b.WriteString("\n")
	}
	if line > 0 && !strings.HasSuffix(e.lines[line-1], "\n") && e.lines[line-1] != "" {
		e.lines[line-1] += "\n"
	}
	e.lines = slices.Insert(e.lines, line, b.String())
}

func (e *edit) bytes() []byte { return []byte(strings.Join(e.lines, "")) }

// plainOrQuoted writes a text so that YAML reads that text.
func plainOrQuoted(s string) string {
	out, err := yaml.Marshal(s)
	if err != nil || bytes.Count(out, []byte("\n")) != 1 {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(string(out), "\n")
}
