package station

import (
	"strings"
	"sync"
	"testing"
	"time"

	"intercom/call"
	"intercom/config"
)

// both is a door with one button for two users.
func both(after time.Duration) func(*config.Config) {
	return func(c *config.Config) {
		c.Call.UnreachableLimit = limit // a machine under load is slow to ring
		c.Buttons = []config.Button{{Name: "bell-1", Action: config.ActionCall, Callees: []string{"flat-1", "flat-2"}, FallThroughAfter: after}}
	}
}

// TestRingGroup: one button, two users; the first answer counts, and the
// other's panel says why it fell silent.
func TestRingGroup(t *testing.T) {
	h := newHouse(t)
	door, one, two := h.door(both(0)), h.indoor("hall-1", "flat-1"), h.indoor("hall-2", "flat-2")
	if err := door.world.MicTone(440); err != nil {
		t.Fatal(err)
	}
	if err := two.world.MicTone(750); err != nil {
		t.Fatal(err)
	}
	edge := door.tap("bell-1")
	one.waitState(ringing)
	two.waitState(ringing)
	door.waitState(ringback)
	two.tap("accept")
	one.waitState(elsewhere)
	door.waitState(talking)
	two.hears(440)
	door.hears(750)
	if st := one.waitState(idle); st.Missed != 0 {
		t.Errorf("%d missed calls, but it was answered", st.Missed)
	}
	if got := one.last(1).Disconnected; got.Reason != call.ReasonCancel || got.AnsweredBy != "flat-2/hall-2" {
		t.Errorf("the other's end %+v", got)
	}
	two.tap("end")
	door.waitState(ended)
	door.last(2)
	for _, r := range door.waitState(idle).Last {
		if at, ok := r.At("edge"); !ok || at != edge {
			t.Errorf("record of %s: edge at %v, the press was at %v", r.Peer.User, at, edge)
		}
	}
	if err := one.world.MicTone(750); err != nil {
		t.Fatal(err)
	}
	// The next one can be answered by the other.
	door.tap("bell-1")
	one.waitState(ringing)
	one.tap("accept")
	door.waitState(talking)
	door.hears(750)
}

// TestFallThrough: the second is rung when the first declines, and the lamp at
// the door does not say that it rings in between.
func TestFallThrough(t *testing.T) {
	h := newHouse(t)
	door, one := h.door(both(10*time.Minute)), h.indoor("hall-1", "flat-1")
	door.tap("bell-1")
	one.waitState(ringing)
	door.waitState(ringback)
	one.tap("end")
	door.waitState(trying) // flat-2 has no station yet
	two := h.indoor("hall-2", "flat-2")
	two.waitState(ringing)
	door.waitState(ringback)
	two.tap("accept")
	door.waitState(talking)
	door.tap("bell-1") // the same button: feedback
	if st := door.waitState(talking); st.Call.Peer.User != "flat-2" {
		t.Errorf("talks with %v", st.Call.Peer)
	}
}

// TestWaitingTone: a second call is heard in the first, softly beside the
// voice, and can be declined without ending it.
func TestWaitingTone(t *testing.T) {
	h := newHouse(t)
	front, back := h.door(), h.start(h.config(config.Door, "back", "garden", doorText))
	flat := h.indoor("hall", "flat-1", func(c *config.Config) {
		c.Buttons = append(c.Buttons[:len(c.Buttons)-1], config.Button{Name: "call-door", Action: config.ActionDecline})
	})
	front.tap("bell-1")
	flat.waitState(ringing)
	flat.tap("accept")
	first := flat.waitState(talking).Call.ID
	back.tap("bell-1")
	back.waitState(ringback)
	flat.hears(425)
	if err := front.world.MicTone(750); err != nil {
		t.Fatal(err)
	}
	flat.hears(750) // the voice is more than half of what is heard, beep or not
	flat.tap("call-door")
	back.waitState(busy)
	if st := flat.waitState(talking); st.Call.ID != first || st.Waiting != nil {
		t.Errorf("after declining the second: %+v, %+v", st.Call, st.Waiting)
	}
	flat.hears(750)
}

// TestHeld: the visitor who is held is told, and whoever holds gets back.
func TestHeld(t *testing.T) {
	h := newHouse(t)
	front, back := h.door(), h.start(h.config(config.Door, "back", "garden", doorText))
	flat := h.indoor("hall", "flat-1")
	front.tap("bell-1")
	flat.waitState(ringing)
	flat.tap("accept")
	front.waitState(talking)
	back.tap("bell-1")
	back.waitState(ringback)
	flat.tap("accept")
	back.waitState(talking)
	front.hears(440)
	if st := front.waitState(talking); st.Call.State != call.StateConnected || !st.Held {
		t.Errorf("the held door: held %v, %+v", st.Held, st.Call)
	}
	back.tap("bell-1")
	flat.tap("end")
	front.wait("to be talked to again", func(st Status) bool { return !st.Held })
}

