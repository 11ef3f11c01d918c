package audiotest

import "math"

const (
	// MarkSamples is the length of Mark: 80 ms.
	MarkSamples = 3840
	// markLow and markHigh in Hz: the telephone band passes any speech codec.
	markLow, markHigh = 300, 3400
	// decimation brings the first search to 12 kHz, well above markHigh.
	decimation = 4
	// foundScore separates a mark from chance. Measured: a second of noise
	// scores 0.07, speech-like sound and our own tones up to 0.18; a mark after
	// Opus 0.98 at 48 kbit/s and 0.68 at 24, and 0.37 to 0.97 with one packet
	// in ten lost.
	foundScore = 0.3
)

// Mark returns a chirp of 80 ms from 300 to 3400 Hz, at -6 dBFS peak, under a
// window that spares it clicks. Its correlation with itself is one sharp peak.
func Mark() []int16 {
	out := make([]int16, MarkSamples)
	const seconds = float64(MarkSamples) / sampleRate
	for i := range out {
		t := float64(i) / sampleRate
		phase := 2 * math.Pi * (markLow*t + (markHigh-markLow)*t*t/(2*seconds))
		edge := min(float64(i), float64(MarkSamples-1-i)) / (MarkSamples / 8)
		window := 0.5 - 0.5*math.Cos(math.Pi*min(1, edge))
		out[i] = int16(math.MaxInt16 / 2 * window * math.Sin(phase))
	}
	return out
}

// FindMark looks for mark in haystack. offset is where it begins, in samples
// with a fraction; score is the normalised correlation there, 0 to 1; ok tells
// that it is no chance. With several marks the most alike one is found.
func FindMark(haystack, mark []int16) (offset, score float64, ok bool) {
	if len(mark) < 8*decimation || len(haystack) < len(mark) {
		return 0, 0, false
	}
	coarse, _ := bestMatch(decimate(haystack), decimate(mark), 0, math.MaxInt)
	hay, needle := floats(haystack), floats(mark)
	from := max(0, (coarse-2)*decimation)
	at, score := bestMatch(hay, needle, from, (coarse+2)*decimation)
	return float64(at) + peakShift(hay, needle, at), score, score >= foundScore
}

// bestMatch returns the position from first to last where needle fits best.
func bestMatch(hay, needle []float64, first, last int) (at int, score float64) {
	last = min(last, len(hay)-len(needle))
	norm := math.Sqrt(energy(needle))
	var window float64
	if first <= last {
		window = energy(hay[first : first+len(needle)])
	}
	for i := first; i <= last; i++ {
		if window > 1e-9*norm*norm {
			if c := dot(hay[i:i+len(needle)], needle) / (norm * math.Sqrt(window)); c > score {
				at, score = i, c
			}
		}
		if i < last {
			window += hay[i+len(needle)]*hay[i+len(needle)] - hay[i]*hay[i]
		}
	}
	return at, score
}

// peakShift refines a position by the parabola through its neighbours.
func peakShift(hay, needle []float64, at int) float64 {
	if at == 0 || at+len(needle) >= len(hay) {
		return 0
	}
	n := len(needle)
	l, m, r := dot(hay[at-1:at-1+n], needle), dot(hay[at:at+n], needle), dot(hay[at+1:at+1+n], needle)
	if d := l - 2*m + r; d < 0 {
		return 0.5 * (l - r) / d
	}
	return 0
}

func floats(pcm []int16) []float64 {
	out := make([]float64, len(pcm))
	for i, v := range pcm {
		out[i] = float64(v)
	}
	return out
}

func energy(a []float64) float64 { return dot(a, a) }

func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// decimate low-passes pcm and keeps every fourth sample. The filter, a
// windowed sinc, has no delay.
func decimate(pcm []int16) []float64 {
	const half = 24
	const cut = 4500.0 / sampleRate // in cycles per sample
	var filter [2*half + 1]float64
	for i := range filter {
		x := float64(i - half)
		sinc := 2 * cut
		if x != 0 {
			sinc = math.Sin(2*math.Pi*cut*x) / (math.Pi * x)
		}
		filter[i] = sinc * (0.54 + 0.46*math.Cos(math.Pi*x/half))
	}
	out := make([]float64, (len(pcm)+decimation-1)/decimation)
	for i := range out {
		at := i*decimation - half
		var sum float64
		for k := max(0, -at); k < len(filter) && at+k < len(pcm); k++ {
			sum += filter[k] * float64(pcm[at+k])
		}
		out[i] = sum
	}
	return out
}
