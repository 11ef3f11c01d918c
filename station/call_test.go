package station

import (
	"slices"
	"testing"
	"time"

	"intercom/call"
	"intercom/config"
	"intercom/gpio"
)

// TestCall is the main job, from the press to the end.
func TestCall(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	if err := door.world.MicTone(440); err != nil {
		t.Fatal(err)
	}
	if err := flat.world.MicTone(750); err != nil {
		t.Fatal(err)
	}

	edge := door.tap("bell-1")
	flat.waitState(ringing)
	door.waitState(ringback)
	until(t, "the ring in the flat", func() bool {
		_, ok, err := flat.world.SpeakerMark(edge, 0)
		return err == nil && ok
	})
	if !flat.lit("call-lamp", edge) {
		t.Error("the call lamp in the flat is off while it rings")
	}

	acceptEdge := flat.tap("accept")
	door.waitState(talking)
	flat.waitState(talking)
	flat.hears(440)
	door.hears(750)

	opened := flat.tap("open")
	until(t, "the opener", func() bool { return door.lit("strike", opened) })
	until(t, "the open lamp at the door", func() bool { return door.lit("open-lamp", opened) })
	until(t, "the open lamp in the flat", func() bool { return flat.lit("open-lamp", opened) })

	flat.tap("end")
	flat.waitState(idle)
	rd, rf := door.last(1), flat.last(1)
	if rd.CallID != rf.CallID {
		t.Errorf("records of two calls: %s and %s", rd.CallID, rf.CallID)
	}
	if got := rd.Disconnected; got.Reason != call.ReasonNormal || got.Source != call.SourceCallee || !got.ByRemote {
		t.Errorf("the door's end: got %+v", got)
	}

	// All stages are on one clock: they come in this order.
	at := func(r call.Record, name string) time.Duration {
		v, ok := r.At(name)
		if !ok {
			t.Errorf("no stage %s in %v", name, r.Stages)
		}
		return v
	}
	if got := at(rd, "edge"); got != edge {
		t.Errorf("stage edge at %v, the press was at %v", got, edge)
	}
	if got := at(rf, "accept_edge"); got != acceptEdge {
		t.Errorf("stage accept_edge at %v, the press was at %v", got, acceptEdge)
	}
	order := []time.Duration{
		edge, at(rf, "verified"), at(rf, "ring_sample"), at(rd, "acknowledged"),
		acceptEdge, at(rd, "connected"), at(rf, "first_voice"), at(rd, "disconnected"),
	}
	if !slices.IsSorted(order) {
		t.Errorf("edge, verified, ring_sample, acknowledged, accept_edge, connected, first_voice, disconnected: %v", order)
	}
	first := at(rd, "first_voice")
	if first < acceptEdge {
		t.Errorf("the door heard a voice %v before the call was accepted", acceptEdge-first)
	}
	at(rd, "relay_on")
	at(rf, "open_edge")
	t.Logf("edge to ring %v, accept to first voice: door %v, flat %v",
		at(rf, "ring_sample")-edge, first-acceptEdge, at(rf, "first_voice")-acceptEdge)
}

func TestDecline(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	door.tap("bell-1")
	flat.waitState(ringing)
	flat.tap("end")
	door.waitState(busy)
	flat.waitState(idle)
	if got := door.last(1).Disconnected.Reason; got != call.ReasonDecline {
		t.Errorf("reason %v", got)
	}
}

func TestNoAnswer(t *testing.T) {
	h := newHouse(t)
	door := h.door(func(c *config.Config) { c.Call.RingTime = 2 * time.Second })
	flat := h.indoor("hall", "flat-1")
	door.tap("bell-1")
	door.waitState(noAnswer)
	if st := flat.waitState(idle); st.Missed != 1 {
		t.Errorf("%d missed calls, want 1", st.Missed)
	}
	missed := gpio.Monotonic()
	until(t, "the lamp for the missed call", func() bool { return flat.lit("call-lamp", missed) })
	flat.tap("mute")
	flat.wait("to be told that it was noticed", func(st Status) bool { return st.Missed == 0 })
	if got := flat.last(1).Disconnected.Reason; got != call.ReasonNoAnswer {
		t.Errorf("the flat's reason %v", got)
	}
}

