package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewKit(t *testing.T) {
	good := Config{Self: Address{"house", "door", "d1", "s1"}, Transport: &node{}, Sealer: plainSealer{}, Media: fakeMedia{}}
	for _, tc := range []struct {
		name string
		edit func(*Config)
	}{
		{"service", func(c *Config) { c.Self.Service = "" }}, {"user", func(c *Config) { c.Self.User = "a b" }},
		{"device", func(c *Config) { c.Self.Device = strings.Repeat("x", 65) }}, {"session", func(c *Config) { c.Self.Session = "" }},
		{"Transport", func(c *Config) { c.Transport = nil }}, {"Sealer", func(c *Config) { c.Sealer = nil }}, {"Media", func(c *Config) { c.Media = nil }},
	} {
		c := good
		tc.edit(&c)
		if k, err := NewKit(c); k != nil || err == nil || !strings.Contains(err.Error(), tc.name) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, "Az09._-": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a/b": false, "ä": false, "a+": false, "#": false, "\x00": false,
	} {
		if ValidID(id) != want {
			t.Errorf("ValidID(%q) is %v", id, !want)
		}
	}
}

// TestVerifyStartReasons: why VerifyCall refuses.
func TestVerifyStartReasons(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		gone := false
		n := w.node("home", "panel", func(c *Config) {
			c.Microphone = func() error {
				if gone {
					return errors.New("hw:CARD=Door may not be read")
				}
				return nil
			}
		})
		ok := VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: CCParam{"c1", Address{"house", "door", "d1", "s1"}}}
		for _, tc := range []struct {
			want StartFailReason
			edit func(*VerifyCallParam)
		}{
			{StartInvalidUserID, func(p *VerifyCallParam) { p.MyUserID = "" }},
			{StartInvalidUserID, func(p *VerifyCallParam) { p.MyUserID = "other" }},
			{StartInvalidServiceID, func(p *VerifyCallParam) { p.MyServiceID = "/" }},
			{StartInvalidServiceID, func(p *VerifyCallParam) { p.MyServiceID = "other" }},
			{StartDecodeCallParam, func(p *VerifyCallParam) { p.CCParam = CCParam{} }},
			{StartIDConflict, func(p *VerifyCallParam) { p.CCParam.caller.User = "home" }},
			{StartInvalidParam, func(p *VerifyCallParam) { p.MicNoSourceTimeout = 2 * time.Hour }},
			{StartNoPermissionMic, func(*VerifyCallParam) { gone = true }},
		} {
			p := ok
			gone = false
			tc.edit(&p)
			c, err := n.kit.VerifyCall(p, Handler{})
			if c != nil || StartReason(err) != tc.want {
				t.Errorf("got %v (%v), want %v", StartReason(err), err, tc.want)
			}
			if tc.want == StartNoPermissionMic {
				if err == nil || !strings.Contains(err.Error(), "hw:CARD=Door") {
					t.Errorf("the error must name the device: %v", err)
				}
				p.AllowCallWithoutMic = true
				if _, err := n.kit.VerifyCall(p, Handler{}); err != nil {
					t.Errorf("calls without microphone are allowed: %v", err)
				}
				if _, err := n.kit.VerifyCall(p, Handler{}); !errors.Is(err, StartReuse) {
					t.Errorf("used twice: %v", err)
				}
			}
		}
		if _, err := (&Kit{}).VerifyCall(ok, Handler{}); !errors.Is(err, StartNotInitialized) {
			t.Errorf("zero Kit: %v", err)
		}
		gone = false
		n.kit.Close()
		if _, err := n.kit.VerifyCall(ok, Handler{}); !errors.Is(err, StartNotInitialized) {
			t.Errorf("closed Kit: %v", err)
		}
	})
}

// TestStartError: a reason is found in an error however it is wrapped, and
// what carries none is a failure.
func TestStartError(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("station: %w", &StartError{Reason: StartReuse, Err: cause})
	var e *StartError
	if got := err.Error(); got != "station: call: reuse: cause" {
		t.Errorf("the text is %q", got)
	}
	if !errors.As(err, &e) || e.Reason != StartReuse || !errors.Is(err, StartReuse) || errors.Is(err, StartAlreadyExist) || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	for _, tc := range []struct {
		err  error
		want StartFailReason
	}{{nil, StartNone}, {err, StartReuse}, {cause, StartInternal}, {&StartError{}, StartInternal}} {
		if got := StartReason(tc.err); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.want)
		}
	}
	if got := StartFailReason(99).String(); got != "unknown" {
		t.Errorf("a later version's reason is %q", got)
	}
}

