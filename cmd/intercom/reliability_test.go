package main

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"intercom/board/sim"
	"intercom/call"
	"intercom/gpio"
	"intercom/internal/netlab"
)

// make test-reliability sets these.
var (
	reliabilityCalls = flag.Int("reliability-calls", 0, "calls of TestReliability; 0 skips it")
	reliabilitySites = flag.Int("reliability-sites", 4, "houses that call at the same time")
	reliabilitySeed  = flag.Uint64("reliability-seed", 1, "which faults come when")
)

// What the run holds the stations to.
const (
	ghostAfter = 6 * time.Second  // a ring may sound so long after its caller's end or death: lease 5 s, looked at each second
	toldAfter  = 2 * time.Second  // the visitor learns within it that nothing rings, or that a call failed
	graceTime  = 10 * time.Second // package call's: a talk whose path is lost may come back for so long
	// From the last fault's end to rest.
	restTime = ringTime + graceTime + 20*time.Second
	slack    = 300 * time.Millisecond // levels come each 100 ms, states are asked for each 20 ms
)

// faults are what happens to a call. Each breaks something and gives what
// mends it; nil: it mends itself.
var faults = []struct {
	name string
	do   func(*site, *rand.Rand) (mend func())
}{
	{"none", func(*site, *rand.Rand) func() { return nil }},
	{"broker killed", func(s *site, _ *rand.Rand) func() { s.broker.Kill(); return s.brokerUp }},
	{"door killed", func(s *site, _ *rand.Rand) func() { s.door.kill(); return nil }},
	{"indoor killed", func(s *site, _ *rand.Rand) func() { s.indoor.kill(); return nil }},
	{"door cut off", func(s *site, _ *rand.Rand) func() {
		s.door.link.Cut(true)
		return func() { s.door.link.Cut(false) }
	}},
	{"indoor cut off", func(s *site, _ *rand.Rand) func() {
		s.indoor.link.Cut(true)
		return func() { s.indoor.link.Cut(false) }
	}},
	{"indoor cable pulled", func(s *site, _ *rand.Rand) func() {
		s.indoor.link.Carrier(false)
		return func() { s.indoor.link.Carrier(true) }
	}},
	{"indoor network bad", func(s *site, r *rand.Rand) func() {
		s.indoor.link.Impair(netlab.Impairment{Loss: 0.4 * r.Float64(), Duplicate: 0.05, Delay: 10 * time.Millisecond, Jitter: 60 * time.Millisecond})
		return func() { s.indoor.link.Impair(netlab.Impairment{}) }
	}},
}

// tally is what a run counts.
type tally struct {
	mu                  sync.Mutex
	calls, talked       int
	ghosts, lost, stuck []string // a story for each
	odd                 []string // ended by what should never happen
	faults, ends        map[string]int
	longestRest         time.Duration
	slowestTold         time.Duration
}

// TestReliability makes many calls between real processes over mosquitto and
// WebRTC while the broker, a station or a network is killed, cut and healed at
// random moments.
func TestReliability(t *testing.T) {
	if *reliabilityCalls == 0 {
		t.Skip("takes long; run by: make test-reliability")
	}
	sum := &tally{faults: map[string]int{}, ends: map[string]int{}}
	t.Run("sites", func(t *testing.T) {
		for n := range *reliabilitySites {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				seed := *reliabilitySeed*1000 + uint64(n)
				s := newSite(t, seed)
				random := rand.New(rand.NewPCG(seed, 1))
				for i := n; i < *reliabilityCalls; i += *reliabilitySites {
					sum.add(s.episode(random, fmt.Sprintf("call %d", i)))
				}
				t.Logf("packets: %+v", s.lab.Counts())
			})
		}
	})
	sum.print(t)
	for _, f := range faults {
		if sum.faults[f.name] == 0 && *reliabilityCalls >= 100 {
			t.Errorf("fault %q never happened", f.name)
		}
	}
	if n := len(sum.ghosts) + len(sum.lost) + len(sum.stuck) + len(sum.odd); n > 0 {
		t.Errorf("%d calls went wrong", n)
	}
}

// episode is one call: a plan, made of chance, and what came of it.
type episode struct {
	*site
	name  string
	fault string

	answers  bool          // a person accepts
	cancels  bool          // the visitor presses again
	patience time.Duration // from the ring to what they do
	talk     time.Duration

	pressed time.Duration
	over    time.Duration // the caller's end or death
	died    bool          // it was a death
	rang    bool          // indoors
	talked  bool
	record  *call.Record // at the door
	faulted time.Duration
	log     []string
}

func (e *episode) note(format string, args ...any) {
	e.log = append(e.log, fmt.Sprintf("%6.2fs ", (gpio.Monotonic()-e.pressed).Seconds())+fmt.Sprintf(format, args...))
}

