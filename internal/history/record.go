package history

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gadget-bpf/gadget/internal/event"
)

// A block is what one write of a data source holds: blockHead, then frames, each a
// byte that says what it is and its content. Containers stand before the first
// record of theirs in each block, so that a block is whole by itself. Numbers are
// uvarints, texts and bytes have their length before them.
const (
	frameRecord    = 1 // container (0 none, n the n-th of the block), raw, number of added texts, those
	frameContainer = 2 // length of all that follows, see appendContainer
	frameBegin     = 3
	frameEnd       = 4
)

// blockHead: u32 number of records, u32 number of the data source.
const blockHead = 8

// Encoder keeps the records of one data source. It is an event.Encoder whose text
// goes to a [Writer], and must be written as it comes: it begins a block whenever
// the slice that it appends to is empty. It allocates nothing for a record but for
// what containers it has not seen.
type Encoder struct {
	source uint32
	// momentary fields are kept as added texts, from slot first on.
	momentary []*event.Field
	first     int
	text      *event.Formatter
	value     []byte
	// containers of the block, by their order.
	containers map[*event.Container]uint64
	last       *event.Container
	lastNumber uint64
}

var _ event.Encoder = (*Encoder)(nil)

// NewEncoder returns the encoder of the data source of that number.
func NewEncoder(source int, l *event.Layout, env *event.Env) *Encoder {
	e := &Encoder{source: uint32(source), containers: map[*event.Container]uint64{}, text: event.NewFormatter(env)}
	e.momentary, e.first = momentary(l)
	return e
}

// momentary are the fields whose values are only known at the moment of the event,
// while its process and the other end of its connection are there, and the first slot of added texts that is free for them.
func momentary(l *event.Layout) (fields []*event.Field, first int) {
	for i := range l.Fields {
		switch f := &l.Fields[i]; f.Kind {
		case event.Unit, event.Cgroup, event.PeerName, event.FromPeer:
			fields = append(fields, f)
		case event.Added:
			first = max(first, f.Slot+1)
		}
	}
	return fields, first
}

// kept is the layout of the records that an Encoder keeps.
func kept(l *event.Layout) *event.Layout {
	k := l.Clone()
	fields, first := momentary(k)
	for i, f := range fields {
		f.Kind, f.Slot, f.Peer = event.Added, first+i, nil
	}
	for i := range k.Fields {
		if r := k.Fields[i].Column.Replace; r != nil {
			k.Fields[i].Column.Replace = k.Field(r.Name)
		}
	}
	return k
}

// Begin implements event.Encoder.
func (e *Encoder) Begin(dst []byte) []byte { return append(e.block(dst), frameBegin) }

// End implements event.Encoder.
func (e *Encoder) End(dst []byte) []byte { return append(e.block(dst), frameEnd) }

// Append implements event.Encoder.
func (e *Encoder) Append(dst []byte, rec *event.Record) []byte {
	dst = e.block(dst)
	var number uint64
	if c := rec.Container; c != nil {
		dst, number = e.container(dst, c)
	}
	dst = binary.AppendUvarint(append(dst, frameRecord), number)
	dst = appendBytes(dst, rec.Raw)
	dst = e.added(dst, rec)
	binary.NativeEndian.PutUint32(dst, binary.NativeEndian.Uint32(dst)+1)
	return dst
}

// added appends the added texts of a record, and those of momentary fields after them.
func (e *Encoder) added(dst []byte, rec *event.Record) []byte {
	if len(e.momentary) == 0 {
		dst = binary.AppendUvarint(dst, uint64(len(rec.Added)))
		for _, text := range rec.Added {
			dst = appendBytes(dst, text)
		}
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(e.first+len(e.momentary)))
	for slot := range e.first {
		var text []byte
		if slot < len(rec.Added) {
			text = rec.Added[slot]
		}
		dst = appendBytes(dst, text)
	}
	for _, f := range e.momentary {
		e.value = e.text.Append(e.value[:0], f, rec)
		dst = appendBytes(dst, e.value)
	}
	return dst
}

// block begins a block if there is none.
func (e *Encoder) block(dst []byte) []byte {
	if len(dst) > 0 {
		return dst
	}
	if e.last != nil {
		clear(e.containers)
		e.last = nil
	}
	dst = binary.NativeEndian.AppendUint32(dst, 0)
	return binary.NativeEndian.AppendUint32(dst, e.source)
}

// container returns the number of a container, and tells of it before.
func (e *Encoder) container(dst []byte, c *event.Container) ([]byte, uint64) {
	if c == e.last {
		return dst, e.lastNumber
	}
	number, known := e.containers[c]
	if !known {
		number = uint64(len(e.containers) + 1)
		e.containers[c] = number
		dst = appendContainer(append(dst, frameContainer), c)
	}
	e.last, e.lastNumber = c, number
	return dst, number
}

// texts of a container in the order in which they are kept; new ones come last.
func texts(c *event.Container) [17]*string {
	return [...]*string{
		&c.Runtime, &c.ID, &c.Name, &c.Image, &c.ImageDigest, &c.CgroupPath, &c.Node, &c.Namespace, &c.Pod, &c.PodContainer,
		&c.PodLabels, &c.OwnerKind, &c.OwnerName, &c.LabelText, &c.Status, &c.Source, &c.PodUID,
	}
}

