package alsa

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestScale(t *testing.T) {
	ranged := []uint32{
		tlvRange, 3 * 4 * 6,
		0, 9, tlvScale, 8, db(-40), 200, // 0 to 9: -40 dB, 2 dB a step
		10, 19, tlvScale, 8, db(-20), 100,
		20, 20, tlvScale, 8, db(-10), 0,
	}
	inContainer := []uint32{tlvContainer, 4 * 13, 0x101, 12, 3, 4, 5, tlvMinMax, 8, db(-10), db(10), 0, 0, 0, 0}
	const low, high = 0, 20
	for _, tc := range []struct {
		name  string
		words []uint32
		raw   int
		want  float64
	}{
		{"steps", []uint32{tlvScale, 8, db(-30), 150}, 4, -24},
		{"steps, not mute", []uint32{tlvScale, 8, db(-30), 150}, 0, -30},
		{"steps, mute", []uint32{tlvScale, 8, db(-30), 150 | muteFlag}, 0, math.Inf(-1)},
		{"min max", []uint32{tlvMinMax, 8, db(-30), db(10)}, 15, 0},
		{"min max mute", []uint32{tlvMinMaxMute, 8, db(-30), db(10)}, 0, math.Inf(-1)},
		{"linear", []uint32{tlvLinear, 8, db(-20), db(0)}, 20, 0},
		{"linear, middle", []uint32{tlvLinear, 8, db(-20), db(0)}, 10, 20 * math.Log10(0.55)},
		{"linear from silence", []uint32{tlvLinear, 8, 1<<32 + silentDB, db(0)}, 10, 20 * math.Log10(0.5)},
		{"range, first", ranged, 5, -30},
		{"range, second", ranged, 10, -20},
		{"range, last", ranged, 20, -10},
		{"container", inContainer, 10, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := readScale(tc.words, low, high)
			if s == nil {
				t.Fatal("no scale")
			}
			if got := s.at(tc.raw); math.Abs(got-tc.want) > 0.01 && got != tc.want {
				t.Errorf("at(%d) = %v dB, want %v", tc.raw, got, tc.want)
			}
			if got := s.nearest(s.at(tc.raw), low, high); got != tc.raw {
				t.Errorf("nearest(%v dB) = %d, want %d", s.at(tc.raw), got, tc.raw)
			}
		})
	}
}

func TestNoScale(t *testing.T) {
	for name, words := range map[string][]uint32{
		"empty": nil, "header only": {tlvScale, 8}, "too long": {tlvScale, 400, 1, 2}, "too short": {tlvScale, 4, 1, 2},
		"unknown": {77, 8, 1, 2}, "falling": {tlvMinMax, 8, db(0), db(-10)},
		"range falls":            {tlvRange, 48, 0, 9, tlvScale, 8, db(0), 1, 10, 19, tlvScale, 8, db(-20), 1},
		"containers without end": {0, 96, 0, 88, 0, 80, 0, 72, 0, 64, 0, 56, 0, 48, 0, 40, 0, 32, 0, 24, tlvScale, 8, 1, 2, 0, 0},
	} {
		if s := readScale(words, 0, 100); s != nil {
			t.Errorf("%s: got %v, want none", name, s)
		}
	}
}

// Whatever a driver says, a scale that is taken rises with the value, and
// setting a value by its dB gives one that is as loud.
func FuzzScale(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 8, 0, 0, 0, 0x9c, 0xff, 0xff, 0xff, 10, 0, 0, 0}, int16(0), uint16(100))
	f.Add([]byte{3, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, int16(-5), uint16(9))
	f.Add([]byte{0, 0, 0, 0, 16, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, int16(0), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, low int16, span uint16) {
		words := make([]uint32, min(len(data)/4, scaleWords))
		for i := range words {
			words[i] = binary.LittleEndian.Uint32(data[4*i:])
		}
		first, last := int(low), int(low)+int(span)
		s := readScale(words, first, last)
		if s == nil {
			return
		}
		step := max(1, int(span)/64)
		for raw := first; raw+step <= last; raw += step {
			a, b := s.at(raw), s.at(raw+step)
			if math.IsNaN(a) || math.IsNaN(b) {
				t.Fatalf("%v: at(%d), at(%d) = %v, %v", words, raw, raw+step, a, b)
			}
			if n := s.nearest(a, first, last); n < first || n > last {
				t.Fatalf("%v: nearest(%v) = %d, not within %d to %d", words, a, n, first, last)
			}
		}
	})
}
