package audio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"intercom/audio/audiotest"
)

func sine(rate, samples int) []int16 {
	s := make([]int16, samples)
	for i := range s {
		s[i] = int16(math.Round(16384 * math.Sin(2*math.Pi*1000*float64(i)/float64(rate))))
	}
	return s
}

func mustConverter(t testing.TB, from, to int) *Converter {
	t.Helper()
	c, err := NewConverter(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// convertAll converts in pieces of n samples.
func convertAll(t *testing.T, c *Converter, in []int16, n int) []int16 {
	t.Helper()
	var out []int16
	buf := make([]int16, 64)
	for len(in) > 0 {
		src := in[:min(n, len(in))]
		in = in[len(src):]
		for len(src) > 0 {
			read, written := c.Convert(buf, src)
			if read == 0 && written == 0 {
				t.Fatal("neither reads nor writes")
			}
			src = src[read:]
			out = append(out, buf[:written]...)
		}
	}
	return out
}

// A tone keeps pitch and level between the rates of sound cards and the call's,
// and nothing else comes with it, in pieces as a card gives them.
func TestConverterTone(t *testing.T) {
	for _, card := range []int{8000, 11025, 16000, 22050, 32000, 44100, 96000} {
		for _, way := range [][2]int{{card, SampleRate}, {SampleRate, card}} {
			from, to := way[0], way[1]
			t.Run(fmt.Sprintf("%d to %d", from, to), func(t *testing.T) {
				in := sine(from, from)
				out := convertAll(t, mustConverter(t, from, to), in, from/100)
				if got := len(out) - to; got < -1 || got > 1 {
					t.Errorf("%d samples for one second of %d Hz", len(out), to)
				}
				// Goertzel measures at 48 kHz: the tone is at another place there.
				steady := out[to/10 : to*9/10]
				tone, all := audiotest.Goertzel(steady, 1000*SampleRate/float64(to)), audiotest.RMS(steady)
				rest := 10 * math.Log10(max(math.Pow(10, all/10)-math.Pow(10, tone/10), 1e-12))
				if math.Abs(tone+6.02) > 0.05 || rest > -70 {
					t.Errorf("tone %.2f dBFS, want -6.02; rest %.1f dBFS, want below -70", tone, rest)
				}
			})
		}
	}
}

// However a stream is cut into pieces, the same samples come out.
func TestConverterPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	in := make([]int16, 5000)
	for i := range in {
		in[i] = int16(random.Uint32())
	}
	want := convertAll(t, mustConverter(t, 44100, SampleRate), in, len(in))
	for _, n := range []int{1, 7, 441, 512, 4999} {
		got := convertAll(t, mustConverter(t, 44100, SampleRate), in, n)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("in pieces of %d (-want +got):\n%s", n, d)
		}
	}
}

// Periods of 10 ms go in and out whole, so that a card's period is the call's.
func TestConverterPeriods(t *testing.T) {
	for _, rate := range []int{8000, 16000, 32000, 44100, 96000} {
		c := mustConverter(t, rate, SampleRate)
		in, out := make([]int16, rate/100), make([]int16, TickSamples+1)
		for i := range 20 {
			if read, written := c.Convert(out, in); read != len(in) || written != TickSamples {
				t.Fatalf("%d Hz, period %d: read %d, wrote %d, want %d and %d", rate, i, read, written, len(in), TickSamples)
			}
		}
	}
}

// Delay is where an impulse comes out.
func TestConverterDelay(t *testing.T) {
	for _, rate := range []int{16000, 44100, 96000} {
		c := mustConverter(t, rate, SampleRate)
		in := make([]int16, rate/10)
		in[0] = 20000
		out := convertAll(t, c, in, rate/100)
		at := 0
		for i, s := range out {
			if s > out[at] {
				at = i
			}
		}
		if d := at - c.Delay(); d < -1 || d > 1 {
			t.Errorf("%d Hz: the impulse comes out at %d, Delay says %d", rate, at, c.Delay())
		}
	}
}

func TestConverterErrors(t *testing.T) {
	for _, way := range [][2]int{{0, 48000}, {48000, 7999}, {96001, 48000}, {-1, 48000}} {
		if _, err := NewConverter(way[0], way[1]); err == nil {
			t.Errorf("NewConverter(%d, %d): no error", way[0], way[1])
		}
	}
	c := mustConverter(t, 44100, SampleRate)
	if read, written := c.Convert(nil, make([]int16, 5)); read != 0 || written != 0 {
		t.Errorf("Convert to nothing: read %d, wrote %d", read, written)
	}
	if read, written := c.Convert(make([]int16, 5), nil); read != 0 || written != 0 {
		t.Errorf("Convert from nothing: read %d, wrote %d", read, written)
	}
}

// A recording keeps its length and its place in time.
func TestResampleKeepsTime(t *testing.T) {
	for _, rate := range []int{8000, 44100, 96000} {
		in := make([]int16, rate)
		in[rate/2] = 20000
		out, err := Resample(in, rate)
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for i, s := range out {
			if s > out[at] {
				at = i
			}
		}
		if len(out) != SampleRate || at < SampleRate/2-1 || at > SampleRate/2+1 {
			t.Errorf("%d Hz: %d samples, the click in the middle is at %d", rate, len(out), at)
		}
	}
}

func TestConverterAllocatesNothing(t *testing.T) {
	c := mustConverter(t, 44100, SampleRate)
	in, out := make([]int16, 441), make([]int16, 480)
	if n := testing.AllocsPerRun(100, func() { c.Convert(out, in) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkConverter(b *testing.B) {
	c := mustConverter(b, 44100, SampleRate)
	in, out := sine(44100, 441), make([]int16, 480)
	b.ReportAllocs()
	for b.Loop() {
		c.Convert(out, in)
	}
}
