package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// WriteYAML writes value as YAML, with the names and the order that its JSON has.
func WriteYAML(w io.Writer, value any) error {
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err
	}
	d := json.NewDecoder(&raw)
	d.UseNumber()
	var b strings.Builder
	if err := yamlValue(&b, d, 0, true); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// yamlValue writes the next value of d. At its call the cursor is behind "key:" or
// "-", or at the start of a line when fresh.
func yamlValue(b *strings.Builder, d *json.Decoder, indent int, fresh bool) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		if !fresh {
			b.WriteByte(' ')
		}
		b.WriteString(yamlScalar(t) + "\n")
		return nil
	}
	if !d.More() {
		if !fresh {
			b.WriteByte(' ')
		}
		b.WriteString(map[json.Delim]string{'{': "{}\n", '[': "[]\n"}[delim])
		_, err := d.Token()
		return err
	}
	if !fresh {
		b.WriteByte('\n')
	}
	for d.More() {
		b.WriteString(strings.Repeat("  ", indent))
		if delim == '[' {
			if err := yamlElement(b, d, indent); err != nil {
				return err
			}
			continue
		}
		key, err := d.Token()
		if err != nil {
			return err
		}
		b.WriteString(yamlScalar(key) + ":")
		if err := yamlValue(b, d, indent+1, false); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// yamlElement writes one element of a list: its first line goes behind the dash.
func yamlElement(b *strings.Builder, d *json.Decoder, indent int) error {
	var element strings.Builder
	if err := yamlValue(&element, d, indent+1, true); err != nil {
		return err
	}
	b.WriteString("- " + strings.TrimLeft(element.String(), " "))
	return nil
}

var plainYAML = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./ +@-]*$`)

// yamlScalar quotes whatever YAML could read as something else.
func yamlScalar(t json.Token) string {
	s, ok := t.(string)
	if !ok {
		if t == nil {
			return "null"
		}
		return fmt.Sprint(t)
	}
	reserved := false
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		reserved = true
	}
	if !reserved && plainYAML.MatchString(s) && !strings.HasSuffix(s, " ") {
		return s
	}
	var quoted strings.Builder
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always has a JSON form
	return strings.TrimSpace(quoted.String())
}