func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}

// episode makes one call on an idle site, and leaves it idle.
func (s *site) episode(r *rand.Rand, name string) *episode {
	fault := faults[r.IntN(len(faults))]
	e := &episode{site: s, name: name, fault: fault.name, answers: r.IntN(4) > 0, cancels: r.IntN(4) == 0,
		patience: between(r, 200*time.Millisecond, 4*time.Second), talk: between(r, 500*time.Millisecond, 4*time.Second)}
	before, after := between(r, -time.Second, 6*time.Second), between(r, 200*time.Millisecond, 9*time.Second)
	e.pressed = gpio.Monotonic()
	if left := s.rest(restTime); left != "" {
		e.note("not idle before the call: %s", left)
		return e
	}
	broken := make(chan struct{})
	go func() { // breaks and mends; done before the call is judged
		defer close(broken)
		time.Sleep(max(0, before+time.Second))
		e.faulted = gpio.Monotonic()
		if mend := fault.do(s, r); mend != nil {
			time.Sleep(after)
			mend()
		}
	}()
	time.Sleep(time.Second)
	at, ok := s.door.tap("bell-1")
	if !ok {
		<-broken
		return e // a dead door has no button
	}
	e.pressed = at
	e.people()
	<-broken
	return e
}

// people do what they do, until the door's call is over.
func (e *episode) people() {
	var rangAt, talkedAt time.Duration
	acted, last := false, ""
	for deadline := gpio.Monotonic() + restTime + 20*time.Second; gpio.Monotonic() < deadline; time.Sleep(20 * time.Millisecond) {
		door, doorStatus := e.door.state()
		indoor, _ := e.indoor.state()
		if now := door + " | " + indoor; now != last {
			last = now
			e.note("%s", now)
		}
		now := gpio.Monotonic()
		if indoor == "ringing" && !e.rang {
			e.rang, rangAt = true, now
		}
		if door == "talking" && indoor == "talking" && !e.talked {
			e.talked, talkedAt, acted = true, now, false
		}
		switch {
		case acted:
		case e.talked && now > talkedAt+e.talk:
			_, acted = e.indoor.tap("end")
			e.note("end pressed")
		case e.talked || !e.rang || now < rangAt+e.patience:
		case e.cancels && door == "ringback":
			_, acted = e.door.tap("bell-1")
			e.note("visitor gave up")
		case e.answers && indoor == "ringing":
			_, acted = e.indoor.tap("accept")
			e.note("accept pressed")
		}
		if at, died := e.door.diedIn(e.pressed, now); died {
			e.over, e.died = at, true
			e.note("door dead")
			return
		}
		if door != "dead" && doorStatus.Call == nil && now > e.pressed+slack {
			for _, rec := range doorStatus.Last {
				if end, ok := rec.At("disconnected"); ok && end > e.pressed {
					e.over, e.record = end, &rec
					e.note("door: %s by %s", rec.Disconnected.Reason, rec.Disconnected.Source)
					return
				}
			}
		}
	}
}

// rest waits until both stations are idle and connected; else says what is not.
func (s *site) rest(limit time.Duration) (left string) {
	for deadline := gpio.Monotonic() + limit; ; time.Sleep(50 * time.Millisecond) {
		left = ""
		for _, w := range []*watched{s.door, s.indoor} {
			state, st := w.state()
			switch {
			case state == "dead":
				left += w.m.name + " is dead; "
			case st.Call != nil || st.Waiting != nil:
				left += fmt.Sprintf("%s has a call, %s; ", w.m.name, state)
			case !st.Connected:
				left += w.m.name + " has no broker; "
			case state != "idle":
				left += w.m.name + " shows " + state + "; "
			}
		}
		if left == "" || gpio.Monotonic() > deadline {
			return left
		}
	}
}

