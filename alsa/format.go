package alsa

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Format is how a card stores one sample: the kernel's SNDRV_PCM_FORMAT_*, all
// signed and little-endian.
type Format uint8

// The formats that are understood, best first for 16-bit sound.
const (
	S16  Format = 2  // 16 bit in 2 bytes
	S32  Format = 10 // 32 bit in 4 bytes
	S24  Format = 6  // 24 bit in the lower 3 of 4 bytes
	S243 Format = 32 // 24 bit in 3 bytes
)

var formats = [...]Format{S16, S32, S24, S243}

// MaxChannels is the most channels that a stream may have.
const MaxChannels = 8

// Bytes returns the size of one sample.
func (f Format) Bytes() int {
	switch f {
	case S16:
		return 2
	case S243:
		return 3
	default:
		return 4
	}
}

func (f Format) String() string {
	switch f {
	case S16:
		return "S16_LE"
	case S24:
		return "S24_LE"
	case S243:
		return "S24_3LE"
	case S32:
		return "S32_LE"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// load returns the first sample of b in the upper bits of 32. The unused byte
// of S24 is ignored: hardware leaves anything there.
func (f Format) load(b []byte) int32 {
	switch f {
	case S16:
		return int32(binary.LittleEndian.Uint16(b)) << 16
	case S243:
		return int32(b[0])<<8 | int32(b[1])<<16 | int32(b[2])<<24
	case S24:
		return int32(binary.LittleEndian.Uint32(b) << 8)
	default:
		return int32(binary.LittleEndian.Uint32(b))
	}
}

// store writes s as the first sample of b.
func (f Format) store(b []byte, s int16) {
	v := int32(s)
	switch f {
	case S16:
		binary.LittleEndian.PutUint16(b, uint16(s))
	case S243:
		b[0], b[1], b[2] = 0, byte(v), byte(v>>8)
	case S24:
		binary.LittleEndian.PutUint32(b, uint32(v<<8)) // with its sign in the unused byte
	default:
		binary.LittleEndian.PutUint32(b, uint32(v<<16))
	}
}

// layout is how a stream stores one frame: the samples of all channels at one
// moment, one after the other.
type layout struct {
	format   Format
	channels int
	pick     int // the channel that capture takes, from 1; 0: the mean of all
}

func (l layout) frameBytes() int { return l.format.Bytes() * l.channels }

// decode makes one 16-bit sample of each frame of src, rounded to the nearest.
func (l layout) decode(dst []int16, src []byte) {
	size := l.format.Bytes()
	first, count := 0, l.channels
	if l.pick > 0 {
		first, count = l.pick-1, 1
	}
	for i := range dst {
		at := i*l.frameBytes() + first*size
		var sum int64
		for range count {
			sum += int64(l.format.load(src[at : at+size]))
			at += size
		}
		dst[i] = narrow(sum / int64(count))
	}
}

// narrow rounds a 32-bit sample to 16 bits; what would round up beyond the
// largest is clipped to it.
func narrow(s int64) int16 { return int16(min((s+1<<15)>>16, math.MaxInt16)) }

// encode writes each sample of src to all channels of a frame of dst.
func (l layout) encode(dst []byte, src []int16) {
	size := l.format.Bytes()
	at := 0
	for _, s := range src {
		for range l.channels {
			l.format.store(dst[at:at+size], s)
			at += size
		}
	}
}
