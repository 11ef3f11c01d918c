package audiotest

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestGoertzel(t *testing.T) {
	pcm := Sine(1000, -20, 4800)
	if got := Goertzel(pcm, 1000); math.Abs(got+20) > 0.05 {
		t.Errorf("at 1000 Hz: %.2f dBFS, want -20", got)
	}
	if got := Goertzel(pcm, 1500); got > -60 {
		t.Errorf("at 1500 Hz: %.2f dBFS, want nothing", got)
	}
	if got := RMS(pcm); math.Abs(got+20) > 0.05 {
		t.Errorf("RMS: %.2f dBFS, want -20", got)
	}
}

func noise(n int, level float64) []int16 {
	rng := rand.New(rand.NewPCG(3, 4))
	out := make([]int16, n)
	amp := math.MaxInt16 * math.Pow(10, level/20) / math.Sqrt2
	for i := range out {
		out[i] = int16(max(-32768, min(32767, amp*rng.NormFloat64())))
	}
	return out
}

// TestFindMark places the mark everywhere, also between samples, inverted
// never, under noise as loud as itself, and asks for its place.
func TestFindMark(t *testing.T) {
	mark := Mark()
	for _, c := range []struct {
		at    int
		noise float64 // dBFS
		gain  float64
		tol   float64 // samples
	}{
		{0, -60, 1, 0.6}, {1, -60, 1, 0.6}, {12345, -60, 1, 0.3}, {48000 - MarkSamples, -60, 1, 0.6},
		{20001, -12, 1, 2}, {30002, -50, 0.02, 2},
	} {
		hay := noise(48000, c.noise)
		for i, v := range mark {
			hay[c.at+i] = int16(max(-32768, min(32767, float64(hay[c.at+i])+c.gain*float64(v))))
		}
		got, score, ok := FindMark(hay, mark)
		if !ok || math.Abs(got-float64(c.at)) > c.tol {
			t.Errorf("%+v: found at %.2f, score %.2f, %v", c, got, score, ok)
		}
	}
}

// TestFindMarkFraction: half a sample of delay is seen.
func TestFindMarkFraction(t *testing.T) {
	mark := Mark()
	hay := make([]int16, 10000)
	for i := range len(mark) - 1 {
		hay[5000+i+1] = int16((int(mark[i]) + int(mark[i+1])) / 2)
	}
	if got, _, ok := FindMark(hay, mark); !ok || math.Abs(got-5000.5) > 0.1 {
		t.Errorf("found at %.2f, want 5000.5", got)
	}
}

func TestFindMarkNone(t *testing.T) {
	mark := Mark()
	for name, hay := range map[string][]int16{
		"empty": nil, "too short": mark[:len(mark)-1], "silence": make([]int16, 48000),
		"noise": noise(48000, -20), "a tone": Sine(1000, -10, 48000),
	} {
		if at, score, ok := FindMark(hay, mark); ok {
			t.Errorf("%s: found at %.0f, score %.2f", name, at, score)
		}
	}
	if _, _, ok := FindMark(noise(48000, -20), nil); ok {
		t.Error("found no mark at all")
	}
}

func BenchmarkFindMark(b *testing.B) {
	hay, mark := noise(48000, -30), Mark()
	copy(hay[20000:], mark)
	for b.Loop() {
		FindMark(hay, mark)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/haystack-second")
}