// TestReuseForTwiceTheRingTime: a cc_param is good once, for as long as the
// call's caller could have rung twice over.
func TestReuseForTwiceTheRingTime(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel")
		var cc string
		home.onPush = func(n *node, s string) { cc = s; _, _ = n.verify(s) }
		c := door.make("home", func(p *MakeCallParam) { p.RingTime = 10 * time.Minute; p.UnreachableLimit = 10 * time.Minute })
		pass(time.Second)
		c.End()
		pass(20*time.Minute - time.Second)
		if _, err := home.verify(cc); !errors.Is(err, StartReuse) {
			t.Errorf("after nearly 20 min: %v", err)
		}
	})
}

// TestNames: each state, source, reason has the model's name, and what is not
// known decodes as a failure.
func TestNames(t *testing.T) {
	for r := ReasonUnknown; r <= ReasonServiceInternalError; r++ {
		b, _ := r.MarshalText()
		var got Reason
		if err := got.UnmarshalText(b); err != nil || got != r || r != 0 && string(b) == "unknown" {
			t.Errorf("reason %d: %q, %v, %v", r, b, got, err)
		}
	}
	var r Reason = ReasonNormal
	if _ = r.UnmarshalText([]byte("ok")); r != ReasonUnknown {
		t.Errorf("a reason that is not known is %v", r)
	}
	var s Source = SourceCaller
	if _ = s.UnmarshalText([]byte("ok")); s != SourceUndefined {
		t.Errorf("a source that is not known is %v", s)
	}
	st := StateIdle
	if _ = st.UnmarshalText([]byte("ok")); st != StateDisconnected {
		t.Errorf("a state that is not known is %v", st)
	}
	for r := StartNone; r < StartUnknown; r++ {
		if r.String() == "unknown" {
			t.Errorf("start reason %d has no name", r)
		}
	}
}

// TestReasonsFromTheWire: each reason that a caller may send ends the call as
// itself, one of a later version as unknown, never as success; an envelope
// that is none ends nothing.
func TestReasonsFromTheWire(t *testing.T) {
	names := append(slices.Clone(reasonNames[:]), "laterVersion")
	for _, name := range names {
		in(t, func(t *testing.T, w *world) {
			door, home, c, in := talking(w)
			home.kit.receive([]byte("no envelope"))
			home.inject(door.self, c.ID(), chosenOf(in), TypeEnd, `{"reason":`)
			if in.State() != StateConnected || home.kit.Counters()["invalid"] == 0 {
				t.Fatalf("a bad envelope: %v, %v", in.State(), home.kit.Counters())
			}
			home.inject(door.self, c.ID(), chosenOf(in), TypeEnd, fmt.Sprintf(`{"reason":%q,"source":"laterSource"}`, name))
			pass(100 * time.Millisecond)
			want := "disconnected " + strings.Replace(name, "laterVersion", "unknown", 1) + " undefined false"
			if got := last(home); got != want {
				t.Errorf("%s: %v", name, got)
			}
			c.End()
		})
	}
}

