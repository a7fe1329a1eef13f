package event

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
)

// ParseOrder reads the language of --sort: field names separated by commas, each
// with a minus sign before it for descending order. Numbers compare as numbers,
// times and names of numbers by the number behind them, text as text. The
// function belongs to one goroutine and allocates nothing once it has seen its
// longest text. An empty order is nil.
func ParseOrder(l *Layout, env *Env, order string) (func(a, b *Record) int, error) {
	var compare []func(a, b *Record) int
	for name := range strings.SplitSeq(order, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		name, descending := strings.CutPrefix(name, "-")
		f := l.Field(name)
		if f == nil {
			return nil, unknownField(l, name)
		}
		if f.Count > 0 {
			return nil, fmt.Errorf("cannot sort by %s: it is an array", name)
		}
		c := comparer(f, env)
		if descending {
			ascending := c
			c = func(a, b *Record) int { return ascending(b, a) }
		}
		compare = append(compare, c)
	}
	if compare == nil {
		return nil, nil
	}
	return func(a, b *Record) int {
		for _, c := range compare {
			if n := c(a, b); n != 0 {
				return n
			}
		}
		return 0
	}, nil
}

// comparer compares two records by one field.
func comparer(f *Field, env *Env) func(a, b *Record) int {
	switch f.Kind {
	case Timestamp, HumanSize, Duration, CPUTime, Float32, Float64:
		if f.Kind == Float32 || f.Kind == Float64 {
			return func(a, b *Record) int { return cmp.Compare(f.Float(a), f.Float(b)) }
		}
		return func(a, b *Record) int { return cmp.Compare(f.Uint(a), f.Uint(b)) }
	}
	switch f.Class() {
	case Signed:
		return func(a, b *Record) int { return cmp.Compare(f.Int(a), f.Int(b)) }
	case Unsigned, Boolean:
		return func(a, b *Record) int { return cmp.Compare(f.Uint(a), f.Uint(b)) }
	}
	text := NewFormatter(env)
	var left, right []byte
	return func(a, b *Record) int {
		left, right = text.Append(left[:0], f, a), text.Append(right[:0], f, b)
		return bytes.Compare(left, right)
	}
}
