package main

import (
	"context"
	"time"

	"intercom/audio"
	"intercom/lab/exchange"
)

// openerFalls is how soon the opener is off when its program is killed.
const openerFalls = processor + lookEvery

// restsAfter is how soon a station is dark and idle when the other one died in a call: 5 s without a word, 10 s in which
// the path may come back, and what is shown afterwards.
const restsAfter = 20 * time.Second

// kill kills the door station while its opener is on; the cards are in the other order.
func kill(ctx context.Context, r *runner) error {
	b, err := r.houseBoot(ctx, exchange.Spec{Case: "kill", Cards: []string{"Indoor", "Door"}})
	if err != nil {
		return err
	}
	j, err := r.judged(ctx, b)
	if err != nil {
		return err
	}
	j.tone("cards in another order: ring indoors", "indoor", j.when("ring_sample")+50*time.Millisecond, 300*time.Millisecond, audio.Ring().Segments[0].Freqs[0])
	killed := j.when("killed")
	strikes := flashes(j.lines["door/STRIKE"], j.when("open"), killed+time.Minute)
	off := time.Duration(0)
	if len(strikes) == 1 {
		off = strikes[0].from + strikes[0].length
	}
	j.measure("opener", exchange.Milliseconds(off-killed, openerFalls), len(strikes) == 1 && off >= killed, "off %v after kill -9, at most %v", (off - killed).Round(time.Microsecond), openerFalls)
	rest := j.when("at_rest") - killed
	j.measure("the other station", exchange.Milliseconds(rest, restsAfter), rest > 0, "at rest %v later, at most %v", rest.Round(time.Millisecond), restsAfter)
	ring := j.when("again_ring") - j.when("again")
	j.measure("after the restart", exchange.Milliseconds(ring, pressToRing), ring > 0, "it rings %v after a press, at most %v", ring.Round(time.Microsecond), pressToRing)
	return j.err
}
