package audio

import (
	"math"
	"time"
)

// rampTime is how long a change of gain takes: short enough to feel
// immediate, long enough not to click.
const rampTime = 5 * time.Millisecond

// volumeRange in dB is the distance from volume 1 to volume 100.
const volumeRange = 40

// VolumeGain is the linear gain of a volume: 0 is silence, 1 is about
// -40 dB, 100 is 0 dB, linear in decibels between. Beyond that it clamps.
func VolumeGain(volume int) float32 {
	if volume <= 0 {
		return 0
	}
	return float32(math.Pow(10, volumeRange/20.0*(float64(min(volume, 100))/100-1)))
}

// Gain is a gain that moves to its target in a ramp of 5 ms. The zero value
// is silence.
type Gain struct {
	now, target, step float32
}

// Set gives the linear gain to move to, from the next sample on.
func (g *Gain) Set(target float32) {
	if target == g.target {
		return
	}
	g.target = target
	g.step = (target - g.now) / float32(samplesIn(rampTime))
}

// Jump sets the gain at once.
func (g *Gain) Jump(target float32) { g.now, g.target, g.step = target, target, 0 }

// Settled tells that no ramp is under way.
func (g *Gain) Settled() bool { return g.now == g.target }

// Apply multiplies frame in place.
func (g *Gain) Apply(frame []int16) {
	i := 0
	for ; i < len(frame) && g.now != g.target; i++ {
		g.now += g.step
		if g.step > 0 && g.now > g.target || g.step < 0 && g.now < g.target || g.step == 0 {
			g.now = g.target
		}
		frame[i] = clip16(float32(frame[i]) * g.now)
	}
	switch rest := frame[i:]; g.now {
	case 1:
	case 0:
		clear(rest)
	default:
		for k, v := range rest {
			rest[k] = clip16(float32(v) * g.now)
		}
	}
}

// Mix adds src to dst, which are of equal length, and saturates.
func Mix(dst, src []int16) {
	for i, v := range src[:len(dst)] {
		dst[i] = int16(max(math.MinInt16, min(math.MaxInt16, int32(dst[i])+int32(v))))
	}
}

func clip16(v float32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, v)))
}
