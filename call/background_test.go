package call

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// background makes the device verify each push in the background, and ring.
func (n *node) background() *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onPush = func(n *node, cc string) {
		p, err := n.param(cc)
		if err != nil {
			n.w.t.Error(err)
		}
		b, err := n.kit.VerifyBackgroundCall(p, n.backgroundHandler())
		if err != nil {
			n.note("background failed: %s", StartReason(err))
			return
		}
		n.mu.Lock()
		n.waits = append(n.waits, b)
		n.mu.Unlock()
	}
	return n
}

func (n *node) backgroundHandler() BackgroundHandler {
	return BackgroundHandler{
		OnVerified: func(b *BackgroundCall, prep bool) {
			n.note("background verified %v", prep)
			b.Ringing()
		},
		OnError:        func(_ *BackgroundCall, err error) { n.note("background error") },
		OnAdopted:      func(*BackgroundCall) { n.note("adopted") },
		OnDisconnected: func(_ *BackgroundCall, d Disconnected) { n.note("background disconnected %s", d.Reason) },
	}
}

func (n *node) wait() *BackgroundCall {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waits) == 0 {
		return nil
	}
	return n.waits[len(n.waits)-1]
}

func (n *node) adopt(id string) (*Call, error) {
	c, err := n.kit.AdoptBackgroundCall(id, n.handler())
	if c != nil {
		n.mu.Lock()
		n.calls = append(n.calls, c)
		n.mu.Unlock()
	}
	return c, err
}

func heard(t *testing.T, n *node, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, n.heard()); d != "" {
		t.Errorf("%s/%s heard (-want +got):\n%s", n.self.User, n.self.Device, d)
	}
}

func parcel(p *MakeCallParam) { p.AppData = []byte("cam=1"); p.StartMessage = "parcel" }

func TestBackgroundAdopted(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").background()
		c := door.make("home", parcel)
		pass(100 * time.Millisecond)
		b := home.wait()
		if b.ID() != c.ID() || b.State() != StateVerified || string(b.AppData())+b.StartMessage() != "cam=1parcel" || b.Peer() != door.self {
			t.Errorf("background call %s %v %q %q from %v", b.ID(), b.State(), b.AppData(), b.StartMessage(), b.Peer())
		}
		if b.Accept(AcceptOptions{}) || b.End() {
			t.Error("a background call can be accepted or ended")
		}
		if ids, err := home.kit.PendingBackgroundCalls(); err != nil || len(ids) != 1 || ids[0] != b.ID() {
			t.Errorf("pending: %v, %v", ids, err)
		}
		in, err := home.adopt(b.ID())
		if err != nil {
			t.Fatal(err)
		}
		if string(in.AppData())+in.StartMessage() != "cam=1parcel" {
			t.Error("the adopted call has no app data or start message at once")
		}
		if _, err := home.adopt(b.ID()); !errors.Is(err, ErrAlreadyAdopted) {
			t.Errorf("second adoption: %v", err)
		}
		home.kit.mu.Lock()
		if n := len(b.c.timers); n != 0 {
			t.Errorf("the call that was handed over keeps %d timers", n)
		}
		home.kit.mu.Unlock()
		if !in.Accept(AcceptOptions{}) || in.Accept(AcceptOptions{}) {
			t.Error("Accept must be taken at once, and once")
		}
		pass(100 * time.Millisecond)
		if c.State() != StateConnected || in.State() != StateConnected || !c.WriteFrame([]byte{1}, 480) || !in.WriteFrame([]byte{1}, 480) {
			t.Error("no talk after the adoption")
		}
		if b.Ringing() || b.Accept(AcceptOptions{}) || b.End() {
			t.Error("the handle of an adopted call still works")
		}
		in.End()
		pass(3 * time.Second)
		if _, err := home.adopt(b.ID()); !errors.Is(err, ErrAlreadyAdopted) {
			t.Errorf("adoption after the end: %v", err)
		}
		if n := len(w.sessions); n != 0 {
			t.Errorf("%d sessions left", n)
		}
		heard(t, door, "waitConnected", "acknowledged panel", "connected false false", "disconnected normal callee true")
		heard(t, home, "background verified false", "adopted", "connected false false", "disconnected normal callee false")
		if len(home.records) != 1 || home.records[0].Q850 != 16 || home.records[0].Ring == 0 {
			t.Errorf("records: %+v", home.records)
		}
	})
}

