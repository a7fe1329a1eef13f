package metric

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// scale cuts the numbers into ranges. Whole numbers lie in a range that begins
// and ends with a number; others in one that begins above a number and ends with
// one, so that the ranges of a scale never overlap.
type scale struct {
	whole bool
	// bounds are the ends of all ranges but the last; nil for powers of two.
	bounds []float64
	// first range that an array of counts can have: slot 0 is it.
	first  int
	ranges []span
}

// span is the text of a range's ends, "" where it has none.
type span struct{ from, to string }

// Ranges of a power scale: all below 1 (of whole numbers: below 0, and 0), then one
// for each power of two up to 2^63.
const (
	belowRange = 0
	zeroRange  = 1
	lastPower  = zeroRange + 64
)

// powerScale is that of get_slot_idx in gadget/bits.bpf.h: 0, 1, 2–3, 4–7 and so
// on. With slots, the number of counts in an array, the last of them has no end:
// programs put there whatever is too large.
func powerScale(whole bool, slots int) *scale {
	s := &scale{whole: whole, first: zeroRange}
	text := func(v uint64) string { return strconv.FormatUint(v, 10) }
	if whole {
		s.ranges = append(s.ranges, span{"", "-1"}, span{"0", "0"})
		for bit := range 64 {
			s.ranges = append(s.ranges, span{text(1 << bit), text(1<<bit - 1 + 1<<bit)})
		}
	} else {
		s.ranges = append(s.ranges, span{"", "0"}, span{"0", "1"})
		for bit := range 63 {
			s.ranges = append(s.ranges, span{text(1 << bit), text(1 << (bit + 1))})
		}
		s.ranges = append(s.ranges, span{text(1 << 63), ""})
	}
	if last := zeroRange + slots - 1; slots > 0 && last < lastPower {
		s.ranges[last].to = ""
	}
	return s
}

// boundedScale has a range up to each of the bounds, and one above them.
func boundedScale(bounds []float64, whole bool) *scale {
	s := &scale{whole: whole, bounds: bounds}
	from := ""
	for _, b := range bounds {
		s.ranges = append(s.ranges, span{from, numberText(b)})
		if from = numberText(b); whole {
			from = numberText(b + 1)
		}
	}
	s.ranges = append(s.ranges, span{from, ""})
	return s
}

func numberText(v float64) string {
	if math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// slot is the range of the i-th count of an array.
func (s *scale) slot(i int) int { return min(s.first+i, len(s.ranges)-1) }

// unsigned, signed and floating are the ranges in which a number lies. The last
// wants a number: NaN is none.
func (s *scale) unsigned(v uint64) int {
	if s.bounds != nil {
		return s.bounded(float64(v))
	}
	return zeroRange + bits.Len64(v)
}

func (s *scale) signed(v int64) int {
	switch {
	case s.bounds != nil:
		return s.bounded(float64(v))
	case v < 0:
		return belowRange
	}
	return s.unsigned(uint64(v))
}

func (s *scale) floating(v float64) int {
	switch {
	case s.bounds != nil:
		return s.bounded(v)
	case v <= 0:
		return belowRange
	case v <= 1:
		return zeroRange
	case v > 1<<63:
		return lastPower
	}
	fraction, exponent := math.Frexp(v) // 0.5 ≤ fraction < 1
	if fraction == 0.5 {
		exponent--
	}
	return zeroRange + exponent
}

func (s *scale) bounded(v float64) int {
	i, _ := slices.BinarySearch(s.bounds, v)
	return i
}

// appendRange appends a range as people write it: [4 -> 7], [0], (0.5 -> 1].
func (s *scale) appendRange(dst []byte, i int) []byte {
	r := s.ranges[i]
	if r.from == r.to {
		return append(append(append(dst, '['), r.from...), ']')
	}
	if s.whole {
		dst = append(dst, '[')
	} else {
		dst = append(dst, '(')
	}
	dst = append(append(append(dst, orDots(r.from)...), " -> "...), orDots(r.to)...)
	if s.whole || r.to != "" {
		return append(dst, ']')
	}
	return append(dst, ')')
}

func orDots(text string) string {
	if text == "" {
		return "..."
	}
	return text
}
