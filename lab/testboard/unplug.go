package main

import (
	"context"
	"time"

	"intercom/lab/exchange"
)

// goneSilence is for how long nothing is heard of a door that has no card.
const goneSilence = 4 * time.Second

// troubledLimit is for the voice that is heard soon after its sender was stopped, and for what a station plays that was
// itself stopped and lost its card: the buffer has grown meanwhile, and shrinks by 10 ms a second at most. What was said
// while nobody could play or send must not come on top.
const troubledLimit = shiftedLimit + 20*time.Millisecond

// unplug stops the door station in a call, then takes its card away and gives it back.
func unplug(ctx context.Context, r *runner) error {
	b, err := r.houseBoot(ctx, exchange.Spec{Case: "unplug"})
	if err != nil {
		return err
	}
	j, err := r.judged(ctx, b)
	if err != nil {
		return err
	}
	j.voice("before", "door", "indoor", 700)
	j.voiceWithin(troubledLimit, "stopped", "door", "indoor", 700)
	j.silence("while the door has no card", "indoor", j.when("unheard_said"), goneSilence)
	j.voiceWithin(shiftedLimit, "back", "door", "indoor", 700)
	j.voiceWithin(troubledLimit, "answer", "indoor", "door", 1100)
	return j.err
}