// TestNoBroker: a door that can reach nobody says so, and its own bell rings.
func TestNoBroker(t *testing.T) {
	h := newHouse(t)
	h.brokerDown()
	door := h.door(func(c *config.Config) {
		c.Call.UnreachableAfter, c.Call.UnreachableLimit = 500*time.Millisecond, time.Second
	})
	if st := door.waitState(idle); st.Connected || st.Fault == "" {
		t.Errorf("connected %v, fault %q", st.Connected, st.Fault)
	}
	edge := door.tap("bell-1")
	door.waitState(unreachable)
	chime, ok, err := door.world.SpeakerMark(edge, 0)
	if err != nil || !ok {
		t.Errorf("nothing was heard at the door: %v", err)
	}
	r := door.last(1)
	if over, _ := r.At("disconnected"); chime.Entered > over {
		t.Errorf("the chime came %v after the press, when the call was given up", chime.Entered-edge)
	}
	if _, told := r.At("unreachable"); !told {
		t.Errorf("not told within unreachable_after: %v", r.Stages)
	}
	if got := r.Disconnected.Reason; got != call.ReasonUnavailableNetwork {
		t.Errorf("reason %v", got)
	}
	// It went on trying: with the broker the next press rings.
	h.brokerUp()
	flat := h.indoor("hall", "flat-1")
	if st := door.waitConnected(); st.Fault != "" {
		t.Errorf("fault %q", st.Fault)
	}
	door.tap("bell-1")
	flat.waitState(ringing)
}

// TestUnreachedStillRings: the visitor is told in time that nobody is reached, and the same call rings when that changes.
func TestUnreachedStillRings(t *testing.T) {
	h := newHouse(t)
	h.brokerDown()
	door := h.door(func(c *config.Config) {
		c.Call.UnreachableAfter, c.Call.UnreachableLimit = 500*time.Millisecond, time.Minute
	})
	door.waitState(idle)
	door.tap("bell-1")
	first := door.waitState(unreachable).Call
	if first == nil {
		t.Fatal("the call was given up at once")
	}
	door.tap("bell-1") // who was told that it came to nothing, and presses again, means it
	again := door.wait("to call anew, and to be told again", func(st Status) bool {
		return st.State == unreachable.String() && st.Call != nil && st.Call.ID != first.ID
	}).Call
	h.brokerUp()
	flat := h.indoor("hall", "flat-1")
	flat.waitState(ringing)
	if got := door.waitState(ringback).Call.ID; got != again.ID {
		t.Errorf("call %s rings, want %s", got, again.ID)
	}
}

// What a caller is shown of all whom it calls.
func TestTellCaller(t *testing.T) {
	one, two := new(call.Call), new(call.Call)
	tests := []struct {
		name      string
		offline   bool
		rings     []*call.Call
		unreached []*call.Call
		gone      int
		was, want phase
	}{
		{"nothing heard yet", false, nil, nil, 0, trying, trying},
		{"one of two unreached", false, nil, []*call.Call{one}, 0, trying, trying},
		{"the same without a broker", true, nil, []*call.Call{one}, 0, trying, unreachable},
		{"both unreached", false, nil, []*call.Call{one, two}, 0, trying, unreachable},
		{"one unreached, one over", false, nil, []*call.Call{one}, 1, ringback, unreachable},
		{"all over", false, nil, nil, 2, ringback, trying},
		{"one rings after all", false, []*call.Call{one}, []*call.Call{two}, 0, unreachable, ringback},
		{"who talks is told nothing", false, nil, []*call.Call{one, two}, 0, talking, talking},
	}
	for _, tt := range tests {
		tk, err := newTalk(call.RoleCaller, []string{"flat-1", "flat-2"}, tt.was)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tt.rings {
			tk.acknowledged[c] = true
		}
		for _, c := range tt.unreached {
			tk.unreached[c] = true
		}
		tk.gone = tt.gone
		if (&station{connected: !tt.offline}).tellCaller(tk); tk.phase != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, tk.phase, tt.want)
		}
	}
}

func TestMute(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	if err := flat.world.MicTone(750); err != nil {
		t.Fatal(err)
	}
	door.tap("bell-1")
	flat.waitState(ringing)
	flat.tap("accept")
	flat.waitState(talking)
	door.hears(750)
	muted := flat.tap("mute")
	flat.wait("to be muted", func(st Status) bool { return st.Muted })
	until(t, "the mute lamp", func() bool { return flat.lit("mute-lamp", muted) })
	until(t, "silence at the door", func() bool { return door.toneShare(750) == 0 })
	flat.tap("mute")
	door.hears(750)
}