// TestBackgroundEnds: each way that a background call ends unadopted.
func TestBackgroundEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(door, home *node, c *Call)
		want string
	}{
		"cancel":        {func(_, _ *node, c *Call) { c.End() }, "cancel"},
		"no answer":     {func(_, _ *node, _ *Call) { pass(25 * time.Second) }, "noAnswer"},
		"caller gone":   {func(door, _ *node, _ *Call) { door.vanish(); door.w.cut(true); pass(6 * time.Second) }, "releasedCall"},
		"kit closed":    {func(_, home *node, _ *Call) { home.kit.Close() }, "appDestroy"},
		"another panel": {nil, "multiDeviceAnswer"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door, home := w.node("door", "d1"), w.node("home", "panel").background()
				defer door.kit.Close() // also when it has vanished
				hall := w.node("home", "hall")
				if tc.do == nil {
					hall.rings()
					tc.do = func(_, _ *node, _ *Call) { hall.call().Accept(AcceptOptions{}) }
				}
				c := door.make("home", func(p *MakeCallParam) { p.RingTime = 20 * time.Second })
				pass(100 * time.Millisecond)
				tc.do(door, home, c)
				pass(time.Second)
				heard(t, home, "background verified false", "background disconnected "+tc.want)
				_, err := home.adopt(home.wait().ID())
				if want := ErrEnded; !errors.Is(err, want) && name != "kit closed" {
					t.Errorf("adopted after the end: %v", err)
				}
				if home.wait().Ringing() {
					t.Error("it rings after the end")
				}
				if len(home.records) != 1 {
					t.Errorf("%d records", len(home.records))
				}
			})
		})
	}
}

// TestBackgroundIsNoCall: background calls count for nothing until adopted.
func TestBackgroundIsNoCall(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		home := w.node("home", "panel", func(c *Config) { c.NoCallWaiting = true }).background()
		door, gate, shed := w.node("door", "d1"), w.node("gate", "g1").rings(), w.node("shed", "s1")
		door.make("home")
		pass(100 * time.Millisecond)
		out := home.make("gate")
		pass(100 * time.Millisecond)
		gate.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		if out.State() != StateConnected {
			t.Fatal("a background call is in the way of MakeCall")
		}
		if _, err := home.adopt(home.wait().ID()); !errors.Is(err, StartAlreadyExist) {
			t.Errorf("adopted during a call: %v", err)
		}
		shed.make("home")
		pass(3 * time.Second)
		if got := shed.heard()[len(shed.heard())-1]; got != "disconnected busy callee true" {
			t.Errorf("a third caller heard %s", got)
		}
		out.End()
		pass(2 * time.Second)
		if _, err := home.adopt(home.wait().ID()); err != nil {
			t.Errorf("the background call was lost by an adoption that was refused: %v", err)
		}
	})
}

// TestBackgroundVerifiedAgain: VerifyCall of a background call is no reuse; it
// takes the call over and gives OnVerified.
func TestBackgroundVerifiedAgain(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").background()
		door.make("home")
		pass(100 * time.Millisecond)
		cc := home.wait().c.param.CCParam.String()
		c, err := home.verify(cc)
		if err != nil {
			t.Fatal(err)
		}
		pass(100 * time.Millisecond)
		if c.State() != StateVerified {
			t.Errorf("it is %v", c.State())
		}
		heard(t, home, "background verified false", "adopted", "verified false")
		if _, err := home.verify(cc); !errors.Is(err, StartReuse) {
			t.Errorf("verified a third time: %v", err)
		}
	})
}

