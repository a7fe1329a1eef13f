package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Block is one write of a data source.
type Block struct {
	// Time at which it was written.
	Time time.Time
	// Payload is what an Encoder made, valid until the next call of the Reader.
	Payload []byte
}

// Reader reads a ring from its oldest block on. It belongs to one goroutine.
type Reader struct {
	file     *os.File
	capacity uint64
	at       uint64
	// next is the number of the record that should come next.
	next uint64
	buf  []byte
}

// ErrNoMore means that everything written so far has been read.
var ErrNoMore = errors.New("nothing more has been written")

// Open opens a ring, also while it is being written.
func Open(path string) (*Reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	r := &Reader{file: file}
	head, err := r.page()
	if err == nil {
		err = r.check(head[:])
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the history %s: %w", path, err), file.Close())
	}
	return r, nil
}

// check finds out whether this is a ring that this version reads, and where it begins.
func (r *Reader) check(head []byte) error {
	if string(head[:len(magic)]) != magic {
		return errDamaged
	}
	if v := binary.NativeEndian.Uint32(head[offVersion:]); v != ringVersion {
		return fmt.Errorf("it has version %d, and this program reads version %d; use the gadget that made it", v, ringVersion)
	}
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	r.capacity = binary.NativeEndian.Uint64(head[offCapacity:])
	if r.capacity == 0 || int64(r.capacity) != info.Size()-pageSize {
		return errDamaged
	}
	return nil
}

// page reads the numbers at the begin of the file.
func (r *Reader) page() (head [64]byte, err error) {
	if _, err = r.file.ReadAt(head[:], 0); errors.Is(err, io.EOF) {
		err = errDamaged
	}
	return head, err
}

// Stats are those of the ring now.
func (r *Reader) Stats() (Stats, error) {
	head, err := r.page()
	number := func(off int) uint64 { return binary.NativeEndian.Uint64(head[off:]) }
	return Stats{
		Records: number(offNext), Overwritten: number(offFirst), LeftOut: number(offLeftOut),
		Bytes: number(offHead) - number(offTail), Capacity: r.capacity,
	}, err
}

// Next returns the next block, and how many records before it had been overwritten
// before they were read. At the end it returns [ErrNoMore], and may be called again.
func (r *Reader) Next() (b Block, missed uint64, err error) {
	for {
		head, err := r.page()
		if err != nil {
			return Block{}, 0, err
		}
		end, tail := binary.NativeEndian.Uint64(head[offHead:]), binary.NativeEndian.Uint64(head[offTail:])
		r.at = max(r.at, tail)
		if r.at >= end {
			return Block{}, 0, ErrNoMore
		}
		b, number, err := r.block(end)
		if err == nil {
			missed, r.next = number-r.next, number+uint64(binary.NativeEndian.Uint32(b.Payload))
			r.at += blockSize(len(b.Payload))
			return b, missed, nil
		}
		// It may have been overwritten while it was read.
		again, pageErr := r.page()
		if pageErr != nil {
			return Block{}, 0, pageErr
		}
		if binary.NativeEndian.Uint64(again[offTail:]) <= r.at {
			return Block{}, 0, err
		}
	}
}

// block reads the block at r.at, which ends before end if it is one.
func (r *Reader) block(end uint64) (Block, uint64, error) {
	var head [headSize]byte
	if err := r.get(head[:], r.at); err != nil {
		return Block{}, 0, err
	}
	size := binary.NativeEndian.Uint32(head[:])
	if size < blockHead || uint64(size) > r.capacity || r.at+blockSize(int(size)) > end {
		return Block{}, 0, errDamaged
	}
	if cap(r.buf) < int(size) {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if err := r.get(r.buf, r.at+headSize); err != nil {
		return Block{}, 0, err
	}
	number := binary.NativeEndian.Uint64(head[8:])
	if checksum(r.at, head[:], r.buf) != binary.NativeEndian.Uint32(head[4:]) || number < r.next {
		return Block{}, 0, errDamaged
	}
	return Block{Time: time.Unix(0, int64(binary.NativeEndian.Uint64(head[16:]))), Payload: r.buf}, number, nil
}

func (r *Reader) get(p []byte, at uint64) error {
	at %= r.capacity
	n := min(uint64(len(p)), r.capacity-at)
	if _, err := r.file.ReadAt(p[:n], pageSize+int64(at)); err != nil {
		return err
	}
	if n == uint64(len(p)) {
		return nil
	}
	_, err := r.file.ReadAt(p[n:], pageSize)
	return err
}

// Rewind goes back to the oldest block there is.
func (r *Reader) Rewind() { r.at, r.next = 0, 0 }

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }
