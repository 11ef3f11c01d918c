package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inject gives n a message as if from had sealed it.
func (n *node) inject(from Address, callID, bind string, t MessageType, body string) {
	n.kit.receive(sealed(Message{ID: newID(), Call: callID, Type: t, Bind: bind, From: from, To: n.self, Body: []byte(body)}))
}

func sealed(m Message) []byte { b, _ := plainSealer{}.Seal(m); return b }

func last(n *node) string {
	h := n.heard()
	if len(h) == 0 {
		return ""
	}
	return h[len(h)-1]
}

func talking(w *world) (door, home *node, c, in *Call) {
	door, home = w.node("door", "d1"), w.node("home", "panel").rings()
	c = door.make("home")
	pass(100 * time.Millisecond)
	in = home.call()
	in.Accept(AcceptOptions{})
	pass(100 * time.Millisecond)
	return door, home, c, in
}

// TestCloseFromEveryHandler: Close may be called from any handler, also while
// another Close waits for it, and no record is lost.
func TestCloseFromEveryHandler(t *testing.T) {
	param := MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token"}
	for _, tc := range []struct {
		name string
		run  func(w *world) *node
	}{
		{"the last event, while Close waits", func(w *world) *node {
			n := w.node("door", "d1")
			h := n.handler()
			h.OnDisconnected = func(*Call, Disconnected) { n.kit.Close() }
			if _, err := n.kit.MakeCall(param, h); err != nil {
				w.t.Fatal(err)
			}
			pass(10 * time.Millisecond)
			n.kit.Close()
			return n
		}},
		{"an event", func(w *world) *node {
			n := w.node("door", "d1")
			h := n.handler()
			h.OnWaitConnected = func(*Call) { n.kit.Close() }
			if _, err := n.kit.MakeCall(param, h); err != nil {
				w.t.Fatal(err)
			}
			return n
		}},
		{"OnPush", func(w *world) *node {
			n := w.node("home", "panel")
			n.onPush = func(n *node, cc string) {
				if _, err := n.verify(cc); err != nil {
					w.t.Error(err)
				}
				n.kit.Close()
			}
			w.node("door", "d1").make("home")
			return n
		}},
		{"OnOver of a group", func(w *world) *node {
			n := w.node("door", "d1")
			g, err := n.kit.MakeGroupCall(param, []GroupMember{{UserID: "home"}}, GroupHandler{OnOver: func(g *Group, _ Disconnected) {
				n.kit.Close()
				g.End()
			}})
			if err != nil {
				w.t.Fatal(err)
			}
			pass(10 * time.Millisecond)
			g.End()
			return n
		}},
		{"OnRecord", func(w *world) *node {
			var n *node
			n = w.node("door", "d1", func(c *Config) {
				c.OnRecord = func(r Record) { n.kit.Close(); n.mu.Lock(); n.records = append(n.records, r); n.mu.Unlock() }
			})
			n.make("home").End()
			return n
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				n := tc.run(w)
				pass(5 * time.Second)
				n.mu.Lock()
				defer n.mu.Unlock()
				if len(n.records) != 1 {
					t.Errorf("%d records, want 1", len(n.records))
				}
			})
		})
	}
}

// TestRecordsOverflow: a slow OnRecord loses records, counted, and nothing else.
func TestRecordsOverflow(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		n := w.node("door", "d1", func(c *Config) { c.OnRecord = func(Record) { <-release } })
		for range 70 {
			n.make("home").End()
			n.kit.Counters() // a race with the count of what was lost would show
			pass(time.Millisecond)
		}
		if got := n.kit.Counters()["record_dropped"]; got != 5 {
			t.Errorf("%d records dropped of 70, want 5: one is being given, 64 wait", got)
		}
		if got := len(n.kit.calls); got > 64 {
			t.Errorf("%d calls are kept, at most %d", got, 64)
		}
		close(release)
	})
}

