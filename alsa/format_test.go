package alsa

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFormatBytes(t *testing.T) {
	for _, tc := range []struct {
		format Format
		name   string
		bytes  []byte // of -2
	}{
		{S16, "S16_LE", []byte{0xfe, 0xff}},
		{S243, "S24_3LE", []byte{0x00, 0xfe, 0xff}},
		{S24, "S24_LE", []byte{0x00, 0xfe, 0xff, 0xff}},
		{S32, "S32_LE", []byte{0x00, 0x00, 0xfe, 0xff}},
	} {
		if got := tc.format.String(); got != tc.name {
			t.Errorf("String = %q, want %q", got, tc.name)
		}
		got := make([]byte, tc.format.Bytes())
		tc.format.store(got, -2)
		if d := cmp.Diff(tc.bytes, got); d != "" {
			t.Errorf("%v: bytes of -2 (-want +got):\n%s", tc.format, d)
		}
	}
}

// Every 16-bit sample comes back from every format, from one channel and from
// the mean of all.
func TestFormatRoundTrip(t *testing.T) {
	all := make([]int16, 1<<16)
	for i := range all {
		all[i] = int16(i)
	}
	for _, f := range formats {
		for _, channels := range []int{1, 2, 3, MaxChannels} {
			l := layout{format: f, channels: channels}
			raw := make([]byte, len(all)*l.frameBytes())
			l.encode(raw, all)
			for _, pick := range []int{0, channels} {
				l.pick = pick
				got := make([]int16, len(all))
				l.decode(got, raw)
				if !slices.Equal(got, all) {
					t.Errorf("%v, %d channels, channel %d: changed", f, channels, pick)
				}
			}
		}
	}
}

// Finer samples are rounded to the nearest, and the largest are clipped: every
// 16-bit upper part with each lower part near a rounding edge.
func TestFormatRounds(t *testing.T) {
	for _, tc := range []struct {
		format Format
		lower  []uint32 // the bits below 16, in their upper end
		unused []byte   // what the fourth byte of S24 may hold
	}{
		{S243, []uint32{0, 1 << 8, 127 << 8, 128 << 8, 129 << 8, 255 << 8}, []byte{0}},
		{S24, []uint32{0, 1 << 8, 127 << 8, 128 << 8, 129 << 8, 255 << 8}, []byte{0, 0xff, 0x5a}},
		{S32, []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff}, []byte{0}},
	} {
		size := tc.format.Bytes()
		raw, want := make([]byte, 0, size<<16), make([]int16, 0, 1<<16)
		for _, lower := range tc.lower {
			for _, unused := range tc.unused {
				raw, want = raw[:0], want[:0]
				for upper := range 1 << 16 {
					v := uint32(upper)<<16 | lower
					four := []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}
					if tc.format != S32 {
						four = append(four[1:4:4], unused)
					}
					raw = append(raw, four[:size]...)
					w := int16(upper)
					if lower >= 0x8000 && w < math.MaxInt16 {
						w++
					}
					want = append(want, w)
				}
				got := make([]int16, len(want))
				layout{format: tc.format, channels: 1}.decode(got, raw)
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("%v % x = %d, want %d", tc.format, raw[i*size:(i+1)*size], got[i], want[i])
					}
				}
			}
		}
	}
}

// The mean of channels is that of their samples, and never wraps.
func TestFormatMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(formats[:]).Draw(t, "format")
		frame := rapid.SliceOfN(rapid.Int16(), 1, MaxChannels).Draw(t, "frame")
		pick := rapid.IntRange(0, len(frame)).Draw(t, "channel")
		l := layout{format: f, channels: len(frame), pick: pick}
		raw := make([]byte, l.frameBytes())
		sum := 0.0
		for i, s := range frame {
			f.store(raw[i*f.Bytes():], s)
			sum += float64(s)
		}
		want := sum / float64(len(frame))
		if pick > 0 {
			want = float64(frame[pick-1])
		}
		var got [1]int16
		l.decode(got[:], raw)
		if d := math.Abs(float64(got[0]) - want); d > 0.50001 {
			t.Errorf("%v of %v, channel %d = %d, want %.2f", f, frame, pick, got[0], want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, uint8(0), uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, format, channels, pick uint8) {
		l := layout{format: formats[int(format)%len(formats)], channels: int(channels)%MaxChannels + 1}
		l.pick = int(pick) % (l.channels + 1)
		frames := len(raw) / l.frameBytes()
		first, second := make([]int16, frames), make([]int16, frames)
		l.decode(first, raw)
		// What was decoded survives being stored and decoded again.
		again := make([]byte, frames*l.frameBytes())
		l.encode(again, first)
		l.decode(second, again)
		if !slices.Equal(first, second) {
			t.Errorf("%+v: %v, then %v", l, first, second)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, l := range []layout{{S16, 1, 0}, {S16, 2, 0}, {S243, 2, 1}, {S32, 2, 1}} {
		b.Run(l.format.String()+map[int]string{1: "/mono", 2: "/stereo"}[l.channels], func(b *testing.B) {
			mono, raw := make([]int16, 480), make([]byte, 480*l.frameBytes())
			b.ReportAllocs()
			for b.Loop() {
				l.decode(mono, raw)
				l.encode(raw, mono)
			}
		})
	}
}