// TestAcceptEnds: by configuration, accepting the second call ends the first.
func TestAcceptEnds(t *testing.T) {
	h := newHouse(t)
	front, back := h.door(), h.start(h.config(config.Door, "back", "garden", doorText))
	flat := h.indoor("hall", "flat-1", func(c *config.Config) { c.Call.AcceptWaiting = "end" })
	front.tap("bell-1")
	flat.waitState(ringing)
	flat.tap("accept")
	first := flat.waitState(talking).Call.ID
	back.tap("bell-1")
	back.waitState(ringback)
	flat.tap("accept")
	front.waitState(ended)
	flat.wait("to talk to the second door only", func(st Status) bool {
		return st.State == talking.String() && st.Call.ID != first && st.Waiting == nil
	})
}

// TestGlare: the door rings the flat while the flat calls the door. One call
// comes of it, by itself.
func TestGlare(t *testing.T) {
	h := newHouse(t)
	patient := func(c *config.Config) { c.Call.UnreachableLimit = limit }
	door, flat := h.door(patient), h.indoor("hall", "flat-1", patient)
	if err := door.world.MicTone(440); err != nil {
		t.Fatal(err)
	}
	if err := flat.world.MicTone(750); err != nil {
		t.Fatal(err)
	}
	h.brokerDown() // until both have called
	door.wait("to miss the broker", func(st Status) bool { return !st.Connected })
	flat.wait("to miss the broker", func(st Status) bool { return !st.Connected })
	door.tap("bell-1")
	flat.tap("call-door")
	door.waitState(trying)
	flat.waitState(trying)
	h.brokerUp()
	id := door.waitState(talking).Call.ID
	if st := flat.waitState(talking); st.Call.ID != id || st.Waiting != nil {
		t.Errorf("talks in %s, the door in %s; waiting %v", st.Call.ID, id, st.Waiting)
	}
	door.hears(750)
	flat.hears(440)
	flat.tap("end")
	door.waitState(ended)
	flat.waitState(idle)
	// The one that gave way has two records, the other one.
	records := append(door.waitState(idle).Last, flat.waitState(idle).Last...)
	gaveWay := 0
	for _, r := range records {
		if r.Disconnected.Reason == call.ReasonAlreadyGotACall {
			gaveWay++
		}
	}
	if gaveWay != 1 {
		t.Errorf("%d calls gave way, want one: %v", gaveWay, records)
	}
}

// TestDoNotDisturb: it does not ring, says so to nobody, and shows it later.
func TestDoNotDisturb(t *testing.T) {
	h := newHouse(t)
	door := h.door(func(c *config.Config) { c.Call.UnreachableLimit = 5 * time.Second })
	flat := h.indoor("hall", "flat-1", func(c *config.Config) {
		c.Quiet.DoNotDisturb = true
		c.Buttons[len(c.Buttons)-1] = config.Button{Name: "call-door", Action: config.ActionQuiet}
	})
	edge := door.tap("bell-1")
	flat.waitState(silent)
	if st := door.waitState(trying); st.Call.State != call.StateWaitAnswer {
		t.Errorf("the door's call is %v", st.Call.State)
	}
	door.waitState(unreachable)
	if got := door.last(1).Disconnected.Reason; got != call.ReasonPushError {
		t.Errorf("the door's reason %v", got)
	}
	st := flat.wait("to have missed a call", func(st Status) bool { return st.Missed == 1 && st.State == idle.String() })
	if !st.Quiet {
		t.Error("the status does not say that nobody is to be disturbed")
	}
	if _, ok, err := flat.world.SpeakerMark(edge, 0); ok || err != nil {
		t.Errorf("it was heard: %v, %v", ok, err)
	}
	until(t, "the lamp for the missed call", func() bool { return flat.lit("call-lamp", edge) })

	// Switched off while a call stands, it rings.
	door.waitState(idle)
	door.tap("bell-1")
	flat.waitState(silent)
	flat.tap("end")    // nobody knows of it, so this does not decline it
	flat.tap("accept") // nor opens the microphone
	flat.waitState(silent)
	flat.tap("call-door")
	flat.waitState(ringing)
	door.waitState(ringback)
	// Switched on again, that one goes on: the door was told that it rings.
	flat.tap("call-door")
	flat.tap("accept")
	door.waitState(talking)
}

