// Package audiotest has what tests and measuring tools need to judge sound:
// the level of a tone, and a mark that is found again after a trip through a
// codec and a network. It imports nothing of ours, and is no part of a call.
//
// Samples are 48 kHz, mono, 16 bit, as in package audio.
package audiotest

import "math"

const sampleRate = 48000

// Sine returns n samples of a sine of freq Hz at level dBFS (peak), beginning
// at phase 0.
func Sine(freq, level float64, n int) []int16 {
	out := make([]int16, n)
	amp := math.MaxInt16 * math.Pow(10, level/20)
	for i := range out {
		out[i] = int16(math.Round(amp * math.Sin(2*math.Pi*freq*float64(i)/sampleRate)))
	}
	return out
}

// Goertzel returns the level of freq Hz in pcm, in dBFS: a sine of full scale
// gives 0. Its bandwidth is about 48000/len(pcm) Hz. Digital silence gives
// -Inf.
func Goertzel(pcm []int16, freq float64) float64 {
	w := 2 * math.Pi * freq / sampleRate
	coeff := 2 * math.Cos(w)
	var s1, s2 float64
	for _, v := range pcm {
		s1, s2 = float64(v)+coeff*s1-s2, s1
	}
	power := s1*s1 + s2*s2 - coeff*s1*s2
	amp := 2 * math.Sqrt(max(power, 0)) / float64(len(pcm))
	return 20 * math.Log10(amp/math.MaxInt16)
}

// RMS returns the level of pcm in dBFS, where a full-scale sine is 0.
func RMS(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(2*sum/float64(len(pcm))/(math.MaxInt16*math.MaxInt16))
}
