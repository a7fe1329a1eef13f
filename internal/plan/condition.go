package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/gadget-bpf/gadget/schemas"
)

// Condition is an expression over the kernel: the `when` of a program.
//
//	kernel >= "6.8" && symbol("tcp_connect")
//	btf("struct tcp_sock") or not tracepoint("oom/mark_victim")
//	hook("fentry") and arch == "arm64"
//
// Its zero value is not usable.
type Condition struct {
	// Source is the expression as written.
	Source string
	eval   func(*facts) (bool, error)
}

// Kernel answers the questions of a Condition.
type Kernel interface {
	// Release is the version as uname -r has it, Arch the machine in Go's words.
	Release() string
	Arch() string
	// Has says whether there is a symbol, btf type, tracepoint or hook of a name.
	Has(what, name string) (bool, error)
}

// facts are a kernel, and what has been asked of it.
type facts struct {
	kernel Kernel
	said   []string
}

func (f *facts) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(f.said, text) {
		f.said = append(f.said, text)
	}
}

// Holds says whether the condition is true of a kernel, and why: the facts that
// decided it, in the words of the expression.
func (c *Condition) Holds(k Kernel) (ok bool, why string, err error) {
	f := &facts{kernel: k}
	ok, err = c.eval(f)
	return ok, strings.Join(f.said, ", "), err
}

// Limits of a condition, far above what anybody writes.
const (
	maxCondition      = 4 << 10 // bytes
	maxConditionNodes = 200
)

// functions of a condition with what their argument is, and a check of it.
var functions = map[string]func(name string) error{
	"symbol":     oneWord,
	"btf":        typeName,
	"tracepoint": tracepointName,
	"hook":       hookKind,
}

// HookKinds are the kinds of programs that a condition may ask about.
func HookKinds() []string {
	return []string{
		"tracepoint", "raw_tp", "tp_btf", "kprobe", "kprobe.multi", "kprobe.session", "fentry", "fexit", "lsm",
		"uprobe", "uprobe.multi", "iter", "perf_event",
	}
}

// BTFKinds are the words that btf() takes before the name of a type.
func BTFKinds() []string { return []string{"struct", "union", "enum", "typedef", "func"} }

func oneWord(name string) error {
	if name == "" || strings.ContainsAny(name, " \t\n") {
		return fmt.Errorf("%q is no name of a symbol", name)
	}
	return nil
}

func typeName(name string) error {
	words := strings.Fields(name)
	if len(words) == 1 || len(words) == 2 && slices.Contains(BTFKinds(), words[0]) {
		return nil
	}
	return fmt.Errorf("%q is no type; write a name, alone or behind %s", name, strings.Join(BTFKinds(), ", "))
}

func tracepointName(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) == 2 && !slices.ContainsFunc(parts, func(s string) bool { return s == "" || s[0] == '.' }) {
		return nil
	}
	return fmt.Errorf("%q is no tracepoint; write category/name", name)
}

func hookKind(name string) error {
	if slices.Contains(HookKinds(), name) {
		return nil
	}
	if hint := schemas.DidYouMean(name, HookKinds()); hint != "" {
		return fmt.Errorf("there is no hook %q; %s", name, hint)
	}
	return fmt.Errorf("there is no hook %q; there are %s", name, strings.Join(HookKinds(), ", "))
}

// ParseCondition reads the expression of a `when`.
func ParseCondition(source string) (c *Condition, err error) {
	if len(source) > maxCondition {
		return nil, fmt.Errorf("it is longer than %d bytes", maxCondition)
	}
	tree, err := parseCondition(source)
	if err != nil {
		return nil, err
	}
	eval, err := compileCondition(tree)
	if err != nil {
		return nil, err
	}
	return &Condition{Source: strings.TrimSpace(source), eval: eval}, nil
}

// parseCondition calls the parser, which is not ours: a panic there is an error here.
func parseCondition(source string) (tree ast.Node, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the text confuses the parser")
		}
	}()
	t, err := parser.ParseWithConfig(source, &conf.Config{MaxNodes: maxConditionNodes, DisableIfOperator: true})
	if err == nil {
		return t.Node, nil
	}
	if at, ok := err.(*file.Error); ok {
		err = fmt.Errorf("%s at column %d of %q", strings.ToLower(at.Message), at.Column+1, source)
	}
	return nil, err
}

// conditionWords is what a condition is made of, for messages.
const conditionWords = `a condition is made of kernel, arch, symbol("…"), btf("…"), tracepoint("…"), hook("…"), comparisons, and, or, not`

func compileCondition(t ast.Node) (func(*facts) (bool, error), error) {
	switch t := t.(type) {
	case *ast.BoolNode:
		return func(*facts) (bool, error) { return t.Value, nil }, nil
	case *ast.UnaryNode:
		if t.Operator != "!" && t.Operator != "not" {
			break
		}
		x, err := compileCondition(t.Node)
		if err != nil {
			return nil, err
		}
		return func(f *facts) (bool, error) {
			ok, err := x(f)
			return !ok, err
		}, nil
	case *ast.BinaryNode:
		switch t.Operator {
		case "&&", "and", "||", "or":
			return compileJunction(t)
		}
		return compileComparison(t)
	case *ast.CallNode:
		name, ok := t.Callee.(*ast.IdentifierNode)
		if !ok {
			break
		}
		return compileCall(name.Value, t.Arguments)
	case *ast.IdentifierNode:
		switch t.Value {
		case "kernel", "arch":
			return nil, fmt.Errorf("%s is no condition; compare it with a text, as in %s", t.Value, example[t.Value])
		}
		return nil, unknownWord(t.Value)
	}
	return nil, fmt.Errorf("%s is not understood: %s", t, conditionWords)
}

