package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"intercom/audio/audiotest"
)

func wavBytes(t testing.TB, rate int, samples []int16) []byte {
	t.Helper()
	var b bytes.Buffer
	check(t, WriteWAV(&b, rate, samples))
	return b.Bytes()
}

func TestWAVRoundTrip(t *testing.T) {
	want := voiced(12345)
	clip, err := ReadWAV(bytes.NewReader(wavBytes(t, SampleRate, want)))
	check(t, err)
	got := make([]int16, 12345+100)
	src := NewClipSource(clip)
	for i := 0; i < len(got); i += 100 {
		if more, want := src.Next(got[i:min(i+100, len(got))]), i+100 < 12345; more != want {
			t.Fatalf("at %d: more = %v", i, more)
		}
	}
	if d := cmp.Diff(append(want, make([]int16, 100)...), got); d != "" {
		t.Error("what is read differs from what was written")
	}
}

// TestWAVRates: a tone keeps its pitch and level from any rate, and nothing
// else comes with it.
func TestWAVRates(t *testing.T) {
	for _, rate := range []int{8000, 11025, 16000, 22050, 32000, 44100, 44101, 48000, 88200, 96000} {
		in := make([]int16, rate)
		for i := range in {
			in[i] = int16(16384 * math.Sin(2*math.Pi*1000*float64(i)/float64(rate)))
		}
		clip, err := ReadWAV(bytes.NewReader(wavBytes(t, rate, in)))
		check(t, err)
		if clip.Samples() != 48000 {
			t.Errorf("%d Hz: %d samples for 1 s", rate, clip.Samples())
		}
		steady := clip.samples[4800:43200]
		tone, all := audiotest.Goertzel(steady, 1000), audiotest.RMS(steady)
		rest := 10 * math.Log10(max(math.Pow(10, all/10)-math.Pow(10, tone/10), 1e-12))
		if math.Abs(tone+6.02) > 0.05 || rest > -70 {
			t.Errorf("%d Hz: tone %.2f dBFS, want -6.02; rest %.1f dBFS, want below -70", rate, tone, rest)
		}
	}
	// What 48 kHz can not hold must vanish, not fold back.
	in := make([]int16, 96000)
	for i := range in {
		in[i] = int16(16384 * math.Sin(2*math.Pi*30000*float64(i)/96000))
	}
	out, err := Resample(in, 96000)
	check(t, err)
	if got := audiotest.RMS(out[4800:43200]); got > -60 {
		t.Errorf("30 kHz at 96 kHz comes out at %.1f dBFS", got)
	}
}

func TestWAVStereo(t *testing.T) {
	b := wavBytes(t, SampleRate, []int16{1000, 3000, -1000, -2000, 32767, 32767})
	le := binary.LittleEndian
	le.PutUint16(b[22:], 2)
	le.PutUint32(b[28:], 4*SampleRate)
	le.PutUint16(b[32:], 4)
	clip, err := ReadWAV(bytes.NewReader(b))
	check(t, err)
	if d := cmp.Diff([]int16{2000, -1500, 32767}, clip.samples); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestWAVChunks: other chunks are stepped over, also of odd length, and the
// extensible format tag is understood.
func TestWAVChunks(t *testing.T) {
	b := wavBytes(t, SampleRate, []int16{1, 2, 3})
	format := append([]byte("fmt \x28\x00\x00\x00\xfe\xff"), b[22:36]...)
	format = append(format, "\x16\x00\x10\x00\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"...)
	whole := slices.Concat(b[:12], []byte("LIST\x03\x00\x00\x00abc\x00"), format, b[36:])
	clip, err := ReadWAV(bytes.NewReader(whole))
	check(t, err)
	if d := cmp.Diff([]int16{1, 2, 3}, clip.samples); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestWAVErrors: each refusal names what is wrong.
func TestWAVErrors(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		want  string
		spoil func(b []byte) []byte
	}{
		{"RIFF", func(b []byte) []byte { b[0] = 'X'; return b }},
		{"RIFF", func([]byte) []byte { return nil }},
		{"cut off", func(b []byte) []byte { return b[:len(b)-2] }},
		{"no data chunk", func(b []byte) []byte { return b[:36] }},
		{"no fmt chunk", func(b []byte) []byte { copy(b[12:], "junk"); return b }},
		{"format tag 0x3", func(b []byte) []byte { le.PutUint16(b[20:], 3); return b }},
		{"3 channels", func(b []byte) []byte { le.PutUint16(b[22:], 3); return b }},
		{"7999 Hz", func(b []byte) []byte { le.PutUint32(b[24:], 7999); return b }},
		{"24 bits", func(b []byte) []byte { le.PutUint16(b[34:], 24); return b }},
		{"block size 3", func(b []byte) []byte { le.PutUint16(b[32:], 3); return b }},
		{"whole number", func(b []byte) []byte { le.PutUint32(b[40:], 199); return b }},
		{"no sound", func(b []byte) []byte { le.PutUint32(b[40:], 0); return b }},
		{"at most 60", func(b []byte) []byte {
			le.PutUint32(b[24:], 8000)
			le.PutUint32(b[40:], 2*8000*61)
			return append(b[:44], make([]byte, 2*8000*61)...)
		}},
	} {
		_, err := ReadWAV(bytes.NewReader(c.spoil(wavBytes(t, SampleRate, make([]int16, 100)))))
		if !errors.Is(err, ErrWAV) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want it to name %q", err, c.want)
		}
	}
}

func FuzzWAV(f *testing.F) {
	f.Add(wavBytes(f, 8000, voiced(50)))
	f.Add(wavBytes(f, 48000, nil))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		clip, err := ReadWAV(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrWAV) {
				t.Fatal(err)
			}
			return
		}
		if n := clip.Samples(); n > MaxClip || n > len(b)*3 {
			t.Fatalf("%d samples from %d bytes", n, len(b))
		}
		again, err := ReadWAV(bytes.NewReader(wavBytes(t, SampleRate, clip.samples)))
		if clip.Samples() > 0 && (err != nil || !cmp.Equal(again.samples, clip.samples)) {
			t.Fatalf("does not read what it wrote: %v", err)
		}
	})
}
