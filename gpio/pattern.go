package gpio

import (
	"fmt"
	"time"
)

// Pattern is what a lamp shows over time.
type Pattern uint8

// The patterns of a station's lamps. They differ enough to be told apart from
// across a street.
const (
	Off         Pattern = iota
	On                  // for ever
	Dim                 // a wink every 2 s: at rest and alive, on a lamp that has no brightness
	FastBlink           // 5 Hz: trying
	SlowBlink           // 1 Hz: ringing
	TripleBlink         // three blinks, then off: it came to nothing
	Fault               // two short blinks, pause
	LongBlink           // one long blink, then off: another panel has it
	Wink                // a short blink every 4 s: a call was missed
)

// forever is the length of a step that only another Show ends.
const forever time.Duration = -1

type step struct {
	on bool
	d  time.Duration
}

// patterns are the steps of each Pattern; after the last comes step number
// again.
var patterns = [...]struct {
	name  string
	steps []step
	again int
}{
	Off:       {name: "off", steps: []step{{false, forever}}},
	On:        {name: "on", steps: []step{{true, forever}}},
	Dim:       {name: "dim", steps: []step{{true, 30 * time.Millisecond}, {false, 1970 * time.Millisecond}}},
	FastBlink: {name: "fast blink", steps: []step{{true, 100 * time.Millisecond}, {false, 100 * time.Millisecond}}},
	SlowBlink: {name: "slow blink", steps: []step{{true, 500 * time.Millisecond}, {false, 500 * time.Millisecond}}},
	TripleBlink: {name: "triple blink", steps: []step{
		{true, 200 * time.Millisecond}, {false, 200 * time.Millisecond},
		{true, 200 * time.Millisecond}, {false, 200 * time.Millisecond},
		{true, 200 * time.Millisecond}, {false, forever},
	}},
	Fault: {name: "fault", steps: []step{
		{true, 80 * time.Millisecond}, {false, 120 * time.Millisecond},
		{true, 80 * time.Millisecond}, {false, 1720 * time.Millisecond},
	}},
	LongBlink: {name: "long blink", steps: []step{{true, 1500 * time.Millisecond}, {false, forever}}},
	Wink:      {name: "wink", steps: []step{{true, 200 * time.Millisecond}, {false, 3800 * time.Millisecond}}},
}

func (p Pattern) String() string {
	if int(p) < len(patterns) {
		return patterns[p].name
	}
	return fmt.Sprintf("pattern %d", uint8(p))
}
