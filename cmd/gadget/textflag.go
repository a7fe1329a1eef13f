package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/schemas"
)

// fromFile returns s, or the content of the file when s is @FILE, without the line
// break at its end.
func fromFile(s string) (string, error) {
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return s, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, schemas.MaxFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > schemas.MaxFile {
		return "", fmt.Errorf("%s has more than %d bytes", name, schemas.MaxFile)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// textList is a flag with several texts: those of each time it is given add up, ""
// forgets them. A value @FILE is the content of the file.
type textList struct {
	list *[]string
	// split takes a value as words between commas.
	split bool
}

// texts makes a flag whose values are texts as they are.
func texts(list *[]string) *textList { return &textList{list: list} }

// words makes a flag whose values are words between commas, or lines of a file.
func words(list *[]string) *textList { return &textList{list: list, split: true} }

// String implements pflag.Value.
func (t *textList) String() string {
	if t.list == nil { // the zero value that pflag compares defaults with
		return ""
	}
	return strings.Join(*t.list, ",")
}

// Type implements pflag.Value.
func (t *textList) Type() string { return "LIST" }

// Set implements pflag.Value.
func (t *textList) Set(s string) error {
	s, err := fromFile(s)
	switch {
	case err != nil:
		return err
	case s == "":
		*t.list = nil
	case t.split:
		*t.list = append(*t.list, splitWords(s, ",\n")...)
	default:
		*t.list = append(*t.list, s)
	}
	return nil
}

// splitWords returns the words between any of the separators, without the space
// around them.
func splitWords(s, separators string) []string {
	words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(separators, r) })
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}