func TestBackgroundRefused(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		home := w.node("home", "panel")
		p := VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: CCParam{newID(), Address{"house", "door", "d1", "s"}}}
		for i := range maxBackground + 1 {
			p.CCParam.callID, p.CCParam.caller.Device = newID(), fmt.Sprint("d", i/maxBackgroundOf)
			_, err := home.kit.VerifyBackgroundCall(p, BackgroundHandler{})
			if want := i < maxBackground; (err == nil) != want || !want && !errors.Is(err, StartAlreadyExist) {
				t.Errorf("background call %d: %v", i+1, err)
			}
		}
		for _, tc := range []struct {
			edit func(*VerifyCallParam)
			want StartFailReason
		}{
			{func(p *VerifyCallParam) { p.MyUserID = "x" }, StartInvalidUserID},
			{func(p *VerifyCallParam) { p.MyServiceID = "x" }, StartInvalidServiceID},
			{func(p *VerifyCallParam) { p.CCParam.caller.User = "home" }, StartIDConflict},
			{func(p *VerifyCallParam) { p.CCParam = CCParam{} }, StartDecodeCallParam},
		} {
			q := p
			tc.edit(&q)
			if _, err := home.kit.VerifyBackgroundCall(q, BackgroundHandler{}); StartReason(err) != tc.want {
				t.Errorf("%+v: %v, want %v", q, err, tc.want)
			}
		}
		for _, id := range []string{"", "never", "../etc", newID()} {
			if _, err := home.adopt(id); !errors.Is(err, ErrNoSuchCall) {
				t.Errorf("adopt %q: %v", id, err)
			}
		}
		var none *Kit
		if _, err := none.AdoptBackgroundCall("x", Handler{}); !errors.Is(err, StartNotInitialized) {
			t.Errorf("nil Kit: %v", err)
		}
		if _, err := none.VerifyBackgroundCall(p, BackgroundHandler{}); !errors.Is(err, StartNotInitialized) {
			t.Errorf("nil Kit: %v", err)
		}
		pass(10 * time.Second)
	})
}

// TestAdoptDuringLiveCheck: the background call had not come so far; so its
// adopter gets OnVerified.
func TestAdoptDuringLiveCheck(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").background()
		c := door.make("home")
		pass(2 * time.Millisecond)
		if got := home.wait().State(); got != StateTrying {
			t.Fatalf("it is %v", got)
		}
		in, err := home.adopt(home.wait().ID())
		if err != nil {
			t.Fatal(err)
		}
		if in.Accept(AcceptOptions{}) {
			t.Error("accepted before OnVerified")
		}
		pass(100 * time.Millisecond)
		heard(t, home, "adopted", "verified false")
		if n := len(legsOf(c)); n != 1 {
			t.Errorf("the caller sees %d devices", n)
		}
	})
}

// TestAdopterRings: the adopter may say Ringing at once; the caller hears of
// one device, and of an end only what the adopter says.
func TestAdopterDeclines(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").background()
		c := door.make("home", func(p *MakeCallParam) { p.DeclineOnlyDevice = true })
		pass(3 * time.Second)
		in, _ := home.adopt(home.wait().ID())
		if !in.Ringing() {
			t.Error("Ringing was refused")
		}
		pass(7 * time.Second)
		if len(legsOf(c)) != 1 || !legsOf(c)[0].ringing || in.State() != StateVerified {
			t.Errorf("legs %+v, adopter %v", legsOf(c), in.State())
		}
		in.End()
		pass(time.Second)
		heard(t, door, "waitConnected", "acknowledged panel", "disconnected decline callee true")
		heard(t, home, "background verified false", "adopted", "disconnected decline callee false")
	})
}

// TestAdoptedMeanwhileOver: the caller ended in the moment of the adoption, and
// its word was lost.
func TestAdoptedMeanwhileOver(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").background()
		c := door.make("home")
		pass(100 * time.Millisecond)
		w.set(func(w *world) { w.brokerDown, w.pathDown = true, true })
		c.End()
		pass(100 * time.Millisecond)
		in, err := home.adopt(home.wait().ID())
		if err != nil {
			t.Fatal(err)
		}
		in.Accept(AcceptOptions{})
		w.set(func(w *world) { w.brokerDown = false })
		pass(time.Second)
		heard(t, home, "background verified false", "adopted", "disconnected releasedCall transport false")
	})
}

// legsOf is how a caller sees the callee's devices.
func legsOf(c *Call) []leg {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return slices.Clone(c.s.legs)
}

// chosenOf is the nonce by which messages of a call's chosen leg are bound.
func chosenOf(c *Call) string {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return c.s.chosen
}

// TestRetiredAreBounded: a device that checks a call anew again and again does
// not make its caller remember without end.
func TestRetiredAreBounded(t *testing.T) {
	s := state{role: RoleCaller, phase: StateWaitAnswer}
	sessions := 0
	for i := range 70 {
		var acts []action
		s, acts, _ = step(s, evMessage{from: Address{"house", "home", "d", "s"}, typ: TypeVerify, body: &VerifyBody{Nonce: fmt.Sprint("n", i)}})
		if got, want := len(s.retired), min(i, 32); got != want {
			t.Fatalf("after %d live checks %d are remembered, want %d", i+1, got, want)
		}
		for _, a := range acts {
			if a, ok := a.(actSession); ok && a.op == opAcceptOffer {
				sessions++
			}
		}
		if a, ok := acts[len(acts)-1].(actSend); i >= 64 && (!ok || a.typ != TypeEnd || a.bind != fmt.Sprint("n", i)) {
			t.Errorf("live check %d is answered %+v", i+1, acts)
		}
	}
	if sessions != 64 || s.legs[0].nonce != "n63" || s.retired[0] != "n31" {
		t.Errorf("%d sessions, the last of %s; the oldest that is remembered is %s", sessions, s.legs[0].nonce, s.retired[0])
	}
}

// TestUnholdDuringAdoption: the first call is taken up again between the Accept
// of an adopted call and its caller's word: then the adopted one is held.
func TestUnholdDuringAdoption(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, home, _, first := talking(w)
		home.background()
		gate := w.node("gate", "g1")
		gate.make("home")
		pass(100 * time.Millisecond)
		second, err := home.adopt(home.wait().ID())
		if err != nil || !second.Accept(AcceptOptions{}) || !first.Unhold() {
			t.Fatal(err)
		}
		pass(100 * time.Millisecond)
		if second.State() != StateConnected || !first.WriteFrame([]byte{1}, 480) || second.WriteFrame([]byte{1}, 480) {
			t.Errorf("second %v; both talk", second.State())
		}
		if !second.Unhold() || first.WriteFrame([]byte{1}, 480) || !second.WriteFrame([]byte{1}, 480) {
			t.Error("unhold did not change places")
		}
	})
}

// TestNinthDevice: a ninth device of a call is told that it is out; each of the
// eight may check anew.
func TestNinthDevice(t *testing.T) {
	s := state{role: RoleCaller, phase: StateWaitAnswer}
	check := func(device, nonce string) (gets sessionOp, told MessageType) {
		var acts []action
		s, acts, _ = step(s, evMessage{from: Address{"house", "home", device, "s"}, typ: TypeVerify, body: &VerifyBody{Nonce: nonce, Offer: "o"}})
		gets = -1
		for _, a := range acts {
			switch a := a.(type) {
			case actSession:
				gets = a.op
			case actSend:
				told = a.typ
			}
		}
		return gets, told
	}
	for i := range MaxDevices {
		if gets, told := check(fmt.Sprint("d", i), fmt.Sprint("n", i)); gets != opAcceptOffer || told != "" {
			t.Errorf("device %d gets %v, and is told %q", i+1, gets, told)
		}
	}
	if gets, told := check("d8", "n8"); gets != -1 || told != TypeEnd || len(s.legs) != MaxDevices {
		t.Errorf("the ninth gets %v, and is told %q", gets, told)
	}
	for i := range MaxDevices {
		if gets, told := check(fmt.Sprint("d", i), fmt.Sprint("again", i)); gets != opAcceptOffer || told != "" || len(s.legs) != MaxDevices {
			t.Errorf("device %d, which checks anew, gets %v, and is told %q", i+1, gets, told)
		}
	}
}