// TestOtherButton: the same button again is only heard, another one rings anew.
func TestOtherButton(t *testing.T) {
	h := newHouse(t)
	door, one, two := h.door(), h.indoor("hall-1", "flat-1"), h.indoor("hall-2", "flat-2")
	door.tap("bell-1")
	first := door.waitState(ringback).Call.ID
	door.tap("bell-1")
	if st := door.waitState(ringback); st.Call.ID != first {
		t.Errorf("the same button made a new call")
	}
	door.tap("bell-2")
	two.waitState(ringing)
	one.waitState(idle)
	if got := one.last(1).Disconnected.Reason; got != call.ReasonCancel {
		t.Errorf("the first flat's reason %v", got)
	}
	// The second flat may not open this door.
	two.tap("accept")
	two.waitState(talking)
	door.waitState(talking)
	two.tap("open")
	door.tap("bell-2") // feedback only; by now the request was handled
	two.tap("end")
	door.last(2)
	history, err := door.world.History()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range history {
		if c.Name == "strike" && c.Active {
			t.Error("the door opened for a user who may not")
		}
	}
}

// TestBusyAndWaiting: two doors and one flat.
func TestBusyAndWaiting(t *testing.T) {
	for _, waits := range []bool{false, true} {
		t.Run(map[bool]string{false: "busy", true: "waiting"}[waits], func(t *testing.T) {
			h := newHouse(t)
			front := h.door()
			back := h.start(h.config(config.Door, "back", "garden", doorText))
			flat := h.indoor("hall", "flat-1", func(c *config.Config) { c.Call.CallWaiting = waits })
			front.tap("bell-1")
			flat.waitState(ringing)
			flat.tap("accept")
			flat.waitState(talking)
			first := front.waitState(talking).Call.ID

			back.tap("bell-1")
			if !waits {
				back.waitState(busy)
				return
			}
			back.waitState(ringback)
			flat.tap("accept")
			back.waitState(talking)
			flat.wait("to hold the first call", func(st Status) bool {
				return st.Call != nil && st.Call.ID != first && st.Waiting != nil && st.Waiting.ID == first
			})
			flat.tap("end")
			flat.wait("to talk to the first door again", func(st Status) bool {
				return st.Call != nil && st.Call.ID == first && st.Waiting == nil
			})
			if err := front.world.MicTone(440); err != nil {
				t.Fatal(err)
			}
			flat.hears(440)
		})
	}
}

// TestAnsweredElsewhere: of two stations of a user the other falls silent.
func TestAnsweredElsewhere(t *testing.T) {
	h := newHouse(t)
	door, hall, attic := h.door(), h.indoor("hall", "flat-1"), h.indoor("attic", "flat-1")
	door.tap("bell-1")
	hall.waitState(ringing)
	attic.waitState(ringing)
	hall.tap("accept")
	attic.waitState(elsewhere) // which its lamp says, and its speaker no longer
	if st := attic.waitState(idle); st.Missed != 0 {
		t.Errorf("%d missed calls, but it was answered", st.Missed)
	}
	hall.waitState(talking)
	if got := attic.last(1).Disconnected; got.Reason != call.ReasonMultiDeviceAnswer || got.AnsweredBy == "" {
		t.Errorf("the other's end %+v", got)
	}
}

// TestCallTheDoor: a door answers by itself.
func TestCallTheDoor(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	if err := door.world.MicTone(440); err != nil {
		t.Fatal(err)
	}
	flat.tap("call-door")
	door.waitState(talking)
	flat.waitState(talking)
	flat.hears(440)
	pressed := flat.tap("open")
	until(t, "the opener", func() bool { return door.lit("strike", pressed) })
	third := h.indoor("loft", "flat-3")
	third.tap("call-door")
	third.waitState(busy)
	if st := door.waitState(talking); st.Missed != 0 {
		t.Error("a door has missed a call")
	}
	// A visitor's button comes first.
	two := h.indoor("hall-2", "flat-2")
	door.tap("bell-2")
	two.waitState(ringing)
	flat.waitState(ended)
}

// TestStrangerCallsTheDoor: a user who is not listed hears nothing of the door.
func TestStrangerCallsTheDoor(t *testing.T) {
	h := newHouse(t)
	door, stranger := h.door(), h.indoor("loft", "flat-9")
	stranger.tap("call-door")
	rec := stranger.wait("to be declined", func(st Status) bool { return len(st.Last) == 1 }).Last[0]
	if got := rec.Disconnected; got.Reason != call.ReasonDecline || !got.ByRemote {
		t.Errorf("ended as %+v, want declined by the door", got)
	}
	if _, talked := rec.At("connected"); talked {
		t.Error("the door was heard")
	}
	door.waitState(idle)
}

// TestRingerMute: it rings by the lamp, and says so to the door.
func TestRingerMute(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	muted := flat.tap("ringer-mute")
	until(t, "the ringer lamp", func() bool { return flat.lit("ringer-lamp", muted) })
	edge := door.tap("bell-1")
	door.waitState(ringback)
	if _, ok, err := flat.world.SpeakerMark(edge, 0); ok || err != nil {
		t.Errorf("the muted ringer sounds: %v, %v", ok, err)
	}
}