var example = map[string]string{"kernel": `kernel >= "6.1"`, "arch": `arch == "arm64"`}

func unknownWord(name string) error {
	words := []string{"kernel", "arch", "symbol", "btf", "tracepoint", "hook"}
	if hint := schemas.DidYouMean(name, words); hint != "" {
		return fmt.Errorf("%q is unknown; %s", name, hint)
	}
	return fmt.Errorf("%q is unknown: %s", name, conditionWords)
}

// compileJunction compiles and and or, of which the right side is asked only when
// the left one has not decided.
func compileJunction(t *ast.BinaryNode) (func(*facts) (bool, error), error) {
	left, err := compileCondition(t.Left)
	if err != nil {
		return nil, err
	}
	right, err := compileCondition(t.Right)
	if err != nil {
		return nil, err
	}
	decides := t.Operator == "||" || t.Operator == "or"
	return func(f *facts) (bool, error) {
		if ok, err := left(f); err != nil || ok == decides {
			return ok, err
		}
		return right(f)
	}, nil
}

func compileCall(name string, arguments []ast.Node) (func(*facts) (bool, error), error) {
	check, ok := functions[name]
	if !ok {
		return nil, unknownWord(name)
	}
	var text *ast.StringNode
	if len(arguments) == 1 {
		text, _ = arguments[0].(*ast.StringNode)
	}
	if text == nil {
		return nil, fmt.Errorf("%s wants one text, as in %s(\"…\")", name, name)
	}
	if err := check(text.Value); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return func(f *facts) (bool, error) {
		ok, err := f.kernel.Has(name, text.Value)
		if err != nil {
			return false, fmt.Errorf("%s(%q): %w", name, text.Value, err)
		}
		f.say("%s(%q) is %v", name, text.Value, ok)
		return ok, nil
	}, nil
}

// compileComparison compiles kernel or arch against a text, or a list of them.
func compileComparison(t *ast.BinaryNode) (func(*facts) (bool, error), error) {
	what, ok := t.Left.(*ast.IdentifierNode)
	if !ok {
		return nil, fmt.Errorf("%s is not understood: write kernel or arch to the left of %s, and a text to the right", t, t.Operator)
	}
	if what.Value != "kernel" && what.Value != "arch" {
		return nil, unknownWord(what.Value)
	}
	texts, err := operands(t)
	if err != nil {
		return nil, err
	}
	test, ok := map[string]func(sign int) bool{
		"==": func(n int) bool { return n == 0 }, "!=": func(n int) bool { return n != 0 },
		">=": func(n int) bool { return n >= 0 }, "<=": func(n int) bool { return n <= 0 },
		">": func(n int) bool { return n > 0 }, "<": func(n int) bool { return n < 0 },
		"in": func(n int) bool { return n == 0 },
	}[t.Operator]
	equality := t.Operator == "==" || t.Operator == "!=" || t.Operator == "in"
	if !ok || what.Value == "arch" && !equality {
		return nil, fmt.Errorf("%s cannot be compared by %s", what.Value, t.Operator)
	}
	if what.Value == "arch" {
		return func(f *facts) (bool, error) {
			have := f.kernel.Arch()
			f.say("arch is %s", have)
			return slices.ContainsFunc(texts, func(want string) bool { return test(strings.Compare(have, want)) }), nil
		}, nil
	}
	for _, text := range texts {
		if parts := versionParts(text); len(parts) == 0 || joinVersion(parts) != text {
			return nil, fmt.Errorf("%q is no version of a kernel; write numbers with dots, as in %s", text, example["kernel"])
		}
	}
	return func(f *facts) (bool, error) {
		have := f.kernel.Release()
		f.say("kernel is %s", have)
		return slices.ContainsFunc(texts, func(want string) bool { return test(compareVersions(have, want)) }), nil
	}, nil
}

// operands are the texts that a comparison is with.
func operands(t *ast.BinaryNode) ([]string, error) {
	nodes := []ast.Node{t.Right}
	if list, ok := t.Right.(*ast.ArrayNode); ok && t.Operator == "in" {
		nodes = list.Nodes
	}
	var texts []string
	for _, n := range nodes {
		s, ok := n.(*ast.StringNode)
		if !ok {
			return nil, fmt.Errorf("%s is no text; write it in quotes, as in %s", n, example["kernel"])
		}
		texts = append(texts, s.Value)
	}
	return texts, nil
}

// compareVersions compares the version of a kernel with one that somebody wrote,
// as far as that goes: 6.8.12 equals 6.8, and is not above it.
func compareVersions(have, want string) int {
	h, w := versionParts(have), versionParts(want)
	for i := range w {
		if i == len(h) {
			h = append(h, 0)
		}
		if h[i] != w[i] {
			return h[i] - w[i]
		}
	}
	return 0
}

// versionParts are the numbers that a version begins with: 6, 1, 0 of 6.1.0-50-amd64.
func versionParts(version string) []int {
	var parts []int
	for part := range strings.SplitSeq(version, ".") {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			break
		}
		parts = append(parts, n)
		if digits != part {
			break
		}
	}
	return parts
}

func joinVersion(parts []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(parts), " ", "."), "[]")
}
