package docs

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/builder"
)

var update = flag.Bool("update", false, "write the generated pages")

// headers is where the headers lie, examples where the programs that use them.
const (
	headers  = "../gadgets/include/gadget"
	examples = "examples"
)

// entity is a macro, function, type or map of a header.
type entity struct {
	name, code, comment string
}

var (
	comment  = regexp.MustCompile(`(?s)^/\*(.*?)\*/\n`)
	macro    = regexp.MustCompile(`^#define (\w+(?:\([^)]*\))?)`)
	function = regexp.MustCompile(`(?s)^static (?:__always_inline|__noinline) ([^;{]*?\))\s*\{`)
	typedef  = regexp.MustCompile(`^typedef ([^;]*?) ?\b(\w+);`)
	variable = regexp.MustCompile(`(?s)^(?:const volatile|static void \(\*const) ?([^;]*);`)
	record   = regexp.MustCompile(`(?s)^((?:struct|union|enum) \w+ \{.*?\n\}[^;]*);`)
	mapDef   = regexp.MustCompile(`(?s)^struct \{\n(.*?)\n\} (\w+) SEC\("\.maps"\);`)
	word     = regexp.MustCompile(`\w+`)
)

// parse reads the entities of a header, and the comment about the whole.
func parse(src string) (about string, found []entity) {
	seen := map[string]bool{}
	// pending is the last comment; it is about what follows without an empty line,
	// and about all that private things or conditions come before.
	pending, carry := "", false
	add := func(name, code string) {
		if carry = strings.HasPrefix(name, "__") || strings.Contains(name, "___"); carry || seen[name] || strings.HasSuffix(name, "_H") {
			return
		}
		seen[name] = true
		found = append(found, entity{name, code, pending})
	}
	for src != "" {
		line, _, _ := strings.Cut(src, "\n")
		skip := len(line) + 1
		switch {
		case comment.MatchString(src):
			m := comment.FindStringSubmatch(src)
			skip = len(m[0])
			if text := clean(m[1]); !strings.HasPrefix(text, "SPDX") {
				pending, carry = text, false
			}
		case strings.HasPrefix(line, "#ifndef GADGET_") && strings.HasSuffix(line, "_H"):
			about, pending = pending, ""
		case macro.MatchString(line):
			code := macro.FindStringSubmatch(line)[1]
			for end := line; strings.HasSuffix(strings.TrimSpace(end), "\\"); {
				next, _, _ := strings.Cut(src[skip:], "\n")
				skip, end = skip+len(next)+1, next
			}
			add(word.FindString(code), code)
		case function.MatchString(src):
			m := function.FindStringSubmatch(src)
			code := strings.Join(strings.Fields(m[1]), " ")
			name := word.FindAllString(code[:strings.IndexByte(code, '(')], -1)
			add(name[len(name)-1], strings.ReplaceAll(code, "* ", "*"))
			skip = strings.Index(src, "\n}") + 3
		case mapDef.MatchString(src):
			m := mapDef.FindStringSubmatch(src)
			add(m[2], "struct { … } "+m[2]+" SEC(\".maps\")")
			skip = len(m[0]) + 1 // and the end of the line
		case record.MatchString(src):
			m := record.FindStringSubmatch(src)
			name := word.FindAllString(m[1], 2)[1]
			add(name, strings.TrimSuffix(m[1], " __GADGET_FLAVOUR"))
			skip = len(m[0]) + 1 // and the end of the line
		case typedef.MatchString(line):
			m := typedef.FindStringSubmatch(line)
			add(m[2], "typedef "+m[1]+" "+m[2])
		case variable.MatchString(src):
			m := variable.FindStringSubmatch(src)
			declared, _, _ := strings.Cut(m[1], "=")
			names := word.FindAllString(strings.SplitN(declared, "[", 2)[0], -1)
			add(names[len(names)-1], strings.TrimSpace(declared))
			skip = len(m[0]) + 1 // and the end of the line
		case strings.HasPrefix(line, "#if"):
			carry = true
		case line == "" && !carry:
			pending = ""
		}
		src = src[min(skip, len(src)):]
	}
	return about, found
}

// clean takes the marks off a comment.
func clean(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(line, " * "), " *"), " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// markdown turns a comment into text with code blocks where it is indented.
func markdown(text string) string {
	var b strings.Builder
	code := false
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indented := strings.HasPrefix(line, "\t")
		if indented && !code {
			b.WriteString("```c\n")
		}
		if !indented && code && (line != "" || i+1 >= len(lines) || !strings.HasPrefix(lines[i+1], "\t")) {
			b.WriteString("```\n")
			code = false
		} else if indented {
			code = true
		}
		b.WriteString(strings.TrimPrefix(line, "\t") + "\n")
	}
	if code {
		b.WriteString("```\n")
	}
	return strings.TrimSpace(b.String())
}

// api writes the page about all headers.
func api(t *testing.T) []byte {
	var b bytes.Buffer
	b.WriteString(`# The eBPF headers

Programs include these headers as <gadget/NAME>; they come with gadget, as do vmlinux.h, libbpf's
headers and the kernel's UAPI. Types, macros and functions have the names and the meaning of
Inspektor Gadget's, so that programs written for either work with both. This page is made from the
headers; the examples are compiled by the tests.
`)
	files, err := filepath.Glob(headers + "/*.h")
	if err != nil || len(files) == 0 {
		t.Fatal("no headers", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		about, found := parse(string(src))
		name := filepath.Base(file)
		fmt.Fprintf(&b, "\n## %s\n", name)
		if about != "" {
			fmt.Fprintf(&b, "\n%s\n", markdown(about))
		}
		entities(t, &b, name, found)
		example := filepath.Join(examples, strings.TrimSuffix(name, filepath.Ext(name))+".c")
		code, err := os.ReadFile(example)
		if err != nil {
			t.Errorf("%s: an example of its use is missing: %v", name, err)
			continue
		}
		fmt.Fprintf(&b, "\n```c\n%s\n```\n", strings.TrimSpace(string(code)))
	}
	return b.Bytes()
}

// entities writes those of one header. Neighbours that share a comment, such as
// types, are one entry.
func entities(t *testing.T, b *bytes.Buffer, header string, found []entity) {
	for i := 0; i < len(found); {
		n := i + 1
		for n < len(found) && found[n].comment == found[i].comment && found[i].comment != "" {
			n++
		}
		if found[i].comment == "" {
			t.Errorf("%s: %s has no comment", header, found[i].name)
		}
		b.WriteString("\n```c\n")
		for _, e := range found[i:n] {
			b.WriteString(e.code + "\n")
		}
		fmt.Fprintf(b, "```\n\n%s\n", markdown(found[i].comment))
		i = n
	}
}

// TestAPI checks that the page is current and that all examples compile for all
// platforms without a warning.
func TestAPI(t *testing.T) {
	got := api(t)
	if *update {
		if err := os.WriteFile("api.md", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("api.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/api.md is not what the headers say: run make docs")
	}
	files, err := filepath.Glob(examples + "/*.c")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, platform := range builder.Platforms() {
			t.Run(filepath.Base(file)+" "+platform, func(t *testing.T) {
				t.Parallel()
				var stderr bytes.Buffer
				if _, err := builder.Compile(t.Context(), file, platform, builder.Options{Stderr: &stderr}); err != nil || stderr.Len() > 0 {
					t.Errorf("%v\n%s", err, &stderr)
				}
			})
		}
	}
}
