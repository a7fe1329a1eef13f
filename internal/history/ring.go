package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The file begins with a page of its own, all numbers in the machine's byte order:
//
//	 0  magic
//	 8  u32 version, u32 size of this page
//	16  u64 capacity: bytes of the ring after this page
//	24  u64 head: bytes ever written
//	32  u64 tail: where the oldest block begins, counted like head
//	40  u64 first: number of the oldest record, which is how many were overwritten
//	48  u64 next: number of the next record
//	56  u64 left out: records that were too large for the ring
//
// Blocks begin at multiples of 8: u32 size of the payload, u32 CRC-32C (of its place
// and all that follows in the block), u64 number of its first record, i64 time, payload. A block
// may go over the end of the ring. The writer moves the tail before it overwrites, and
// the head after it has written.
const (
	magic       = "gadgethi"
	ringVersion = 1
	pageSize    = 4096
	headSize    = 24

	offVersion  = 8
	offCapacity = 16
	offHead     = 24
	offTail     = 32
	offFirst    = 40
	offNext     = 48
	offLeftOut  = 56
)

// MinKeep is the smallest ring, in bytes: several blocks of a busy stream.
const MinKeep = 256 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer puts blocks into a ring. Write belongs to one goroutine at a time, Stats
// to any.
type Writer struct {
	file *os.File
	mem  []byte
	ring []byte
	head [headSize]byte

	headAt, tailAt, first, next, leftOut *atomic.Uint64
}

// Create makes a ring of about keep bytes in a new file and takes all of its space, so
// that a full disk is told now and not later.
func Create(path string, keep int64) (*Writer, error) {
	keep = max(keep, MinKeep) &^ (pageSize - 1)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the history: %w", err)
	}
	w, err := newWriter(file, keep)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the history %s of %d bytes: %w", path, keep, err), file.Close(), os.Remove(path))
	}
	return w, nil
}

func newWriter(file *os.File, keep int64) (*Writer, error) {
	// File systems that cannot reserve are those whose space does not run out by writing.
	if err := unix.Fallocate(int(file.Fd()), 0, 0, pageSize+keep); errors.Is(err, unix.EOPNOTSUPP) {
		err = file.Truncate(pageSize + keep)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(file.Fd()), 0, int(pageSize+keep), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	w := &Writer{file: file, mem: mem, ring: mem[pageSize:]}
	copy(mem, magic)
	binary.NativeEndian.PutUint32(mem[offVersion:], ringVersion)
	binary.NativeEndian.PutUint32(mem[offVersion+4:], pageSize)
	binary.NativeEndian.PutUint64(mem[offCapacity:], uint64(keep))
	at := func(off int) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&mem[off])) }
	w.headAt, w.tailAt, w.first, w.next, w.leftOut = at(offHead), at(offTail), at(offFirst), at(offNext), at(offLeftOut)
	return w, nil
}

// Write puts a block of an [Encoder] into the ring. It never waits and never fails: a
// block larger than the ring is left out, and counted.
func (w *Writer) Write(block []byte) (int, error) {
	if len(block) < blockHead {
		return len(block), nil
	}
	capacity := uint64(len(w.ring))
	need := blockSize(len(block))
	records := uint64(binary.NativeEndian.Uint32(block))
	number := w.next.Load()
	if need > capacity {
		w.leftOut.Add(records)
		w.next.Store(number + records)
		return len(block), nil
	}
	head := w.headAt.Load()
	for tail := w.tailAt.Load(); head+need-tail > capacity; {
		var old [headSize]byte
		w.get(old[:], tail)
		tail += blockSize(int(binary.NativeEndian.Uint32(old[:])))
		// The next block may not begin with the next record: some are left out.
		first := number
		if tail < head {
			w.get(old[:], tail)
			first = binary.NativeEndian.Uint64(old[8:])
		}
		w.first.Store(first)
		w.tailAt.Store(tail)
	}
	h := w.head[:]
	binary.NativeEndian.PutUint32(h, uint32(len(block)))
	binary.NativeEndian.PutUint64(h[8:], number)
	binary.NativeEndian.PutUint64(h[16:], uint64(time.Now().UnixNano()))
	binary.NativeEndian.PutUint32(h[4:], checksum(head, h, block))
	w.put(head, h)
	w.put(head+headSize, block)
	w.next.Store(number + records)
	w.headAt.Store(head + need)
	return len(block), nil
}

// blockSize is what a block of so much payload takes in the ring.
func blockSize(payload int) uint64 { return uint64(headSize+payload+7) &^ 7 }

// checksum is that of a block at a place, so that a reader who was overtaken does not
// take a later block in that place for the one it looks for.
func checksum(at uint64, head, payload []byte) uint32 {
	return crc32.Update(crc32.Update(uint32(at>>3), castagnoli, head[8:headSize]), castagnoli, payload)
}

func (w *Writer) put(at uint64, p []byte) {
	at %= uint64(len(w.ring))
	n := copy(w.ring[at:], p)
	copy(w.ring, p[n:])
}

func (w *Writer) get(p []byte, at uint64) {
	at %= uint64(len(w.ring))
	n := copy(p, w.ring[at:])
	copy(p[n:], w.ring)
}

// Stats say how much a ring has seen.
type Stats struct {
	// Records that were written, and of them those that have been overwritten, those
	// among them that were too large to be kept.
	Records, Overwritten, LeftOut uint64
	// Bytes in use, of Capacity.
	Bytes, Capacity uint64
}

// Stats may be called at any time before Close.
func (w *Writer) Stats() Stats {
	return Stats{
		Records: w.next.Load(), Overwritten: w.first.Load(), LeftOut: w.leftOut.Load(),
		Bytes: w.headAt.Load() - w.tailAt.Load(), Capacity: uint64(len(w.ring)),
	}
}

// Close ends the writing; the file stays.
func (w *Writer) Close() error {
	return errors.Join(unix.Munmap(w.mem), w.file.Close())
}