// TestNoVoiceAfterTheEnd holds the sessions, as the sound's goroutine may that
// is about to write a frame: they live on for closeLinger, with their gates shut.
func TestNoVoiceAfterTheEnd(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, _, c, in := talking(w)
		caller, callee := *c.chosen.Load(), *in.chosen.Load()
		if !caller.WriteFrame([]byte{1}, 480) || !callee.WriteFrame([]byte{1}, 480) {
			t.Fatal("no voice")
		}
		in.End() // a question: the caller's word is awaited
		if callee.WriteFrame([]byte{1}, 480) {
			t.Error("the callee's voice left after its end")
		}
		c.End()
		if caller.WriteFrame([]byte{1}, 480) {
			t.Error("the caller's voice left after its end")
		}
		pass(closeLinger / 2) // the callee has the caller's word now, and its session is closing
		if in.State() != StateDisconnected || callee.WriteFrame([]byte{1}, 480) {
			t.Error("the callee's voice leaves while its session is closing")
		}
		if c.chosen.Load() != nil || in.chosen.Load() != nil {
			t.Error("an ended call keeps its session alive")
		}
	})
}

// TestStrangers: what is not from the other end of a pairing changes nothing
// and is told nothing.
func TestStrangers(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		home := w.node("home", "panel")
		var cc string
		home.onPush = func(_ *node, s string) { cc = s }
		door := w.node("door", "d1")
		door.make("home")
		pass(10 * time.Millisecond)
		w.set(func(w *world) { w.loss = 1 })
		c, err := home.verify(cc)
		if err != nil {
			t.Fatal(err)
		}
		spy := Address{"house", "spy", "s", "1"}
		home.inject(spy, c.ID(), chosenOf(c), TypeStanding, `{"app_data":"Ym9v","start_message":"boo"}`)
		home.inject(door.self, c.ID(), "other", TypeStanding, `{"app_data":"Ym9v","start_message":"boo"}`)
		if c.StartMessage() != "" || c.AppData() != nil {
			t.Error("a stranger's start message was taken")
		}
		pass(6 * time.Second)
		w.set(func(w *world) { w.lost = 0 })
		home.inject(spy, c.ID(), "x", TypeEnd, `{}`)
		home.inject(spy, c.ID(), "x", TypeVerify, `{"nonce":"x"}`)
		if w.lost != 0 {
			t.Error("a stranger was told how the call ended")
		}
	})
}

// TestNonceOfAnother: a second device of the user can't take the first's
// session by naming its nonce.
func TestNonceOfAnother(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(100 * time.Millisecond)
		nonce := chosenOf(home.call())
		was := c.sessions[nonce]
		thief := Address{"house", "home", "thief", "1"}
		door.inject(thief, c.ID(), nonce, TypeEnd, `{"reason":"busy"}`)
		door.inject(thief, c.ID(), nonce, TypeVerify, fmt.Sprintf(`{"nonce":%q,"offer":"mine"}`, nonce))
		if len(c.s.legs) != 1 || c.sessions[nonce] != was {
			t.Errorf("legs %+v, session kept: %v", c.s.legs, c.sessions[nonce] == was)
		}
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		if !home.call().WriteFrame([]byte{1}, 480) || !c.WriteFrame([]byte{1}, 480) {
			t.Error("no voice")
		}
	})
}

// TestEndsAreHeard: the first copy of an end is lost on every path; both ends
// still agree.
func TestEndsAreHeard(t *testing.T) {
	lose := func(w *world, d time.Duration, f func()) {
		w.set(func(w *world) { w.loss, w.pathDown = 1, true })
		f()
		pass(d)
		w.set(func(w *world) { w.loss, w.pathDown = 0, false })
		pass(4 * time.Second)
	}
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		door.make("home")
		pass(100 * time.Millisecond)
		lose(w, 100*time.Millisecond, func() { home.call().End() })
		if last(door) != "disconnected decline callee true" || last(home) != "disconnected decline callee false" {
			t.Errorf("decline: door %v, home %v", last(door), last(home))
		}
		door.make("home")
		pass(100 * time.Millisecond)
		lose(w, 1500*time.Millisecond, func() { home.call().End() })
		if last(door) != "disconnected decline callee true" {
			t.Errorf("decline in a gap of 1.5 s: door %v", door.heard())
		}
		door.make("home")
		pass(100 * time.Millisecond)
		lose(w, 5050*time.Millisecond, func() { home.call().Accept(AcceptOptions{}) })
		if last(door) != "disconnected unavailableNetwork transport false" || last(home) != last(door) {
			t.Errorf("accept in a gap of 5 s: door %v, home %v", door.heard(), home.heard())
		}
	})
	in(t, func(t *testing.T, w *world) {
		door := w.node("door", "d1")
		kitchen, hall := w.node("home", "kitchen").rings(), w.node("home", "hall").rings()
		c := door.make("home")
		pass(100 * time.Millisecond)
		lose(w, time.Millisecond, func() { door.inject(kitchen.self, c.ID(), chosenOf(kitchen.call()), TypeAccept, "{}") })
		if got := last(hall); got != "disconnected multiDeviceAnswer transport false" {
			t.Errorf("the other device heard %q", got)
		}
		kitchen.call().End()
	})
}

