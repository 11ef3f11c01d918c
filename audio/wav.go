package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrWAV is wrapped by every refusal of a WAV file.
var ErrWAV = errors.New("not a usable WAV file")

const (
	// MaxClip bounds a recorded message: 60 s of samples at 48 kHz.
	MaxClip = 60 * SampleRate
	// maxWAVBytes is 60 s at the highest rate that is read, in stereo, and
	// room for other chunks.
	maxWAVBytes          = 60*maxWAVRate*4 + 1<<20
	minWAVRate           = 8000
	maxWAVRate           = 96000
	wavPCM        uint16 = 1
	wavExtensible uint16 = 0xfffe
)

// Clip is a recorded message, ready to play. It is never changed, so any
// number of ClipSources may share it.
type Clip struct {
	samples []int16
}

// NewClip makes a Clip of samples at 48 kHz, which it keeps.
func NewClip(samples []int16) *Clip { return &Clip{samples} }

// Samples is its length at 48 kHz.
func (c *Clip) Samples() int { return len(c.samples) }

// ClipSource plays a Clip once.
type ClipSource struct {
	rest []int16
}

// NewClipSource starts c at its beginning.
func NewClipSource(c *Clip) *ClipSource { return &ClipSource{c.samples} }

// Next implements Source.
func (s *ClipSource) Next(dst []int16) (more bool) {
	n := copy(dst, s.rest)
	clear(dst[n:])
	s.rest = s.rest[n:]
	return len(s.rest) > 0
}

// ReadWAV reads a recorded message: PCM, 16 bit, mono or stereo, 8 to 96 kHz,
// at most 60 s. Stereo is mixed down and the rate converted to 48 kHz, once,
// here. The error wraps ErrWAV (or the reader's error) and says what is wrong
// with the file.
func ReadWAV(r io.Reader) (*Clip, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxWAVBytes+1))
	if err != nil {
		return nil, fmt.Errorf("audio: read WAV: %w", err)
	}
	if len(b) > maxWAVBytes {
		return nil, wavError("longer than %d bytes", maxWAVBytes)
	}
	format, data, err := wavChunks(b)
	if err != nil {
		return nil, err
	}
	channels, rate, err := wavFormat(format)
	if err != nil {
		return nil, err
	}
	if len(data)%(2*channels) != 0 {
		return nil, wavError("data of %d bytes is no whole number of %d-channel samples", len(data), channels)
	}
	frames := len(data) / (2 * channels)
	if frames == 0 {
		return nil, wavError("it holds no sound")
	}
	if frames > 60*rate {
		return nil, wavError("%d s long, at most 60", frames/rate)
	}
	samples, err := Resample(mixDown(data, channels), rate)
	if err != nil {
		return nil, err
	}
	return &Clip{samples}, nil
}

func wavError(format string, args ...any) error {
	return fmt.Errorf("audio: %w: %s", ErrWAV, fmt.Sprintf(format, args...))
}

// wavChunks finds the format and the data among the chunks of a RIFF file.
func wavChunks(b []byte) (format, data []byte, err error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, nil, wavError("it does not begin with RIFF....WAVE")
	}
	for b = b[12:]; len(b) >= 8 && data == nil; {
		id, size := string(b[:4]), uint64(binary.LittleEndian.Uint32(b[4:8]))
		b = b[8:]
		if size > uint64(len(b)) {
			return nil, nil, wavError("chunk %q says %d bytes, but only %d are left: cut off?", id, size, len(b))
		}
		body := b[:size]
		switch id {
		case "fmt ":
			format = body
		case "data":
			data = body
		}
		b = b[min(size+size&1, uint64(len(b))):]
	}
	switch {
	case data == nil:
		return nil, nil, wavError("it has no data chunk")
	case format == nil:
		return nil, nil, wavError("it has no fmt chunk before the data")
	}
	return format, data, nil
}

func wavFormat(f []byte) (channels, rate int, err error) {
	if len(f) < 16 {
		return 0, 0, wavError("fmt chunk of %d bytes, want 16", len(f))
	}
	le := binary.LittleEndian
	tag := le.Uint16(f)
	if tag == wavExtensible && len(f) >= 26 {
		tag = le.Uint16(f[24:]) // the real tag begins its sub-format
	}
	channels, rate = int(le.Uint16(f[2:])), int(le.Uint32(f[4:]))
	bits := le.Uint16(f[14:])
	switch {
	case tag != wavPCM:
		return 0, 0, wavError("format tag %#x: want PCM (save it as 16-bit PCM)", tag)
	case bits != 16:
		return 0, 0, wavError("%d bits: want 16 (save it as 16-bit PCM)", bits)
	case channels != 1 && channels != 2:
		return 0, 0, wavError("%d channels: want 1 or 2", channels)
	case rate < minWAVRate || rate > maxWAVRate:
		return 0, 0, wavError("%d Hz: want %d to %d", rate, minWAVRate, maxWAVRate)
	case int(le.Uint16(f[12:])) != 2*channels:
		return 0, 0, wavError("block size %d: want %d for %d channels of 16 bits", le.Uint16(f[12:]), 2*channels, channels)
	}
	return channels, rate, nil
}

func mixDown(data []byte, channels int) []int16 {
	out := make([]int16, len(data)/(2*channels))
	for i := range out {
		sum := 0
		for c := range channels {
			sum += int(int16(binary.LittleEndian.Uint16(data[2*(i*channels+c):])))
		}
		out[i] = int16(sum / channels)
	}
	return out
}

// WriteWAV writes samples as a mono 16-bit PCM file of the given rate in Hz.
func WriteWAV(w io.Writer, rate int, samples []int16) error {
	const headerBytes = 44
	b := make([]byte, 0, headerBytes+2*len(samples))
	le := binary.LittleEndian
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(headerBytes-8+2*len(samples)))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, wavPCM)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(2*rate))
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(2*len(samples)))
	for _, v := range samples {
		b = le.AppendUint16(b, uint16(v))
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("audio: write WAV: %w", err)
	}
	return nil
}
