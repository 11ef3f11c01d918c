package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// through sends loopSound through a path with a gain and a delay, and adds
// noise of a peak.
func through(gain float64, delay time.Duration, noise float64, rate int) []int16 {
	rng := rand.New(rand.NewPCG(1, 2))
	sent := loopSound(rate)
	heard := make([]int16, len(sent))
	shift := samples(delay, rate)
	for i := range heard {
		v := noise * (2*rng.Float64() - 1)
		if i >= shift {
			v += gain * float64(sent[i-shift])
		}
		heard[i] = int16(v)
	}
	return heard
}

func TestMeasureLoop(t *testing.T) {
	tests := []struct {
		name        string
		gain, noise float64
		delay       time.Duration
		rate        int
		heard       int
	}{
		{"a cable", 1, 0, 20 * time.Millisecond, 48000, 3},
		{"a room", 0.1, 30, 63 * time.Millisecond, 48000, 3},
		{"upside down", -0.5, 3, 40 * time.Millisecond, 44100, 3},
		{"under noise", 0.05, 600, 100 * time.Millisecond, 48000, 3},
		{"a muted speaker", 0, 30, 0, 48000, 0},
		{"no microphone", 0, 0, 0, 48000, 0},
		{"too late", 1, 3, 600 * time.Millisecond, 48000, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := measureLoop(through(test.gain, test.delay, test.noise, test.rate), test.rate)
			if r.Heard != test.heard {
				t.Fatalf("%+v, want %d sweeps", r, test.heard)
			}
			if test.noise == 0 && r.Noise != silent {
				t.Errorf("noise is %.1f dBFS of nothing", r.Noise)
			}
			if test.heard == 0 {
				return
			}
			if (r.Delay-test.delay).Abs() > time.Millisecond || r.Spread > time.Millisecond {
				t.Errorf("delay is %v, spread %v; want %v", r.Delay, r.Spread, test.delay)
			}
		})
	}
	r := measureLoop(through(1, 20*time.Millisecond, 0, 48000), 48000)
	// A sine of a quarter of full scale under half a sine: -12 - 3 - 3 dB.
	if r.Level < -19 || r.Level > -17 {
		t.Errorf("level is %.1f dBFS through a cable, want -18", r.Level)
	}
	for _, n := range []int{0, 1, 1000, 48000, 50000} { // what a card that vanishes leaves
		measureLoop(make([]int16, n), 48000)
	}
}