// TestDeclinedStaysSilent: a device that declined for itself does not ring
// again however long the others do.
func TestDeclinedStaysSilent(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door := w.node("door", "d1")
		kitchen, hall := w.node("home", "kitchen").rings(), w.node("home", "hall").rings()
		door.make("home", func(p *MakeCallParam) { p.DeclineOnlyDevice = true; p.RingTime = 12 * time.Minute })
		pass(500 * time.Millisecond)
		kitchen.call().End()
		for range 3 { // other calls make the device forget what is old
			pass(3 * time.Minute)
			gate := w.node("gate", "g1").make("home")
			pass(time.Second)
			gate.End()
		}
		pass(time.Second)
		if kitchen.pushes != 4 { // one for each call
			t.Errorf("the kitchen rang %d times: %v", kitchen.pushes, kitchen.heard())
		}
		if got := hall.call().State(); got != StateVerified {
			t.Errorf("the hall is %v", got)
		}
	})
}

// TestHoldBeforeAccept: at no moment do two calls have the microphone.
func TestHoldBeforeAccept(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, home, _, first := talking(w)
		w.node("gate", "g1").make("home")
		pass(100 * time.Millisecond)
		second := home.call()
		var order []string
		for _, c := range []*Call{first, second} {
			s := c.sessions[c.s.chosen]
			c.sessions[c.s.chosen] = &gateSpy{s, func(send bool) { order = append(order, fmt.Sprint(c == first, send)) }}
		}
		second.Accept(AcceptOptions{})
		if d := cmp.Diff([]string{"true false", "false true"}, order); d != "" {
			t.Errorf("gates, first call: send (-want +got):\n%s", d)
		}
		if second.Accept(AcceptOptions{}) {
			t.Error("accepted twice")
		}
		first.Unhold()
		if second.Accept(AcceptOptions{}) || first.s.held {
			t.Error("an Accept that is refused must hold nothing")
		}
	})
}

type gateSpy struct {
	Session
	f func(send bool)
}

func (g *gateSpy) Gate(send, receive bool) { g.f(send); g.Session.Gate(send, receive) }

// TestStagesKeepTheEnd: however much is marked, the record has its end, and
// an Accept that is refused is no stage.
func TestStagesKeepTheEnd(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, home, c, in := talking(w)
		if in.Accept(AcceptOptions{}) {
			t.Fatal("accepted twice")
		}
		n := 0
		for _, s := range in.Record().Stages {
			if s.Name == "accept" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d accept stages", n)
		}
		for range 2 * maxStages {
			in.Mark("x", 1)
		}
		c.End()
		pass(time.Second)
		if _, ok := in.Record().At("disconnected"); !ok || len(home.records) != 1 || len(home.records[0].Stages) > maxStages {
			t.Errorf("stages %v", in.Record().Stages)
		}
		talk := in.Record().Talk
		pass(time.Second)
		if got := in.Record().Talk; got != talk {
			t.Errorf("talk time grew after the end: %v, %v", talk, got)
		}
	})
}

