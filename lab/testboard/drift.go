package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"intercom/audio/audiotest"
	"intercom/lab/exchange"
)

// driftSpread is how much the delay may change while one clock runs 200 ppm off: the two periods that the loudspeaker's
// buffer holds, which the drift empties before a period of silence fills it again, a tick of the loopback card's, and what
// the jitter buffer has grown by for a packet that was late.
const driftSpread = 2*period + tick + processor

// The loudspeaker's clock takes a period more than the microphone's gives, each time that the drift has added up to one.
// Nothing follows that yet: the buffer runs dry so often, and no more.
const (
	driftPPM = 200
	period   = 10 * time.Millisecond // of a station's card
)

// drift talks for 120 s while the indoor loudspeaker's clock is 200 ppm fast.
func drift(ctx context.Context, r *runner) error {
	b, err := r.houseBoot(ctx, exchange.Spec{Case: "drift", Deadline: 5 * time.Minute})
	if err != nil {
		return err
	}
	b.limit = time.Hour
	j, err := r.judged(ctx, b)
	if err != nil {
		return err
	}
	least, most := time.Duration(math.MaxInt64), time.Duration(0)
	found, toned, n := 0, 0, 0
	for ; ; n++ {
		said, err := j.at(fmt.Sprintf("said_%d", n))
		if err != nil {
			break
		}
		offset, _, ok := audiotest.FindMark(j.speakers["indoor"].from(said, time.Second), audiotest.Mark())
		if ok {
			found++
			late := time.Duration(offset / 48000 * float64(time.Second))
			least, most = min(least, late), max(most, late)
		}
		tone := j.speakers["indoor"].from(said+500*time.Millisecond, 2*time.Second)
		if audiotest.Goertzel(tone, 700) > heardLevel {
			toned++
		}
	}
	j.check("voice", n >= 24 && found == n && toned == n, "%d spoken, %d found by correlation, %d by tone", n, found, toned)
	lasted := time.Duration(n) * exchange.DriftEvery
	j.measure("delay", exchange.Milliseconds(most, shiftedLimit), found > 0 && most-least <= driftSpread, "%v to %v over %v, at most %v and %v apart",
		least.Round(10*time.Microsecond), most.Round(10*time.Microsecond), lasted, shiftedLimit, driftSpread)
	slipped := lasted / 1e6 * driftPPM
	j.xruns(math.Ceil(float64(slipped) / float64(period)))
	return j.err
}
