package main

import (
	"math"
	"slices"
	"time"
)

// The sound of check --sound: silence, then sweeps that the microphone has to
// hear. A sweep is found even under noise, and its delay is sharp.
const (
	loopQuiet  = time.Second            // for the noise floor; its first half is for the card to settle
	loopSweep  = 100 * time.Millisecond // from sweepFrom to sweepTo
	loopGap    = 700 * time.Millisecond // from one sweep to the next
	loopDelay  = 500 * time.Millisecond // the longest delay that is looked for
	loopSweeps = 3

	sweepFrom, sweepTo = 300.0, 3000.0 // Hz, what small speakers can do
	sweepLevel         = 0.25          // of full scale: -12 dBFS
	decimation         = 4             // delays are searched at a quarter of the rate, well over twice sweepTo

	minLikeness = 0.3 // of what is heard to the sweep, 0 to 1: below it is chance
)

// sweep is one linear sweep with soft edges.
func sweep(rate int) []int16 {
	n := samples(loopSweep, rate)
	out := make([]int16, n)
	for i := range out {
		t := float64(i) / float64(rate)
		k := (sweepTo - sweepFrom) / loopSweep.Seconds()
		window := math.Sin(math.Pi * (float64(i) + 0.5) / float64(n))
		out[i] = int16(math.Round(math.MaxInt16 * sweepLevel * window * math.Sin(2*math.Pi*(sweepFrom*t+k*t*t/2))))
	}
	return out
}

func samples(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }

// sweepStarts are where the sweeps begin in what is played.
func sweepStarts(rate int) []int {
	var at []int
	for i := range loopSweeps {
		at = append(at, samples(loopQuiet+time.Duration(i)*loopGap, rate))
	}
	return at
}

// loopSound is all that is played.
func loopSound(rate int) []int16 {
	out := make([]int16, samples(loopQuiet+loopSweeps*loopGap, rate))
	for _, at := range sweepStarts(rate) {
		copy(out[at:], sweep(rate))
	}
	return out
}

// loopResult is what came back of loopSound.
type loopResult struct {
	Noise  float64       // dBFS, before the first sweep
	Level  float64       // dBFS, of the sweeps as they were heard
	Delay  time.Duration // from what was given to the card to what came from it
	Spread time.Duration // between the shortest and the longest delay
	Heard  int           // sweeps, of loopSweeps
}

// measureLoop finds the sweeps in what was heard. heard[i] was captured just
// before the sample i of loopSound was given to the card.
func measureLoop(heard []int16, rate int) loopResult {
	quiet := samples(loopQuiet, rate)
	r := loopResult{Noise: dBFS(heard[min(quiet/2, len(heard)):min(quiet, len(heard))])}
	pattern := decimate(sweep(rate))
	var delays []time.Duration
	var power float64
	for _, at := range sweepStarts(rate) {
		end := min(at+samples(loopDelay+loopSweep, rate), len(heard))
		if at >= end {
			break
		}
		lag, likeness := bestLag(decimate(heard[at:end]), pattern)
		if likeness < minLikeness {
			continue
		}
		delays = append(delays, time.Duration(lag*decimation)*time.Second/time.Duration(rate))
		from := at + lag*decimation
		level := dBFS(heard[from:min(from+samples(loopSweep, rate), len(heard))])
		power += math.Pow(10, level/10)
	}
	if r.Heard = len(delays); r.Heard == 0 {
		return r
	}
	slices.Sort(delays)
	r.Delay, r.Spread = delays[len(delays)/2], delays[len(delays)-1]-delays[0]
	r.Level = 10 * math.Log10(power/float64(r.Heard))
	return r
}

// bestLag returns where the pattern is in x, and how alike it is there: the
// normalised cross-correlation, 0 to 1.
func bestLag(x, pattern []float64) (lag int, likeness float64) {
	var energy float64
	for _, v := range pattern {
		energy += v * v
	}
	upTo := make([]float64, len(x)+1) // energy of x before each sample
	for i, v := range x {
		upTo[i+1] = upTo[i] + v*v
	}
	for l := 0; l+len(pattern) <= len(x); l++ {
		own := upTo[l+len(pattern)] - upTo[l]
		if own <= 0 {
			continue
		}
		var sum float64
		for i, v := range x[l : l+len(pattern)] {
			sum += v * pattern[i]
		}
		if c := math.Abs(sum) / math.Sqrt(own*energy); c > likeness {
			lag, likeness = l, c
		}
	}
	return lag, likeness
}

// decimate takes the mean of each group of samples.
func decimate(pcm []int16) []float64 {
	out := make([]float64, len(pcm)/decimation)
	for i := range out {
		for _, v := range pcm[i*decimation : (i+1)*decimation] {
			out[i] += float64(v) / decimation
		}
	}
	return out
}

// silent is the level of nothing at all, instead of minus infinity.
const silent = -120.0

// dBFS is the level of some samples against a full-scale square wave.
func dBFS(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return silent
	}
	return max(silent, 10*math.Log10(sum/float64(len(pcm))/math.MaxInt16/math.MaxInt16))
}
