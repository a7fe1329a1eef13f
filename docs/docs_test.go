// Package docs_test checks that the documentation holds together.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	code    = regexp.MustCompile("(?s)```.*?```")
	command = regexp.MustCompile(`(?m)^(?:\$ |.*[;|(` + "`" + `]\s*)?(?:[A-Z_]+=\S+ )*gadget ((?:run|image|config|version)\b[^|;#` + "`" + `\n]*)`)
	flag    = regexp.MustCompile(`(?:^|\s)--([a-z0-9][a-z0-9-]*)`)
	quoted  = regexp.MustCompile(`'[^']*'|"[^"]*"`)
)

// pages are the texts of all Markdown files here, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "cli/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[f] = string(text)
		}
	}
	return all
}

// TestLinks follows relative links, to headings of pages too.
func TestLinks(t *testing.T) {
	for page, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			body, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: link to %s: no such file", page, m[1])
			} else if anchor != "" && !anchors(string(body))[anchor] {
				t.Errorf("%s: link to %s: no such heading", page, m[1])
			}
		}
	}
}

// anchors are the names under which headings can be linked.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

// gadgetFlags are those of gadgets, which the reference of the command line has not.
const gadgetFlags = " --failed --max-files --paths --min-signal --min-ns --comm --pid --uid --local --sort --max-entries --interval --count --print-interval --per-disk --per-operation "

// TestFlags looks up the flags of all commands that pages show.
func TestFlags(t *testing.T) {
	all := pages(t)
	known := gadgetFlags
	for page, text := range all {
		if strings.HasPrefix(page, "cli") {
			known += text
		}
	}
	seen := 0
	for page, text := range all {
		for _, c := range command.FindAllStringSubmatch(text, -1) {
			for _, f := range flag.FindAllStringSubmatch(quoted.ReplaceAllString(c[1], "''"), -1) {
				seen++
				if !strings.Contains(known, " --"+f[1]+" ") {
					t.Errorf("%s: gadget %s: there is no flag --%s", page, c[1], f[1])
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("found only %d flags", seen)
	}
}