// TestSteps walks through the table of who does what, event by event.
func TestSteps(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel")
		var waited, verifying State
		h := door.handler()
		h.OnWaitConnected = func(c *Call) { door.note("waitConnected"); waited = c.State() }
		w.set(func(w *world) { w.brokerDown = true })
		c, err := door.kit.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token",
			AppData: []byte("a"), StartMessage: "b", UseResponderPreparation: true}, h)
		if err != nil {
			t.Fatal(err)
		}
		if c.State() != StateTrying {
			t.Errorf("made: %v", c.State())
		}
		pass(3500 * time.Millisecond) // the push leaves at the repeat after that
		w.set(func(w *world) { w.brokerDown = false })
		var in *Call
		var inErr error
		home.pushed(func(n *node, cc string) {
			if in, inErr = n.verify(cc); inErr != nil {
				t.Error(inErr)
			}
			verifying = in.State()
			if string(in.AppData())+in.StartMessage() != "" || in.Ringing() || in.Accept(AcceptOptions{}) {
				t.Error("the call is not verified yet")
			}
		})
		pass(time.Second)
		if waited != StateWaitAnswer || verifying != StateTrying || in.State() != StateVerified {
			t.Errorf("%v, %v, then %v", waited, verifying, in.State())
		}
		if string(in.AppData())+in.StartMessage() != "ab" {
			t.Error("app data and start message are readable from OnVerified on")
		}
		if !slices.Contains(door.heard(), "unreachable") || slices.Contains(door.heard(), "acknowledged panel") {
			t.Errorf("nobody rings yet: %v", door.heard())
		}
		if !in.Ringing() {
			t.Error("Ringing refused")
		}
		in.Ringing()
		pass(time.Second)
		if !in.Accept(AcceptOptions{UseResponderPreparation: true}) || in.State() != StateVerified {
			t.Errorf("Accept only asks: %v", in.State())
		}
		pass(100 * time.Millisecond)
		if c.State() != StateConnected || in.State() != StateConnected || c.Peer() != home.self || in.Peer() != door.self {
			t.Errorf("%v, %v; peers %v, %v", c.State(), in.State(), c.Peer(), in.Peer())
		}
		in.FinishPreparation()
		pass(time.Minute)
		if !c.End() || c.End() {
			t.Error("End is true once")
		}
		pass(time.Minute)
		if in.End() || in.Accept(AcceptOptions{}) || in.Ringing() || in.Hold("") || in.State() != StateDisconnected {
			t.Error("something left disconnected")
		}
		want := []string{"unreachable", "waitConnected", "acknowledged panel", "connected true false", "prepared", "disconnected normal caller false"}
		if d := cmp.Diff(want, door.heard()); d != "" {
			t.Error(d)
		}
		want = []string{"verified true", "connected true true", "prepared", "disconnected normal caller true"}
		if d := cmp.Diff(want, home.heard()); d != "" {
			t.Error(d)
		}
	})
}

// TestRecord: durations, wall time, reason, source, cause and stages.
func TestRecord(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		began := time.Now()
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(4 * time.Second)
		home.call().Accept(AcceptOptions{})
		pass(10 * time.Second)
		c.End()
		pass(time.Second)
		for _, n := range []*node{door, home} {
			if len(n.records) != 1 {
				t.Fatalf("%s: %d records", n.self.User, len(n.records))
			}
			r := n.records[0]
			if r.CallID != c.ID() || r.Setup > 100*time.Millisecond || r.Ring.Round(time.Second) != 4*time.Second || r.Talk.Round(time.Second) != 10*time.Second ||
				r.Began.Sub(began) > 100*time.Millisecond || r.Disconnected.Reason != ReasonNormal || r.Disconnected.Source != SourceCaller || r.Q850 != 16 {
				t.Errorf("%s: %+v", n.self.User, r)
			}
			prev := time.Duration(0)
			for _, s := range r.Stages {
				if s.At < prev {
					t.Errorf("%s: stage %s is before the one before it", n.self.User, s.Name)
				}
				prev = s.At
			}
			if _, ok := r.At("connected"); !ok || n.records[0].Peer == n.self {
				t.Errorf("%s: %+v", n.self.User, r)
			}
		}
	})
}

func TestQ850(t *testing.T) {
	for r := ReasonUnknown; r <= ReasonServiceInternalError; r++ {
		want := map[Reason]int{ReasonNormal: 16, ReasonUserError: 16, ReasonBusy: 17, ReasonNoAnswer: 18, ReasonDecline: 21, ReasonMultiDeviceDecline: 21, ReasonCancel: 77}[r]
		if want == 0 {
			want = 127
		}
		if got := q850(false, r); got != want {
			t.Errorf("%v: %d, want %d", r, got, want)
		}
		if got := q850(true, r); got != 16 {
			t.Errorf("%v after a talk: %d, want 16", r, got)
		}
	}
}

// TestPreparationOffers: preparation is what both sides want, no more.
func TestPreparationOffers(t *testing.T) {
	for _, tc := range []struct {
		offers, uses bool
		want         string
	}{{false, false, "connected false false"}, {false, true, "connected false false"}, {true, false, "connected false false"}, {true, true, "connected true true"}} {
		in(t, func(t *testing.T, w *world) {
			door, home := w.node("door", "d1"), w.node("home", "panel").rings()
			c := door.make("home", func(p *MakeCallParam) { p.UseResponderPreparation = tc.offers })
			pass(100 * time.Millisecond)
			home.call().Accept(AcceptOptions{UseResponderPreparation: tc.uses})
			pass(100 * time.Millisecond)
			prep := tc.offers && tc.uses
			if last(home) != tc.want || last(door) != fmt.Sprintf("connected %v false", prep) || c.WriteFrame([]byte{1}, 480) == prep {
				t.Errorf("%+v: door %v, home %v", tc, door.heard(), home.heard())
			}
		})
	}
}
