package audio

import (
	"errors"
	"fmt"
)

// ErrPacket is wrapped by every refusal of a payload from the network.
var ErrPacket = errors.New("audio: bad opus payload")

// maxPacketSamples bounds the sound in one payload: 60 ms. Opus allows 120 ms
// (RFC 6716 section 3.2.5), but no sender of a call uses more than 60.
const maxPacketSamples = 2880

// maxFrameBytes is the longest Opus frame (RFC 6716 section 3.2.1, R2).
const maxFrameBytes = 1275

// PacketInfo is what the framing of an Opus payload says about it, before any
// decoding.
type PacketInfo struct {
	Samples      int  // sound in the payload, in samples at 48 kHz
	FrameSamples int  // sound in each Opus frame of it
	CELT         bool // CELT only: such frames never carry in-band FEC
	FEC          bool // the first frame carries a copy (LBRR) of the frame before it
	DTX          bool // nothing but a header: the sender has gone silent
}

// ParsePacket reads the table-of-contents byte and the framing of an Opus
// payload (RFC 6716 sections 3.1 and 3.2). It refuses whatever breaks the
// rules R1 to R7 of section 3.4, holds more than 60 ms, or is no multiple of
// 10 ms. The error wraps ErrPacket.
func ParsePacket(payload []byte) (PacketInfo, error) {
	var p PacketInfo
	if len(payload) == 0 {
		return p, fmt.Errorf("%w: empty", ErrPacket)
	}
	if len(payload) > MaxPayload {
		return p, fmt.Errorf("%w: %d bytes, at most %d", ErrPacket, len(payload), MaxPayload)
	}
	toc := payload[0]
	p.FrameSamples, p.CELT = frameSamples(toc >> 3)
	count, first, firstLen, ok := splitFrames(toc&3, payload[1:])
	if !ok {
		return p, fmt.Errorf("%w: framing code %d does not fit %d bytes", ErrPacket, toc&3, len(payload))
	}
	p.Samples = count * p.FrameSamples
	if p.Samples > maxPacketSamples || p.Samples%TickSamples != 0 {
		return p, fmt.Errorf("%w: %.1f ms of sound, want a multiple of 10 up to 60", ErrPacket, msOf(float64(p.Samples)))
	}
	p.DTX = firstLen == 0
	stereo := toc&4 != 0
	if !p.CELT && !stereo && firstLen > 0 {
		// One VAD bit for each 20 ms, then the LBRR flag: equiprobable
		// symbols, so they are the first bits (RFC 6716 section 4.2.3).
		silkFrames := max(1, p.FrameSamples/960)
		p.FEC = first>>(7-silkFrames)&1 == 1
	}
	return p, nil
}

// frameSamples gives the length of a frame by its configuration number
// (RFC 6716 section 3.1, table 2).
func frameSamples(config byte) (samples int, celt bool) {
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [4]int{480, 960, 1920, 2880}[config&3], false
	case config < 16: // hybrid: 10, 20 ms
		return [2]int{480, 960}[config&1], false
	default: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3), true
	}
}

// splitFrames checks the framing of what follows the TOC byte. It returns the
// number of frames, and the first byte and the length of the first one.
func splitFrames(code byte, b []byte) (count int, first byte, firstLen int, ok bool) {
	head := func(b []byte, n int) (byte, int, bool) {
		if n < 0 || n > maxFrameBytes || n > len(b) {
			return 0, 0, false
		}
		if n == 0 {
			return 0, 0, true
		}
		return b[0], n, true
	}
	switch code {
	case 0: // one frame
		first, firstLen, ok = head(b, len(b))
		return 1, first, firstLen, ok
	case 1: // two of equal size
		if len(b)%2 != 0 {
			return 0, 0, 0, false
		}
		first, firstLen, ok = head(b, len(b)/2)
		return 2, first, firstLen, ok
	case 2: // two, the size of the first is written
		n, used, good := frameLen(b)
		if !good || len(b)-used-n > maxFrameBytes {
			return 0, 0, 0, false
		}
		first, firstLen, ok = head(b[used:], n)
		return 2, first, firstLen, ok
	default:
		return splitMany(b, head)
	}
}

// splitMany checks framing code 3: any number of frames, with padding
// (RFC 6716 section 3.2.5).
func splitMany(b []byte, head func([]byte, int) (byte, int, bool)) (count int, first byte, firstLen int, ok bool) {
	if len(b) == 0 {
		return 0, 0, 0, false
	}
	vbr, padded, count := b[0]&0x80 != 0, b[0]&0x40 != 0, int(b[0]&0x3f)
	b = b[1:]
	if count == 0 {
		return 0, 0, 0, false
	}
	for padded {
		if len(b) == 0 {
			return 0, 0, 0, false
		}
		n := int(b[0])
		b = b[1:]
		if padded = n == 255; padded {
			n = 254
		}
		if n > len(b) {
			return 0, 0, 0, false
		}
		b = b[:len(b)-n]
	}
	if !vbr {
		if len(b)%count != 0 {
			return 0, 0, 0, false
		}
		first, firstLen, ok = head(b, len(b)/count)
		return count, first, firstLen, ok
	}
	sum := 0
	for i := range count - 1 {
		n, used, good := frameLen(b)
		if !good {
			return 0, 0, 0, false
		}
		b = b[used:]
		sum += n
		if i == 0 {
			firstLen = n
		}
	}
	last := len(b) - sum
	if last < 0 || last > maxFrameBytes {
		return 0, 0, 0, false
	}
	if count == 1 {
		firstLen = last
	}
	first, firstLen, ok = head(b, firstLen)
	return count, first, firstLen, ok
}

// frameLen reads a frame length of one or two bytes (RFC 6716 section 3.2.1).
func frameLen(b []byte) (n, used int, ok bool) {
	switch {
	case len(b) == 0:
		return 0, 0, false
	case b[0] < 252:
		n, used = int(b[0]), 1
	case len(b) < 2:
		return 0, 0, false
	default:
		n, used = int(b[1])*4+int(b[0]), 2
	}
	return n, used, n <= len(b)-used
}
