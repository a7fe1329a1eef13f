package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/schemas"
)

// testResult is what became of one test.
type testResult struct {
	Gadget   string   `json:"gadget"`
	Name     string   `json:"name"`
	Seconds  float64  `json:"seconds"`
	Events   int      `json:"events"`
	Failures []string `json:"failures"`
}

func (r *testResult) fail(pos schemas.Pos, message string) {
	r.Failures = append(r.Failures, pos.String()+": "+message)
}

// write prints a line for a test, and below it what was wrong.
func (r *testResult) write(w io.Writer, t view.Terminal) {
	word := t.Green("ok  ")
	if len(r.Failures) > 0 {
		word = t.Red("FAIL")
	}
	fmt.Fprintf(w, "%s  %s: %s (%.1f s, %d events)\n", word, r.Gadget, view.SafeText(r.Name), r.Seconds, r.Events)
	for _, f := range r.Failures {
		fmt.Fprintf(w, "      %s\n", strings.ReplaceAll(view.SafeText(f), "\n", "\n      "))
	}
}

// JUnit's elements, as far as CI systems read them.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
		seconds  float64
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes the results with a suite for each gadget.
func writeJUnit(file string, results []testResult) error {
	var all junitSuites
	for _, r := range results {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != r.Gadget {
			all.Suites = append(all.Suites, junitSuite{Name: r.Gadget})
		}
		s := &all.Suites[len(all.Suites)-1]
		c := junitCase{Class: r.Gadget, Name: r.Name, Time: fmt.Sprintf("%.3f", r.Seconds)}
		if len(r.Failures) > 0 {
			first, _, _ := strings.Cut(r.Failures[0], "\n")
			c.Failure = &junitFailure{Message: first, Text: strings.Join(r.Failures, "\n")}
			s.Failures++
		}
		s.Tests++
		s.seconds += r.Seconds
		s.Time = fmt.Sprintf("%.3f", s.seconds)
		s.Cases = append(s.Cases, c)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte(xml.Header), append(text, '\n')...), 0o644)
}