// TestNoCard: without its card a station shows a fault, makes no call, and
// works again when it is back.
func TestNoCard(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	at := gpio.Monotonic()
	if err := door.world.Unplug(); err != nil {
		t.Fatal(err)
	}
	door.wait("to miss its card", func(st Status) bool { return st.Counters.Card.Fault != "" && st.Fault != "" })
	until(t, "the fault lamp", func() bool { return door.lit("fault-lamp", at) })
	door.tap("bell-1")
	door.waitState(unreachable)
	if err := door.world.Replug(); err != nil {
		t.Fatal(err)
	}
	door.wait("to find its card", func(st Status) bool { return st.Fault == "" })
	door.tap("bell-1")
	flat.waitState(ringing)
}

// TestNoCardIndoors: without its card a station rings by its lamp, which is
// what the door is told; accepted, it is a muted one, and the door can be
// opened. With the card back it is heard.
func TestNoCardIndoors(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	if err := flat.world.Unplug(); err != nil {
		t.Fatal(err)
	}
	flat.wait("to miss its card", func(st Status) bool { return st.Counters.Card.Fault != "" })
	edge := door.tap("bell-1")
	flat.waitState(ringing)
	door.waitState(ringback)
	until(t, "the call lamp", func() bool { return flat.lit("call-lamp", edge) })

	accepted := flat.tap("accept")
	flat.wait("to talk, muted", func(st Status) bool { return st.State == talking.String() && st.Muted })
	until(t, "the mute lamp", func() bool { return flat.lit("mute-lamp", accepted) })
	door.wait("to be told", func(st Status) bool { return st.State == talking.String() && st.PeerMuted })
	opened := flat.tap("open")
	until(t, "the opener", func() bool { return door.lit("strike", opened) })

	if err := flat.world.Replug(); err != nil {
		t.Fatal(err)
	}
	if err := flat.world.MicTone(750); err != nil {
		t.Fatal(err)
	}
	door.wait("to be told again", func(st Status) bool { return !st.PeerMuted })
	door.hears(750)

	// Muted by hand while the card is gone, it stays so.
	if err := flat.world.Unplug(); err != nil {
		t.Fatal(err)
	}
	flat.wait("to be muted", func(st Status) bool { return st.Muted })
	flat.tap("mute")
	if err := flat.world.Replug(); err != nil {
		t.Fatal(err)
	}
	if st := flat.wait("to find its card", func(st Status) bool { return st.Counters.Card.Fault == "" }); !st.Muted {
		t.Error("the microphone is open, although it was muted by hand")
	}
}

// TestNoCardNoLamp: what can neither sound nor light does not ring.
func TestNoCardNoLamp(t *testing.T) {
	h := newHouse(t)
	door := h.door(func(c *config.Config) { c.Call.UnreachableLimit = time.Second })
	flat := h.indoor("hall", "flat-1", func(c *config.Config) { c.Lamps = nil })
	if err := flat.world.Unplug(); err != nil {
		t.Fatal(err)
	}
	flat.wait("to miss its card", func(st Status) bool { return st.Counters.Card.Fault != "" })
	door.tap("bell-1")
	door.waitState(unreachable)
	if r := door.last(1); r.Disconnected.Reason != call.ReasonPushError {
		t.Errorf("ended as %v, want pushError", r.Disconnected.Reason)
	}
}

// TestStop: a station that stops in a call, with its door open, leaves all off.
func TestStop(t *testing.T) {
	h := newHouse(t)
	door, flat := h.door(), h.indoor("hall", "flat-1")
	door.tap("bell-1")
	flat.waitState(ringing)
	flat.tap("accept")
	door.waitState(talking)
	flat.waitState(talking)
	opened := flat.tap("open")
	until(t, "the opener", func() bool { return door.lit("strike", opened) })
	watch, err := door.world.Watch()
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	began := time.Now()
	if err := door.stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v", time.Since(began))
	off := map[string]bool{}
	for e := range watch.Events {
		if e.Event == "output" {
			off[e.Name] = !e.Active
		}
	}
	if !off["strike"] || !off["call-lamp"] {
		t.Errorf("opener and call lamp were not switched off: %v", off)
	}
	flat.wait("to be told", func(st Status) bool { return st.Call == nil })
	if got := flat.last(1).Disconnected.Reason; got != call.ReasonAppDestroy {
		t.Errorf("the flat's reason %v", got)
	}
	// Started again it still knows of the call that its stop ended.
	if got := h.start(door.cfg).last(1).Disconnected.Reason; got != call.ReasonAppDestroy {
		t.Errorf("the door's reason %v", got)
	}
}
