package metric

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/gadget-bpf/gadget/internal/event"
)

const (
	// maxSeries bounds memory: records of further series share one, as "other".
	maxSeries = 2000
	// maxKey is how many bytes of a key's text tell series apart.
	maxKey = 1024
)

// Collector is an event.Encoder that sums up records. Begin and Append append
// nothing; End appends what the views show of all records since the Collector
// was made. Gauges have the last value, everything else grows.
type Collector struct {
	set  *Set
	text *event.Formatter
	opts Options

	series map[string]*series
	// other is the series of records that came too late for one of their own, nil
	// when there was none; beyond counts them.
	other  *series
	beyond uint64
	// unfit counts values that cannot be part of their metric: what is not a
	// number, and what would make a counter fall.
	unfit uint64

	// key and part are scratch for the text of keys.
	key, part []byte
}

// Options of a Collector. The zero value collects and shows nothing.
type Options struct {
	// Views show what was collected, one after the other.
	Views []View
	// MaxSeries is how many series are shown, those with the most of the first
	// metric; 0 shows all. All are collected.
	MaxSeries int
}

// View appends what there is to see of a Collector.
type View interface {
	Show(dst []byte, c *Collector) []byte
}

// series are the values of all metrics for one combination of keys.
type series struct {
	// keys are the texts of Set.Keys, nil for other.
	keys   []string
	values []value
}

// value of one metric: n holds integers, f floating point numbers.
type value struct {
	n uint64
	f float64
	// counts by range of a histogram, and their sum.
	counts []uint64
	total  uint64
}

var _ event.Encoder = (*Collector)(nil)

// NewCollector sums up the metrics of set.
func NewCollector(set *Set, env *event.Env, o Options) *Collector {
	return &Collector{set: set, text: event.NewFormatter(env), opts: o, series: map[string]*series{}}
}

// Begin implements event.Encoder.
func (c *Collector) Begin(dst []byte) []byte { return dst }

// Append implements event.Encoder.
func (c *Collector) Append(dst []byte, rec *event.Record) []byte {
	s := c.find(rec)
	for i := range c.set.Metrics {
		c.observe(&c.set.Metrics[i], &s.values[i], rec)
	}
	return dst
}

// End implements event.Encoder.
func (c *Collector) End(dst []byte) []byte {
	for _, v := range c.opts.Views {
		dst = v.Show(dst, c)
	}
	return dst
}

// find returns the series of a record, and makes it when it is the first.
func (c *Collector) find(rec *event.Record) *series {
	c.key = c.key[:0]
	for _, f := range c.set.Keys {
		c.part = c.text.Append(c.part[:0], f, rec)
		c.part = c.part[:min(len(c.part), maxKey)]
		c.key = binary.AppendUvarint(c.key, uint64(len(c.part)))
		c.key = append(c.key, c.part...)
	}
	if s := c.series[string(c.key)]; s != nil {
		return s
	}
	if len(c.series) >= maxSeries {
		c.beyond++
		if c.other == nil {
			c.other = c.newSeries(nil)
		}
		return c.other
	}
	s := c.newSeries(splitKey(c.key))
	c.series[string(c.key)] = s
	return s
}

func splitKey(key []byte) []string {
	keys := []string{}
	for len(key) > 0 {
		n, size := binary.Uvarint(key)
		keys = append(keys, string(key[size:][:n]))
		key = key[size+int(n):]
	}
	return keys
}

func (c *Collector) newSeries(keys []string) *series {
	s := &series{keys: keys, values: make([]value, len(c.set.Metrics))}
	for i := range c.set.Metrics {
		if scale := c.set.Metrics[i].scale; scale != nil {
			s.values[i].counts = make([]uint64, len(scale.ranges))
		}
	}
	return s
}

// observe adds a record to one value of its series.
func (c *Collector) observe(m *Metric, v *value, rec *event.Record) {
	fits := true
	switch {
	case m.Field == nil:
		v.n = sum(v.n, 1)
	case m.slots != nil:
		for i, slot := range m.slots {
			v.count(m.scale.slot(i), slot.Uint(rec))
		}
	case m.Type == Histogram:
		fits = v.measure(m, rec)
	case m.Type == Gauge:
		v.n, v.f = m.Field.Uint(rec), m.Field.Float(rec)
	default:
		fits = v.add(m.Field, rec)
	}
	if !fits {
		c.unfit++
	}
}

// add adds to a counter, unless it would fall.
func (v *value) add(f *event.Field, rec *event.Record) bool {
	switch f.Class() {
	case event.Unsigned:
		v.n = sum(v.n, f.Uint(rec))
		return true
	case event.Signed:
		n := f.Int(rec)
		if n < 0 {
			return false
		}
		v.n = sum(v.n, uint64(n))
		return true
	}
	n := f.Float(rec)
	if !(n >= 0) || math.IsInf(n, 1) {
		return false
	}
	v.f += n
	return true
}

// measure counts a number in its range.
func (v *value) measure(m *Metric, rec *event.Record) bool {
	switch m.Field.Class() {
	case event.Unsigned:
		v.count(m.scale.unsigned(m.Field.Uint(rec)), 1)
	case event.Signed:
		v.count(m.scale.signed(m.Field.Int(rec)), 1)
	default:
		n := m.Field.Float(rec)
		if math.IsNaN(n) {
			return false
		}
		v.count(m.scale.floating(n), 1)
	}
	return true
}

func (v *value) count(i int, n uint64) {
	v.counts[i] = sum(v.counts[i], n)
	v.total = sum(v.total, n)
}

// sum stays at the largest number rather than begin again at 0.
func sum(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxUint64
}

// shown returns the series to show, those with the most of the first metric first
// and other last, and how many are left out.
func (c *Collector) shown() (shown []*series, hidden int) {
	all := make([]*series, 0, len(c.series)+1)
	for _, s := range c.series {
		all = append(all, s)
	}
	m := &c.set.Metrics[0]
	slices.SortFunc(all, func(a, b *series) int {
		return cmp.Or(m.compare(&b.values[0], &a.values[0]), slices.Compare(a.keys, b.keys))
	})
	if c.other != nil {
		all = append(all, c.other)
	}
	if n := c.opts.MaxSeries; n > 0 && n < len(all) {
		return all[:n], len(all) - n
	}
	return all, 0
}

// compare orders values of a metric by size.
func (m *Metric) compare(a, b *value) int {
	switch class := m.class(); {
	case m.Type == Histogram:
		return cmp.Compare(a.total, b.total)
	case class == event.Floating:
		return cmp.Compare(a.f, b.f)
	case class == event.Signed:
		return cmp.Compare(int64(a.n), int64(b.n))
	}
	return cmp.Compare(a.n, b.n)
}

// class of the numbers of a counter or gauge: a counter of signed integers is
// never below 0.
func (m *Metric) class() event.Class {
	switch {
	case m.Field == nil, m.Type == Counter && m.Field.Class() == event.Signed:
		return event.Unsigned
	}
	return m.Field.Class()
}

// bounds are the first and the last range that anything lies in; ok is false
// when there is none.
func (v *value) bounds() (first, last int, ok bool) {
	last = -1
	for i, n := range v.counts {
		if n > 0 && last < 0 {
			first = i
		}
		if n > 0 {
			last = i
		}
	}
	return first, last, last >= 0
}
