package audio

import "math"

const (
	// sincZeros is the number of zero crossings of the filter on each side.
	sincZeros = 24
	// sincSteps is the number of table entries between two zero crossings;
	// linear interpolation between them errs by less than -95 dB.
	sincSteps = 512
	// sincCut is the pass band as a part of the lower of both Nyquist rates.
	sincCut = 0.93
)

// Resample converts in, at rate Hz (8000 to 96000), to 48 kHz. It works on the
// whole recording, for load time; it is no part of the call's path.
func Resample(in []int16, rate int) []int16 {
	if rate == SampleRate {
		return in
	}
	table := sincTable()
	ratio := float64(rate) / SampleRate                 // input samples per output sample
	scale := sincCut * min(1, SampleRate/float64(rate)) // of the sinc, against the input
	reach := sincZeros / scale                          // of the filter, in input samples
	out := make([]int16, int(int64(len(in))*SampleRate/int64(rate)))
	for i := range out {
		at := float64(i) * ratio
		first := max(0, int(math.Ceil(at-reach)))
		last := min(len(in)-1, int(math.Floor(at+reach)))
		var sum float64
		for k := first; k <= last; k++ {
			x := math.Abs(float64(k)-at) * scale * sincSteps
			n := int(x)
			f := x - float64(n)
			sum += float64(in[k]) * (table[n] + f*(table[n+1]-table[n]))
		}
		out[i] = int16(math.Round(max(math.MinInt16, min(math.MaxInt16, sum*scale))))
	}
	return out
}

// sincTable is one side of a sinc under a Blackman window.
func sincTable() []float64 {
	table := make([]float64, sincZeros*sincSteps+2)
	table[0] = 1
	for i := 1; i <= sincZeros*sincSteps; i++ {
		x := math.Pi * float64(i) / sincSteps
		w := x / sincZeros
		table[i] = math.Sin(x) / x * (0.42 + 0.5*math.Cos(w) + 0.08*math.Cos(2*w))
	}
	return table
}