// TestMuteOvertakesConnected: a message of the talk that comes before
// connected is not lost.
func TestMuteOvertakesConnected(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(100 * time.Millisecond)
		in := home.call()
		in.Accept(AcceptOptions{})
		home.inject(door.self, c.ID(), chosenOf(in), TypeMute, `{"seq":1,"on":true}`)
		pass(time.Second)
		if d := cmp.Diff([]string{"verified false", "connected false false", "peerMuted"}, home.heard()); d != "" {
			t.Error(d)
		}
	})
}

// TestStateAfterPathCameBack: hold, mute and the end of the preparation that
// were lost with the path are said again.
func TestStateAfterPathCameBack(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home", func(p *MakeCallParam) { p.UseResponderPreparation = true })
		pass(100 * time.Millisecond)
		in := home.call()
		in.Accept(AcceptOptions{UseResponderPreparation: true})
		pass(100 * time.Millisecond)
		w.cut(true)
		w.set(func(w *world) { w.loss = 1 })
		in.FinishPreparation()
		in.MyMediaStatus().Mute(true)
		c.Hold("wait")
		pass(3 * time.Second)
		w.set(func(w *world) { w.loss = 0 })
		w.cut(false)
		pass(time.Second)
		if !slices.Contains(home.heard(), "peerHold wait") {
			t.Errorf("hold was lost: %v", home.heard())
		}
		if h := door.heard(); !slices.Contains(h, "peerMuted") || !slices.Contains(h, "prepared") {
			t.Errorf("mute or prepared was lost: %v", h)
		}
	})
}

// TestFirstDeviceBad: one device's bad SDP does not end the call for those
// that come a moment later; alone, it does after 2 s.
func TestFirstDeviceBad(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door := w.node("door", "d1")
		c := door.make("home")
		pass(time.Millisecond)
		bad := Address{"house", "home", "bad", "1"}
		door.inject(bad, c.ID(), "", TypeVerify, `{"nonce":"n","offer":"bad"}`)
		pass(100 * time.Millisecond)
		if got := c.State(); got == StateDisconnected {
			t.Fatalf("ended at once: %v", door.heard())
		}
		pass(2 * time.Second)
		if got := last(door); got != "disconnected internalError caller false" {
			t.Errorf("after 2 s: %v", door.heard())
		}
	})
}

// TestRestartWhileRinging: a path lost before the answer is restored before it.
func TestRestartWhileRinging(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(100 * time.Millisecond)
		nonce := chosenOf(home.call())
		home.kit.sessionEvent(home.call(), nonce, SessionEvent{Kind: SessionLost})
		pass(100 * time.Millisecond)
		if !home.call().s.legs[0].up || !c.s.legs[0].up { // nothing else runs now
			t.Error("the path was not restored while it rang")
		}
	})
}

// TestForcedPreparation: the caller can't put a callee into preparation that
// did not ask for it.
func TestForcedPreparation(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		home.inject(door.self, c.ID(), chosenOf(home.call()), TypeConnected, `{"preparation":true}`)
		pass(10 * time.Millisecond)
		if got := last(home); got != "connected false false" {
			t.Error(got)
		}
	})
}

