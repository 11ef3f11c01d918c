package call

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// raceStep is one thing that happens at some moment of a race for a call.
type raceStep struct {
	at   time.Duration
	what string
}

var raceSteps = []string{
	"adopt in the daemon", "adopt in an app", "adopt in another app", "the caller cancels",
	"the daemon dies", "the daemon stops", "another panel answers", "broker down", "broker up",
}

// TestAdoptionRace: whatever comes together with an adoption, one adopter at
// most gets the call, everybody hears one end, and nothing is left.
func TestAdoptionRace(t *testing.T) {
	won := map[int]int{}
	rapid.Check(t, func(rt *rapid.T) {
		var plan []raceStep
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			plan = append(plan, raceStep{
				// most of them within the few ms that a message takes
				at:   time.Duration(rapid.IntRange(0, 8).Draw(rt, "ms"))*time.Millisecond + time.Duration(rapid.IntRange(0, 1).Draw(rt, "s"))*time.Second,
				what: rapid.SampledFrom(raceSteps).Draw(rt, "what"),
			})
		}
		dir, err := os.MkdirTemp("", "intercom-race-")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		var faults []string
		in(t, func(t *testing.T, w *world) { faults = runRace(w, dir, plan, won) })
		if len(faults) > 0 {
			rt.Fatalf("%v\n%s", plan, strings.Join(faults, "\n"))
		}
	})
	if won[0] == 0 || won[1] == 0 {
		t.Errorf("adopters that got the call, by number: %v; the plans are too tame", won)
	}
}

func runRace(w *world, dir string, plan []raceStep, won map[int]int) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var p pipes
	quick := func(n *node) *node {
		n.keeps(dir, &p)
		n.kit.journal.sync = func(*os.File) error { return nil }
		return n
	}
	door := w.node("door", "d1")
	daemon := quick(w.node("home", "panel")).background()
	apps := []*node{quick(w.node("home", "panel")), quick(w.node("home", "panel"))}
	hall := w.node("home", "hall").rings()
	defer daemon.kit.Close() // also when it has died
	c := door.make("home")
	pass(1500 * time.Millisecond)

	died, stopped, got := false, false, 0
	adopt := func(n *node) {
		if in, err := n.adopt(c.ID()); err == nil {
			got++
			in.Ringing()
			in.Accept(AcceptOptions{})
		}
	}
	slices.SortStableFunc(plan, func(a, b raceStep) int { return int(a.at - b.at) })
	begin := time.Now()
	for _, s := range plan {
		time.Sleep(s.at - time.Since(begin))
		switch s.what {
		case "adopt in the daemon":
			if !died {
				adopt(daemon)
			}
		case "adopt in an app":
			adopt(apps[0])
		case "adopt in another app":
			adopt(apps[1])
		case "the caller cancels":
			c.End()
		case "the daemon dies":
			if !died && !stopped {
				died = true
				daemon.die(&p)
			}
		case "the daemon stops":
			if !died {
				stopped = true
				daemon.kit.Close()
			}
		case "another panel answers":
			hall.call().Accept(AcceptOptions{})
		case "broker down", "broker up":
			w.set(func(w *world) { w.brokerDown = s.what == "broker down" })
		}
	}
	w.set(func(w *world) { w.brokerDown = false })
	pass(20 * time.Second)
	if c.State() == StateConnected && got == 0 && c.Peer().Device == "panel" {
		fault("the caller talks with a panel that nobody adopted on")
	}
	if n := len(slices.DeleteFunc(legsOf(c), func(l leg) bool { return l.over || l.addr.Device != "panel" })); n > 1 {
		fault("the caller sees %d panels", n)
	}
	c.End()
	pass(90 * time.Second)
	living := append([]*node{}, apps...)
	if !died { // what the dead had adopted, another may adopt
		living = append(living, daemon)
	} else {
		got -= len(daemon.calls)
	}
	if got > 1 {
		fault("%d adopters have the call", got)
	}
	ends := 0
	for _, n := range living {
		for _, e := range n.heard() {
			if strings.HasPrefix(e, "disconnected ") {
				ends++
			}
		}
	}
	if ends != got {
		fault("%d adoptions and %d ends of them", got, ends)
	}
	if last := raceLast(daemon.heard()); !died && last != 1 {
		fault("the background call has %d last events: %v", last, daemon.heard())
	}
	if n := len(w.sessions); n != 0 && !died {
		fault("%d sessions are left", n)
	}
	won[got]++
	return faults
}

// raceLast counts what may come once, last, of a background call.
func raceLast(events []string) (n int) {
	for _, e := range events {
		if e == "adopted" || strings.HasPrefix(e, "background disconnected ") {
			n++
		}
	}
	return n
}
