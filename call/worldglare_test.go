package call

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestGlareWorlds: two users call each other, at once or a little apart, over a
// network that loses, repeats, delays and reorders. Nobody ends anything; there
// is always exactly one call in the end, it connects the two, and nothing rings.
func TestGlareWorlds(t *testing.T) {
	worlds := 150
	if testing.Short() {
		worlds = 30
	}
	reordered, met := 0, 0
	for seed := range int64(worlds) {
		synctest.Test(t, func(t *testing.T) {
			m, rng := newSim(seed), rand.New(rand.NewSource(seed))
			if seed%4 != 0 {
				m.loss, m.repeat, m.delay = rng.Float64()/3, rng.Float64()/3, time.Duration(rng.Intn(500))*time.Millisecond
			}
			w := &simWorld{plan: plan{quiet: true}, sim: m, began: time.Now(), calls: map[string]*callLog{}, did: map[string]int{}, ends: map[string]int{}}
			w.plan.stations = make([]stationPlan, len(stationNames))
			door, home := newSimStation(w, 0), newSimStation(w, 1)
			w.stations = []*simStation{door, home}
			door.make(0x180)
			pass(time.Duration(rng.Intn(4)) * time.Duration(rng.Intn(300)) * time.Millisecond)
			home.make(0x182)
			if w.counted("make") == 1 { // it hears of the door's call already, so none can be made: it takes that one
				pass(3 * time.Second)
				home.sides[0].do("accept", 0)
			}
			pass(15 * time.Second)
			m.heal()
			pass(15 * time.Second)
			met += w.counted("glare tried")
			connected := slices.DeleteFunc(w.live(), func(x *side) bool { return !x.connected() })
			if len(connected) != 2 || connected[0].id != connected[1].id || connected[0].st == connected[1].st {
				w.fail("connected: %v", connected)
			}
			if n := len(w.live()); n != 2 {
				w.fail("%d sides are left: %v", n, w.live())
			}
			w.watch()
			w.finish()
			for _, s := range w.stations {
				s.shut((*Kit).Close)
			}
			w.after()
			reordered += m.faults["message reordered"]
			if len(w.faults) > 0 {
				t.Fatalf("seed %d: %v\n%s", seed, fmt.Sprint(w.faults), w.story())
			}
		})
	}
	if reordered == 0 || met == 0 {
		t.Errorf("%d messages reordered, %d calls met another", reordered, met)
	}
}
