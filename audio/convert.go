package audio

/*
#cgo pkg-config: --static speexdsp
#include <speex/speex_resampler.h>

// Both counts in one word, so that no Go variable must live on the heap for them.
static uint64_t convert(SpeexResamplerState *s, const int16_t *in, uint32_t read, int16_t *out, uint32_t written) {
	spx_uint32_t r = read, w = written;
	if (speex_resampler_process_int(s, 0, in, &r, out, &w) != RESAMPLER_ERR_SUCCESS)
		return UINT64_MAX;
	return (uint64_t)r << 32 | w;
}
*/
import "C"

import (
	"fmt"
	"math"
	"runtime"
)

// convertQuality is speexdsp's, 0 to 10: distortion and noise at -104 dB, 24
// samples of delay at 48 kHz, 37 µs for 20 ms.
const convertQuality = 3

// Converter changes the rate of an endless mono stream between a sound card's
// and another. It belongs to one goroutine and allocates nothing per call.
type Converter struct {
	from, to int
	state    *C.SpeexResamplerState // freed with the Converter
}

// NewConverter converts from one rate to another, both 8000 to 96000 Hz.
func NewConverter(from, to int) (*Converter, error) { return newConverter(from, to, convertQuality) }

func newConverter(from, to, quality int) (*Converter, error) {
	if min(from, to) < 8000 || max(from, to) > 96000 {
		return nil, fmt.Errorf("audio: convert %d to %d Hz: want 8000 to 96000", from, to)
	}
	var code C.int
	state := C.speex_resampler_init(1, C.spx_uint32_t(from), C.spx_uint32_t(to), C.int(quality), &code)
	if state == nil {
		return nil, fmt.Errorf("audio: convert %d to %d Hz: %s", from, to, C.GoString(C.speex_resampler_strerror(code)))
	}
	c := &Converter{from: from, to: to, state: state}
	runtime.AddCleanup(c, func(s *C.SpeexResamplerState) { C.speex_resampler_destroy(s) }, state)
	return c, nil
}

// Convert reads samples from src and writes them, converted, to dst, until the
// one is used up or the other full. read and written count samples.
func (c *Converter) Convert(dst, src []int16) (read, written int) {
	if len(dst) == 0 || len(src) == 0 {
		return 0, 0
	}
	n := C.convert(c.state, (*C.int16_t)(&src[0]), C.uint32_t(len(src)), (*C.int16_t)(&dst[0]), C.uint32_t(len(dst)))
	runtime.KeepAlive(c)
	if uint64(n) == math.MaxUint64 { // memory it could not get, long ago: silence
		clear(dst)
		return len(src), len(dst)
	}
	return int(n >> 32), int(n & math.MaxUint32)
}

// Delay is how much later than its input the output is, in output samples.
func (c *Converter) Delay() int {
	n := int(C.speex_resampler_get_output_latency(c.state))
	runtime.KeepAlive(c)
	return n
}