// TestEveryMessageInEveryState gives each message, with good and bad bodies,
// right and wrong binds and senders, to both roles in every state.
func TestEveryMessageInEveryState(t *testing.T) {
	bodies := map[MessageType]string{
		TypePush: `{"cc_param":"CC"}`, TypeVerify: `{"nonce":"fresh","offer":"o"}`, TypeStanding: `{"nonce":"BIND","answer":"a","ring_remaining_ms":9000}`,
		TypeRinging: `{}`, TypeLease: `{}`, TypeAccept: `{}`, TypeConnected: `{}`, TypePrepared: `{}`, TypeEnd: `{"reason":"decline","source":"callee"}`,
		TypeEnded: `{"reason":"decline","source":"callee"}`, TypeMute: `{"seq":7,"on":true}`, TypeMuteRequest: `{}`, TypeHold: `{"seq":7,"on":true}`,
		TypeOpen: `{"request":7}`, TypeOpenResult: `{"request":1,"opened":true}`, TypeShortData: `{"seq":1,"type":"x"}`, TypeShortDataAck: `{"seq":1}`, TypeCandidate: `{"sdp":"c"}`, TypeOffer: `{"sdp":"o"}`,
		TypeAnswer: `{"sdp":"a"}`, TypeRestart: `{}`, TypeUnknown: `{"type":"x"}`, "future": `{}`,
	}
	type phase struct {
		name string
		role Role
		make func(w *world) (door, home *node, c *Call)
	}
	dial := func(w *world, home bool) (*node, *node, *Call) {
		d, h := w.node("door", "d1"), w.node("home", "panel")
		if home {
			h.rings()
		} else {
			h.onPush = func(n *node, cc string) { n.note("%s", cc) }
		}
		c := d.make("home")
		return d, h, c
	}
	phases := []phase{
		{"trying", RoleCaller, func(w *world) (*node, *node, *Call) { w.brokerDown = true; d, h, c := dial(w, true); return d, h, c }},
		{"waitAnswer", RoleCaller, func(w *world) (*node, *node, *Call) {
			d, h, c := dial(w, true)
			pass(100 * time.Millisecond)
			return d, h, c
		}},
		{"connected", RoleCaller, func(w *world) (*node, *node, *Call) { d, h, c, _ := talking(w); return d, h, c }},
		{"disconnected", RoleCaller, func(w *world) (*node, *node, *Call) {
			d, h, c, _ := talking(w)
			c.End()
			pass(time.Second)
			return d, h, c
		}},
		{"trying", RoleCallee, func(w *world) (*node, *node, *Call) {
			d, h, _ := dial(w, false)
			pass(10 * time.Millisecond)
			cc := h.heard()[0]
			h.mu.Lock()
			h.events = nil
			h.mu.Unlock()
			w.set(func(w *world) { w.loss = 1 })
			c, err := h.verify(cc)
			if err != nil {
				w.t.Fatal(err)
			}
			pass(10 * time.Millisecond)
			return d, h, c
		}},
		{"verified", RoleCallee, func(w *world) (*node, *node, *Call) {
			d, h, _ := dial(w, true)
			pass(100 * time.Millisecond)
			return d, h, h.call()
		}},
		{"accepting", RoleCallee, func(w *world) (*node, *node, *Call) {
			d, h, _ := dial(w, true)
			pass(100 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			h.call().Accept(AcceptOptions{})
			return d, h, h.call()
		}},
		{"ending", RoleCallee, func(w *world) (*node, *node, *Call) {
			d, h, _, in := talking(w)
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			in.End()
			return d, h, in
		}},
		{"connected", RoleCallee, func(w *world) (*node, *node, *Call) { d, h, _, in := talking(w); return d, h, in }},
		{"disconnected", RoleCallee, func(w *world) (*node, *node, *Call) {
			d, h, _, in := talking(w)
			in.End()
			pass(time.Second)
			return d, h, in
		}},
	}
	// what may move the public state, and to what; all else must leave it
	moves := map[string]State{
		"caller/trying/ringing": StateWaitAnswer, "caller/trying/end": StateDisconnected, "caller/waitAnswer/end": StateDisconnected,
		"caller/waitAnswer/accept": StateConnected, "caller/connected/end": StateDisconnected,
		"callee/trying/standing": StateVerified, "callee/trying/end": StateDisconnected, "callee/verified/end": StateDisconnected,
		"callee/accepting/end": StateDisconnected, "callee/accepting/connected": StateConnected,
		"callee/accepting/mute": StateConnected, "callee/accepting/hold": StateConnected, "callee/accepting/muteRequest": StateConnected, "callee/accepting/open": StateConnected, "callee/accepting/shortData": StateConnected,
		"callee/ending/end": StateDisconnected, "callee/ending/ended": StateDisconnected, "callee/connected/end": StateDisconnected,
	}
	reached := map[string]bool{}
	for _, p := range phases {
		for typ, good := range bodies {
			in(t, func(t *testing.T, w *world) {
				door, home, c := p.make(w)
				n, peer, bind := door, home.self, ""
				if p.role == RoleCallee {
					n, peer, bind = home, door.self, chosenOf(c)
				} else if len(c.s.legs) > 0 {
					bind = c.s.legs[0].nonce
				}
				if n.kit.calls[c.ID()] == nil {
					t.Fatalf("%s: the call is gone", p.name)
				}
				other := peer
				other.Device, other.Session = "other", "s2"
				good := strings.NewReplacer("BIND", bind, "CC", CCParam{c.ID(), peer}.String()).Replace(good)
				try := func(what string, from Address, bind, body string, may bool) {
					was, name := c.State(), fmt.Sprintf("%s/%s/%s", p.role, p.name, typ)
					n.inject(from, c.ID(), bind, typ, body)
					if got, want := c.State(), moves[name]; got != was && !(may && got == want) {
						t.Errorf("%s, %s: %v became %v", name, what, was, got)
					} else if got != was {
						reached[name] = true
					}
					if n.kit.Counters()["bug"] != 0 {
						t.Errorf("%s, %s: a bug was caught", name, what)
					}
				}
				user := p.role == RoleCaller && typ == TypeEnd // any device of the user may decline
				for _, body := range []string{``, `null`, `[]`, `{"`, `{"seq":"x","nonce":3,"sdp":{},"request":"","reason":1}`, good} {
					if body == `` && typ != TypeRinging {
						continue // not to be sealed as JSON
					}
					if body == `` {
						body = `""`
					}
					try("stranger", Address{"house", "spy", "s", "1"}, bind, body, false)
					try("own user", Address{"house", n.self.User, "twin", "1"}, bind, body, false)
					if !user {
						try("other device of the peer", other, bind, body, false)
					}
					if !user {
						try("wrong bind", peer, "wrong", body, false)
					}
				}
				try("right", peer, bind, good, true)
				if got := len(c.s.legs); got > MaxDevices {
					t.Errorf("%d legs", got)
				}
				if got := len(n.kit.calls); got != 1 {
					t.Errorf("%s %s: %d calls", p.name, typ, got)
				}
				w.set(func(w *world) { w.loss, w.pathDown, w.brokerDown = 0, false, false })
				if c.State() == StateConnected {
					c.End()
				}
				pass(2 * time.Minute)
				if c.End() { // it connected meanwhile
					pass(10 * time.Second)
				}
				if c.State() != StateDisconnected || len(n.ends) != 1 {
					t.Errorf("%s %s %s: stuck in %v: %v", p.role, p.name, typ, c.State(), n.heard())
				}
				pass(5 * time.Minute)
				if len(n.kit.calls) != 0 || len(c.sessions) != 0 || len(c.timers) != 0 {
					t.Errorf("%s %s %s: %d calls, %d sessions, %d timers are left", p.role, p.name, typ, len(n.kit.calls), len(c.sessions), len(c.timers))
				}
			})
		}
	}
	for name := range moves {
		if !reached[name] && name != "caller/trying/ringing" {
			t.Errorf("%s never moved the call", name)
		}
	}
}

// TestDeclineOfDeviceThatIsOut: a device that the caller has sent away hears
// so again when it declines; the caller is not told of a decline that the
// device, in the end, did not make.
func TestDeclineOfDeviceThatIsOut(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(100 * time.Millisecond)
		nonce := chosenOf(home.call())
		door.kit.sessionEvent(c, nonce, SessionEvent{Kind: SessionAuthFailed})
		home.call().End()
		pass(5 * time.Second)
		if last(home) != "disconnected authError transport false" || last(door) != last(home) {
			t.Errorf("home %v, door %v", home.heard(), door.heard())
		}
	})
}

// TestDeclineOfDeviceThatWasBusy: a device that was busy at first, and declines
// before its live check is through, declines for its user.
func TestDeclineOfDeviceThatWasBusy(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), Address{"house", "home", "panel", "1"}
		c := door.make("home")
		pass(100 * time.Millisecond)
		door.inject(home, c.ID(), "", TypeEnd, `{"reason":"busy","source":"callee"}`)
		door.inject(home, c.ID(), "n", TypeEnd, `{"reason":"decline","source":"callee"}`)
		pass(100 * time.Millisecond)
		if got := last(door); got != "disconnected decline callee true" {
			t.Errorf("heard %v", door.heard())
		}
	})
}
