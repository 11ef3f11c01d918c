package audio

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/audio/audiotest"
)

// render takes d of a source in odd pieces, as devices do.
func render(s Source, d time.Duration) []int16 {
	out := make([]int16, samplesIn(d))
	for rest := out; len(rest) > 0; {
		n := min(len(rest), 333)
		s.Next(rest[:n])
		rest = rest[n:]
	}
	return out
}

// at is 60 ms of pcm around the middle of what is told, in ms.
func at(pcm []int16, from, to int) []int16 {
	mid := (from + to) / 2 * 48
	return pcm[mid-1440 : mid+1440]
}

// TestTones hears every tone: which sine sounds when, and that nothing does
// between.
func TestTones(t *testing.T) {
	type part struct {
		from, to int // ms
		freqs    []float64
	}
	for _, c := range []struct {
		name  string
		tone  Tone
		parts []part
	}{
		{"ring", Ring(), []part{{0, 350, []float64{880, 1320}}, {350, 700, []float64{698.5, 1047.7}}, {700, 800, nil},
			{800, 1150, []float64{880, 1320}}, {1500, 3000, nil}, {3000, 3350, []float64{880, 1320}}}},
		{"ringback", Ringback(), []part{{0, 1000, []float64{425}}, {1000, 5000, nil}, {5000, 6000, []float64{425}}, {6000, 10000, nil}}},
		{"busy", Busy(), []part{{0, 500, []float64{425}}, {500, 1000, nil}, {1000, 1500, []float64{425}}}},
		{"ended", Ended(), []part{{0, 150, []float64{425}}, {150, 300, nil}, {300, 450, []float64{425}}, {600, 750, []float64{425}}, {900, 2000, nil}}},
		{"unreachable", Unreachable(), []part{{0, 330, []float64{950}}, {330, 660, []float64{1400}}, {660, 990, []float64{1800}}, {990, 2000, nil}}},
		{"opened", Opened(), []part{{0, 120, []float64{784}}, {150, 400, []float64{1175}}, {400, 1000, nil}}},
		{"call waiting", CallWaiting(), []part{{0, 200, []float64{425}}, {200, 400, nil}, {400, 600, []float64{425}}, {600, 10000, nil}, {10000, 10200, []float64{425}}}},
	} {
		pcm := render(NewToneSource(c.tone), 11*time.Second)
		for _, p := range c.parts {
			window := at(pcm, p.from, p.to)
			want, sum := c.tone.Level, 0.0
			for _, f := range p.freqs {
				if got := audiotest.Goertzel(window, f); math.Abs(got-want) > 1 {
					t.Errorf("%s, %d to %d ms: %.0f Hz at %.1f dBFS, want %.1f", c.name, p.from, p.to, f, got, want)
				}
				sum += math.Pow(10, want/10)
			}
			if got, want := audiotest.RMS(window), 10*math.Log10(sum); p.freqs == nil && !math.IsInf(got, -1) || p.freqs != nil && math.Abs(got-want) > 0.5 {
				t.Errorf("%s, %d to %d ms: %.1f dBFS in all, want %.1f", c.name, p.from, p.to, got, want)
			}
			// The cadence is exact to the sample: silence ends and begins where told.
			if first := p.from * 48; p.freqs != nil && pcm[first] == 0 {
				t.Errorf("%s: no sound at sample %d", c.name, first)
			}
		}
		// No step is larger than the steepest sine makes: nothing clicks.
		steep := 0.0
		for _, g := range c.tone.Segments {
			slope := 0.0
			for _, f := range g.Freqs {
				slope += 2 * math.Pi * f / SampleRate
			}
			steep = max(steep, slope)
		}
		limit := math.MaxInt16*math.Pow(10, c.tone.Level/20)*(steep+2.0/192) + 2
		last := 0.0
		for i, v := range pcm {
			if d := math.Abs(float64(v) - last); d > limit {
				t.Fatalf("%s: step of %.0f at sample %d, at most %.0f", c.name, d, i, limit)
			}
			last = float64(v)
		}
	}
}

func TestToneSourceEnds(t *testing.T) {
	buf := make([]int16, 480)
	for _, c := range []struct {
		name string
		tone Tone
		want int // periods with more to come
	}{
		{"nothing", Tone{}, 0},
		{"nothing for ever", Tone{Repeat: true, Segments: []Segment{{}, {}}}, 0},
		{"100 ms", Tone{Segments: []Segment{{[]float64{500}, 100 * time.Millisecond, 0}}}, 9},
		{"an empty segment between", Tone{Segments: []Segment{{[]float64{500}, 50 * time.Millisecond, 0}, {}, {nil, 0, 50 * time.Millisecond}}}, 9},
		{"more sines than it can", Tone{Segments: []Segment{{[]float64{1, 2, 3, 4, 5}, 20 * time.Millisecond, 0}}}, 1},
	} {
		s, got := NewToneSource(c.tone), 0
		for got < 1000 && s.Next(buf) {
			got++
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
