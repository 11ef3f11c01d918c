package station

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"intercom/config"
)

var (
	mashSeed = flag.Uint64("mash-seed", 1, "which buttons TestMash presses")
	mashTaps = flag.Int("mash-taps", 40, "how many")
)

// Whatever is pressed, when and how often, at four stations at once: each that talks has somebody who talks with it, all
// come to rest, and the next call is like any other.
func TestMash(t *testing.T) {
	h := newHouse(t)
	somebodyThere := func(c *config.Config) { c.Buttons[1].Callee = "flat-1" }
	stations := []*running{h.door(somebodyThere), h.start(h.config(config.Door, "back", "yard", doorText), somebodyThere), h.indoor("kitchen", "flat-1"), h.indoor("hall", "flat-1")}
	door, kitchen := stations[0], stations[2]
	calm := kitchen.waitConnected().Goroutines

	random := rand.New(rand.NewPCG(*mashSeed, 0))
	for range *mashTaps {
		r := stations[random.IntN(len(stations))]
		buttons := r.cfg.Buttons
		button := buttons[random.IntN(len(buttons))].Name
		if r.cfg.Station.Kind == config.Indoor && random.IntN(2) == 0 {
			button = "accept" // or hardly a call would be connected
		}
		if random.IntN(2) == 0 {
			r.tap(button)
		} else if _, err := r.world.Tap(button, time.Duration(1+random.IntN(100))*time.Millisecond); err != nil { // and the next at once
			t.Fatal(err)
		}
	}

	all := func() (of []Status) {
		for _, r := range stations {
			st, err := ReadStatus(r.cfg.Status.Socket)
			if err != nil {
				t.Fatal(err)
			}
			of = append(of, st)
		}
		return of
	}
	until(t, "everyone who talks to talk with somebody", func() bool {
		talks := make(map[string]int)
		for _, st := range all() {
			for _, c := range []*CallStatus{st.Call, st.Waiting} {
				if c != nil && c.Phase == talking.String() {
					talks[c.ID]++
				}
			}
		}
		for _, n := range talks {
			if n != 2 {
				return false
			}
		}
		return true
	})
	until(t, "all to be idle", func() bool {
		for _, r := range stations[2:] {
			r.tap("end")
		}
		return !slices.ContainsFunc(all(), func(st Status) bool { return st.State != idle.String() })
	})

	door.tap("bell-1")
	kitchen.waitState(ringing)
	door.waitState(ringback)
	kitchen.tap("accept")
	door.waitState(talking)
	kitchen.tap("end")
	kitchen.waitState(idle)
	kitchen.wait("to have no goroutine of a call left", func(st Status) bool { return st.Goroutines <= calm })
}