// TestQuietGroup: the other user's panel rings; the lamp at the door says so.
func TestQuietGroup(t *testing.T) {
	h := newHouse(t)
	now := time.Now()
	door, one, two := h.door(both(0)), h.indoor("hall-1", "flat-1", func(c *config.Config) {
		c.Quiet.Hours = []string{now.Add(-time.Hour).Format("15:04") + "-" + now.Add(time.Hour).Format("15:04")}
	}), h.indoor("hall-2", "flat-2")
	one.wait("to keep quiet hours", func(st Status) bool { return st.Quiet })
	door.tap("bell-1")
	one.waitState(silent)
	two.waitState(ringing)
	door.waitState(ringback)
	two.tap("accept")
	door.waitState(talking)
	one.wait("to have missed nothing", func(st Status) bool { return st.Call == nil && st.Missed == 0 })
}

// TestQuietHours goes through a day, and a night without a clock.
func TestQuietHours(t *testing.T) {
	at := func(day int, clock string) time.Time {
		v, err := time.Parse("15:04", clock)
		if err != nil {
			t.Fatal(err)
		}
		return v.AddDate(2026, 0, day)
	}
	floor := at(0, "00:00")
	boot := time.Unix(60, 0) // 1970
	night := config.Quiet{Hours: []string{"22:00-07:00"}}
	press := time.Time{} // of the button do-not-disturb
	type look struct {
		now  time.Time
		want bool
	}
	tests := []struct {
		name string
		cfg  config.Quiet
		day  []look
	}{
		{"no hours", config.Quiet{}, []look{{at(1, "12:00"), false}, {press, true}, {at(1, "23:00"), true}, {press, false}}},
		{"always", config.Quiet{DoNotDisturb: true}, []look{{at(1, "12:00"), true}, {press, false}, {at(2, "12:00"), false}}},
		{"nights", night, []look{{at(1, "21:59"), false}, {at(1, "22:00"), true}, {at(2, "06:59"), true}, {at(2, "07:00"), false}}},
		{"a button ends the night", night, []look{{at(1, "22:00"), true}, {press, false}, {at(2, "03:00"), false}, {at(2, "08:00"), false}, {at(2, "22:00"), true}}},
		{"a button begins it", night, []look{{at(1, "20:00"), false}, {press, true}, {at(1, "22:00"), true}, {at(2, "07:00"), false}}},
		{"a clock of 1970", night, []look{{boot, false}, {boot.Add(23 * time.Hour), false}, {at(1, "23:00"), true}}},
		{"the clock is lost", night, []look{{at(1, "23:00"), true}, {boot, false}}},
		{"a clock a little behind the floor", night, []look{{floor.Add(-time.Hour), true}}},
		{"nights, else by the button only", config.Quiet{DoNotDisturb: true, Hours: night.Hours},
			[]look{{at(1, "20:00"), true}, {press, false}, {at(1, "22:00"), true}, {at(2, "07:00"), true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newQuiet(tt.cfg)
			for i, l := range tt.day {
				if l.now.IsZero() {
					q.on = !q.on
				} else {
					q.at(l.now, floor)
				}
				if q.on != l.want {
					t.Errorf("step %d, %v: do not disturb is %v", i, l.now, q.on)
				}
				if q.unknown != (len(tt.cfg.Hours) > 0 && l.now.Year() == 1970) {
					t.Errorf("step %d, %v: the clock is said to be unknown: %v", i, l.now, q.unknown)
				}
			}
		})
	}
}

// TestOpenTooLate: a door that is too busy to open in time does not open
// later, when the resident was told that it did not.
func TestOpenTooLate(t *testing.T) {
	h := newHouse(t)
	busy, told := make(chan struct{}), make(chan string, 8)
	h.onLog = func(station, line string) {
		switch {
		case station == "front" && strings.Contains(line, "msg=broker") && strings.Contains(line, "connected=false"):
			<-busy // logged by the door's own goroutine
		case strings.Contains(line, `"the door did not open"`):
			told <- line
		}
	}
	door, flat := h.door(), h.indoor("hall", "flat-1")
	free := sync.OnceFunc(func() { close(busy) })
	t.Cleanup(free) // before the stations are stopped
	door.tap("bell-1")
	flat.waitState(ringing)
	flat.tap("accept")
	flat.waitState(talking)
	door.waitState(talking)
	h.brokerDown() // the call goes on without it
	flat.wait("to miss the broker", func(st Status) bool { return !st.Connected })
	flat.tap("open")
	select {
	case line := <-told:
		if !strings.Contains(line, "the door did not answer in time") {
			t.Errorf("told %s", line)
		}
	case <-time.After(limit):
		t.Fatal("not told that it did not open")
	}
	free()
	door.wait("to be free", func(st Status) bool { return !st.Connected })
	history, err := door.world.History()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range history {
		if c.Name == "strike" && c.Active {
			t.Error("the door opened")
		}
	}
}
