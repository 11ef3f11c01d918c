package alsa

import (
	"fmt"
	"math/bits"
	"sync/atomic"
)

// MaxRing is the largest capacity of a Ring, in samples.
const MaxRing = 1 << 30

// linePad keeps what two cores write on separate cache lines, wherever the
// allocator puts the Ring. Lines of arm64 and amd64 have 64 bytes, and both
// have cores that fetch them in pairs.
type linePad [128]byte

// Ring is a lock-free queue of int16 samples between one goroutine that writes
// and one that reads. Neither ever waits for the other, and nothing allocates.
//
//	        head                tail
//	         ▼                   ▼
//	┌───┬───┬───┬───┬───┬───┬───┬───┐   Len = tail - head (mod 2^32)
//	│   │   │ s │ s │ s │ s │ s │   │   place of an index = index & mask
//	└───┴───┴───┴───┴───┴───┴───┴───┘
//	consumer moves head ▶   producer moves tail ▶
//
// The indices count samples for ever and wrap at 2^32, which a power-of-two
// capacity makes harmless; 32 bits are the widest atomic word that is cheap on
// every board.
type Ring struct {
	buf  []int16
	mask uint32

	_        linePad
	tail     atomic.Uint32 // written by the producer only
	headSeen uint32        // the producer's last look at head
	overruns atomic.Uint64

	_         linePad
	head      atomic.Uint32 // written by the consumer only
	tailSeen  uint32        // the consumer's last look at tail
	underruns atomic.Uint64

	_ linePad
}

// NewRing returns an empty ring for at least capacity samples: capacity is
// rounded up to a power of two. It refuses less than 1 and more than MaxRing.
func NewRing(capacity int) (*Ring, error) {
	if capacity < 1 || capacity > MaxRing {
		return nil, fmt.Errorf("alsa: ring of %d samples: want 1 to %d", capacity, MaxRing)
	}
	size := 1 << bits.Len(uint(capacity-1))
	return &Ring{buf: make([]int16, size), mask: uint32(size - 1)}, nil
}

// Write appends the samples of p that find room, oldest first, and returns how
// many. The others are lost and counted by Overruns. What one Write appends
// becomes visible to the consumer at once. Only the producer may call it.
func (r *Ring) Write(p []int16) int {
	tail := r.tail.Load()
	room := len(r.buf) - int(tail-r.headSeen)
	if room < len(p) {
		r.headSeen = r.head.Load()
		room = len(r.buf) - int(tail-r.headSeen)
	}
	n := min(len(p), room)
	first := copy(r.buf[tail&r.mask:], p[:n])
	copy(r.buf, p[first:n])
	r.tail.Store(tail + uint32(n))
	if n < len(p) {
		r.overruns.Add(uint64(len(p) - n))
	}
	return n
}

// Read moves up to len(p) samples into p, oldest first, and returns how many;
// it leaves the rest of p as it was. What was missing is counted by Underruns.
// Only the consumer may call it.
func (r *Ring) Read(p []int16) int {
	head := r.head.Load()
	have := int(r.tailSeen - head)
	if have < len(p) {
		r.tailSeen = r.tail.Load()
		have = int(r.tailSeen - head)
	}
	n := min(len(p), have)
	first := copy(p[:n], r.buf[head&r.mask:])
	copy(p[first:n], r.buf)
	r.head.Store(head + uint32(n))
	if n < len(p) {
		r.underruns.Add(uint64(len(p) - n))
	}
	return n
}

// Discard drops up to n samples, oldest first, and returns how many. Only the
// consumer may call it.
func (r *Ring) Discard(n int) int {
	head := r.head.Load()
	r.tailSeen = r.tail.Load()
	n = min(n, int(r.tailSeen-head))
	r.head.Store(head + uint32(n))
	return n
}

// Len returns how many samples are queued. To the producer it is never too
// small, to the consumer never too large, so that each may rely on it for its
// own side. Any goroutine may call it.
func (r *Ring) Len() int {
	head := r.head.Load() // before tail: the difference can not become negative
	return min(int(r.tail.Load()-head), len(r.buf))
}

// Cap returns the capacity in samples, a power of two.
func (r *Ring) Cap() int { return len(r.buf) }

// Overruns returns how many samples Write could not place. Any goroutine may
// call it.
func (r *Ring) Overruns() uint64 { return r.overruns.Load() }

// Underruns returns how many samples Read was asked for and did not have. Any
// goroutine may call it.
func (r *Ring) Underruns() uint64 { return r.underruns.Load() }