// appendContainer appends what events can show of a container: a length of four
// bytes, the number of texts, those, the number of numbers, those.
func appendContainer(dst []byte, c *event.Container) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	all := texts(c)
	dst = binary.AppendUvarint(dst, uint64(len(all)))
	for _, text := range all {
		dst = binary.AppendUvarint(dst, uint64(len(*text)))
		dst = append(dst, *text...)
	}
	network := uint64(0)
	if c.HostNetwork {
		network = 1
	}
	numbers := [...]uint64{uint64(c.PID), uint64(c.StartedAt), c.MntNS, uint64(c.NetNS), c.CgroupID, network}
	dst = binary.AppendUvarint(dst, uint64(len(numbers)))
	for _, n := range numbers {
		dst = binary.AppendUvarint(dst, n)
	}
	binary.NativeEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// errDamaged means that a block is not what an Encoder made.
var errDamaged = errors.New("the history is damaged")

// Sink is what becomes of the records of a data source.
type Sink struct {
	// Encoder gets them; nil passes them over.
	Encoder event.Encoder
	// Filter keeps the records for which it is true; nil keeps all.
	Filter func(*event.Record) bool
	// Table is true when the encoder's Begin and End enclose every batch. Those of
	// others are called by whoever decodes.
	Table bool
}

// Decoder gives what is in blocks to the encoders of their data sources.
type Decoder struct {
	// Skip is how many units are still to be passed over, Units how many there were:
	// records of streams that the filter keeps, whole batches of tables.
	Skip, Units uint64

	sinks      []Sink
	containers []*event.Container
	rec        event.Record
}

// NewDecoder returns a Decoder for data sources by their number.
func NewDecoder(sinks []Sink) *Decoder { return &Decoder{sinks: sinks} }

// Decode appends what the encoder of its data source makes of a block.
func (d *Decoder) Decode(dst []byte, b Block) ([]byte, error) {
	if len(b.Payload) < blockHead {
		return dst, errDamaged
	}
	source := uint64(binary.NativeEndian.Uint32(b.Payload[4:]))
	if source >= uint64(len(d.sinks)) {
		return dst, fmt.Errorf("%w: it has a data source %d, of which nothing is known", errDamaged, source)
	}
	sink := &d.sinks[source]
	if sink.Encoder == nil {
		return dst, nil
	}
	r := frames{rest: b.Payload[blockHead:]}
	d.containers = d.containers[:0]
	if sink.Table && d.skip() {
		return dst, nil
	}
	for len(r.rest) > 0 {
		kind := r.rest[0]
		r.rest = r.rest[1:]
		switch kind {
		case frameBegin:
			if sink.Table {
				dst = sink.Encoder.Begin(dst)
			}
		case frameEnd:
			if sink.Table {
				dst = sink.Encoder.End(dst)
			}
		case frameContainer:
			d.containers = append(d.containers, r.container())
		case frameRecord:
			d.record(&r)
			if !r.bad && (sink.Filter == nil || sink.Filter(&d.rec)) && (sink.Table || !d.skip()) {
				dst = sink.Encoder.Append(dst, &d.rec)
			}
		default:
			return dst, fmt.Errorf("%w: there is no frame %d in this version", errDamaged, kind)
		}
		if r.bad {
			return dst, errDamaged
		}
	}
	return dst, nil
}

// skip counts a unit and reports whether it is passed over.
func (d *Decoder) skip() bool {
	d.Units++
	if d.Skip == 0 {
		return false
	}
	d.Skip--
	return true
}

// record reads a record into d.rec.
func (d *Decoder) record(r *frames) {
	number := r.number()
	d.rec.Raw = r.bytes()
	d.rec.Container = nil
	d.rec.Added = d.rec.Added[:0]
	for n := r.number(); n > 0 && !r.bad; n-- {
		d.rec.Added = append(d.rec.Added, r.bytes())
	}
	switch {
	case number > uint64(len(d.containers)):
		r.bad = true
	case number > 0:
		d.rec.Container = d.containers[number-1]
	}
}

// frames reads a block; bad is set by the first thing that is not there.
type frames struct {
	rest []byte
	bad  bool
}

func (r *frames) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *frames) bytes() []byte { return r.take(r.number()) }

func (r *frames) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// container reads a container, as much of it as this version knows.
func (r *frames) container() *event.Container {
	c := &event.Container{}
	size := r.take(4)
	if r.bad {
		return c
	}
	body := frames{rest: r.take(uint64(binary.NativeEndian.Uint32(size)))}
	all := texts(c)
	for i, n := uint64(0), body.number(); i < n && !body.bad; i++ {
		text := body.bytes()
		if i < uint64(len(all)) {
			*all[i] = string(text)
		}
	}
	var numbers [6]uint64
	for i, n := uint64(0), body.number(); i < n && !body.bad; i++ {
		v := body.number()
		if i < uint64(len(numbers)) {
			numbers[i] = v
		}
	}
	c.PID, c.StartedAt, c.MntNS = uint32(numbers[0]), int64(numbers[1]), numbers[2]
	c.NetNS, c.CgroupID, c.HostNetwork = uint32(numbers[3]), numbers[4], numbers[5] != 0
	r.bad = r.bad || body.bad
	return c
}
