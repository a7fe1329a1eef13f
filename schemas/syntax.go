package schemas

import (
	"bytes"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

// complaints maps what the YAML parser says to what a person can use.
var complaints = []struct{ theirs, ours, hint string }{
	{"character that cannot start any token", "a value cannot begin with this character", "put the value in quotes"},
	{"mapping values are not allowed", "a second \"key: value\" where only a value may stand", "put the value in quotes, or check the indentation"},
	{"did not find expected key", "the indentation fits no key above", "keys of one map begin in the same column"},
	{"expected '-' indicator", "a list goes on with something that is no entry", "begin each entry with \"- \""},
	{"expected ',' or ']'", "a list that begins with [ is not closed", "add , or ]"},
	{"expected ',' or '}'", "a map that begins with { is not closed", "add , or }"},
	{"could not find expected ':'", "a key without \":\"", "write key: value"},
	{"found unexpected end of stream", "a quoted text is not closed", "add the closing quote"},
	{"unknown escape character", "an unknown escape in a double quoted text", "write \\\\ for a backslash, or use single quotes"},
	{"unknown anchor", "an alias to an anchor that is not defined before", "define it with &name, or quote the value"},
	{"block sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"},
	{"did not find expected node content", "a value is missing or cannot begin like this", ""},
	{"whitespace or line break", "a value begins with !, which makes it a tag", "put it in quotes, or begin a condition with not"},
	{"UTF-8", "a byte that is not UTF-8 text", "save the file as UTF-8"},
	{"control characters", "a control character", "remove it, or write it as an escape in double quotes"},
	{"exceeded max depth", "nested too deep", ""},
}

var theirPlace = regexp.MustCompile(`^(?:yaml: )?(?:line \d+: )?`)

// syntaxError says in our words, and with the place, why src is not YAML.
func (r *reader) syntaxError(src []byte, err error) error {
	theirs := complaint(err)
	problem := Problem{Severity: Error, Message: "this is not YAML: " + theirs}
	for _, c := range complaints {
		if strings.Contains(theirs, c.theirs) {
			problem.Message, problem.Hint = c.ours, c.hint
			break
		}
	}
	at := locate(src, theirs)
	if at < len(src) && src[at] == '\t' {
		problem.Message, problem.Hint = "a tab in the indentation", "indent with spaces"
	}
	start := bytes.LastIndexByte(src[:at], '\n') + 1
	problem.Pos = Pos{r.file, bytes.Count(src[:at], []byte("\n")) + 1, utf8.RuneCount(src[start:at]) + 1}
	return problem
}

// complaint is the parser's message without its line, which is that of the
// enclosing block in some messages and counts from zero in others.
func complaint(err error) string {
	message := err.Error()
	return message[len(theirPlace.FindString(message)):]
}

// locate finds the first byte that the parser cannot take: the shortest
// beginning of src that it refuses with the same words ends there.
func locate(src []byte, theirs string) int {
	end := sort.Search(len(src), func(n int) bool {
		_, err := decodeNodes(src[:n], 0)
		return err != nil && complaint(err) == theirs
	})
	at := max(end-1, 0)
	if name, ok := strings.CutPrefix(theirs, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		at = max(at-len(name), 0)
	}
	return at
}