// add judges a call that is over, once the time for ghosts has passed.
func (sum *tally) add(e *episode) {
	began := gpio.Monotonic()
	left := e.rest(restTime)
	rested := gpio.Monotonic() - began
	ghost, told, lost := "", time.Duration(0), ""
	if e.over > 0 {
		if wait := e.over + ghostAfter + time.Second - gpio.Monotonic(); wait > 0 {
			time.Sleep(wait)
		}
		ghost = e.ghost()
		told, lost = e.told()
	}
	sum.mu.Lock()
	defer sum.mu.Unlock()
	sum.calls++
	sum.faults[e.fault]++
	sum.longestRest, sum.slowestTold = max(sum.longestRest, rested), max(sum.slowestTold, told)
	if e.talked {
		sum.talked++
	}
	end := "the door was dead"
	if e.record != nil {
		end = fmt.Sprintf("%s (%s)", e.record.Disconnected.Reason, e.record.Disconnected.Source)
	}
	sum.ends[end]++
	story := func(what string) string {
		return fmt.Sprintf("%s, %s at %.2fs: %s\n    %s", e.name, e.fault, (e.faulted - e.pressed).Seconds(), what, strings.Join(e.log, "\n    "))
	}
	if ghost != "" {
		sum.ghosts = append(sum.ghosts, story(ghost))
	}
	if lost != "" {
		sum.lost = append(sum.lost, story(lost))
	}
	if e.record != nil && (e.record.Disconnected.Reason == call.ReasonInternalError || e.record.Disconnected.Reason == call.ReasonAuthError) {
		sum.odd = append(sum.odd, story(end)+e.door.last()+e.indoor.last())
	}
	if e.over == 0 && len(e.log) > 0 {
		left = "the door's call did not end; " + left
	}
	if left != "" {
		sum.stuck = append(sum.stuck, story(left))
		e.door.kill() // so that the next call has a chance
		e.indoor.kill()
	}
}

// ghost tells of a sound indoors long after the caller was gone.
func (e *episode) ghost() string {
	after := ghostAfter
	if e.talked { // until the grace time is over the end of the talk is not heard, then a tone tells it
		after += graceTime
	}
	for _, ev := range e.indoor.since(e.over + after) {
		if ev.Event == sim.EventLevel {
			return fmt.Sprintf("sound indoors %v after the caller was gone", ev.At-e.over)
		}
	}
	return ""
}

// told checks by the door's lamp alone that the visitor knew what was going on;
// slowest is how long the longest news took.
func (e *episode) told() (slowest time.Duration, lost string) {
	if e.died {
		return 0, "" // so is its lamp
	}
	events := slices.DeleteFunc(e.door.since(e.pressed-time.Second), func(ev sim.Event) bool { return ev.Event != sim.EventOutput })
	lit := func(from, to time.Duration) (time.Duration, bool) {
		for _, ev := range events {
			if ev.Active && ev.At >= from && ev.At <= to {
				return ev.At - from, true
			}
		}
		return 0, false
	}
	took, ok := lit(e.pressed, e.pressed+toldAfter)
	if slowest = took; !ok {
		return toldAfter, "the lamp did not answer the press"
	}
	if !e.rang {
		// Long blinks say that it rings somewhere; one may be a short one on a busy machine.
		long := 0
		for i, ev := range events[:max(0, len(events)-1)] {
			off := events[i+1].At
			if !ev.Active || ev.At < e.pressed || off > e.over {
				continue
			}
			if long++; off-ev.At < 400*time.Millisecond {
				long = 0
			}
			if long == 2 {
				return slowest, fmt.Sprintf("the lamp said that it rings, %v after the press, but nothing rang", ev.At-e.pressed)
			}
		}
	}
	if d := e.record.Disconnected; e.talked || d.Reason == call.ReasonCancel || d.Reason == call.ReasonNormal || e.diedAfter() {
		return slowest, ""
	}
	news := e.over
	if at, told := e.record.At("unreachable"); told && !e.acknowledged() { // its end tells nothing new
		news = at
		if at, on := lit(news+toldAfter, e.over); on {
			return toldAfter, fmt.Sprintf("nobody was reached, and the lamp still blinks %v later", at+toldAfter)
		}
	}
	took, ok = lit(news, news+toldAfter)
	if !ok {
		return toldAfter, fmt.Sprintf("the lamp did not tell that the call failed (%s)", e.record.Disconnected.Reason)
	}
	return max(slowest, took), ""
}

func (e *episode) acknowledged() bool {
	_, ok := e.record.At("acknowledged")
	return ok
}

// diedAfter reports whether the door died while it would have told.
func (e *episode) diedAfter() bool {
	_, died := e.door.diedIn(e.over, e.over+toldAfter)
	return died
}

func (sum *tally) print(t *testing.T) {
	sum.mu.Lock()
	defer sum.mu.Unlock()
	t.Logf("%d calls, %d talked; %d ghost rings, %d lost without a word, %d stuck; longest rest after a call %.1f s, slowest news %.2f s",
		sum.calls, sum.talked, len(sum.ghosts), len(sum.lost), len(sum.stuck), sum.longestRest.Seconds(), sum.slowestTold.Seconds())
	for _, m := range []map[string]int{sum.faults, sum.ends} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			t.Logf("%5d  %s", m[k], k)
		}
	}
	for what, list := range map[string][]string{"GHOST": sum.ghosts, "LOST": sum.lost, "STUCK": sum.stuck, "ODD": sum.odd} {
		for _, story := range list {
			t.Logf("%s %s", what, story)
		}
	}
}
