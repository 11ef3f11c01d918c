package call

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// hostile is a device with a valid token and a program of its own.
type hostile struct {
	*node
	t    *testing.T
	sent int
}

func (w *world) hostile(user, device string) *hostile {
	return &hostile{node: w.node(user, device), t: w.t}
}

func (h *hostile) say(to Address, call string, typ MessageType, bind string, body any) {
	h.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	h.sent++
	data, err := plainSealer{}.Seal(Message{ID: fmt.Sprint("m", h.sent), Call: call, Type: typ, Bind: bind, From: h.self, To: to, Body: b})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Send(to, data, nil)
}

// pushes rings a user with another call each time, and answers nothing.
func (h *hostile) pushes(user string) {
	h.Listen(nil)
	id := fmt.Sprint("flood-", h.sent)
	h.say(Address{Service: "house", User: user}, id, TypePush, "", &PushBody{CCParam: CCParam{id, h.self}.String()})
}

// bounded checks that a Kit keeps little, whatever came.
func (n *node) bounded() error {
	k := n.kit
	k.mu.Lock()
	defer k.mu.Unlock()
	timers, sessions := 0, 0
	for _, c := range k.calls {
		timers += len(c.timers)
		sessions += len(c.sessions)
	}
	for what, b := range map[string][2]int{
		"calls": {len(k.calls), maxCalls}, "timers": {timers, 4 * maxCalls}, "sessions": {sessions, 2 * maxBackground},
		"used": {len(k.used), maxRemembered}, "known": {len(k.known), maxRemembered}, "told": {len(k.told), maxRemembered}, "others": {len(k.others), maxRemembered},
		"refused": {len(k.refused), maxCalls}, "messages": {len(k.seen.ids), len(k.seen.ring)}, "runners": {len(k.runners), maxCalls + 1}, "counters": {len(k.counters), 20},
	} {
		if b[0] > b[1] {
			return fmt.Errorf("%s/%s keeps %d %s, at most %d are allowed", n.self.User, n.self.Device, b[0], what, b[1])
		}
	}
	return nil
}

// smallFolder checks that a journal's folder stays so.
func smallFolder(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, f := range list {
		if info, err := os.Stat(filepath.Join(dir, f.Name())); err == nil { // else it has gone
			size += info.Size()
		}
	}
	if len(list) > maxEntries+4 || size > maxEntries*maxEntry {
		return fmt.Errorf("the journal has %d files of %d bytes", len(list), size)
	}
	return nil
}

// TestHostilePeer: a device that may talk to this one floods it. What is kept of
// that is bounded, what is dropped is counted, and an honest caller's ring takes
// as long as it always does. Ten times as much was tried, and changes nothing.
func TestHostilePeer(t *testing.T) {
	const usual = 20 * time.Millisecond // a ring in this network
	for _, tc := range []struct {
		name    string
		n       int
		receive func(*node) *node
		flood   func(h *hostile, i int)
		counted string // by the one who is flooded
	}{
		{"pushes to a station", 20_000, (*node).rings, func(h *hostile, _ int) { h.pushes("home") }, "busy"},
		{"pushes to a daemon", 20_000, (*node).background, func(h *hostile, _ int) { h.pushes("home") }, "background_full"},
		{"calls that are cancelled at once, to a daemon", 6_000, (*node).background, func(h *hostile, i int) {
			if i%20 == 0 {
				p := MakeCallParam{MyUserID: h.self.User, MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token", AppData: make([]byte, MaxAppData)}
				c, err := h.kit.MakeCall(p, Handler{})
				if err != nil {
					h.t.Fatal(err)
				}
				time.AfterFunc(15*time.Millisecond, func() { c.End() })
			}
		}, ""},
		{"live checks, answers and ends of no call", 10_000, (*node).rings, func(h *hostile, i int) {
			id, to := fmt.Sprint("flood-", i), Address{Service: "house", User: "home"}
			h.say(to, id, []MessageType{TypeVerify, TypeAccept, TypeEnd, "later"}[i%4], "n", &VerifyBody{Nonce: "n"})
		}, "late"},
		{"pushes of the honest caller's call", 10_000, (*node).rings, func(h *hostile, i int) {
			h.w.mu.Lock()
			door := h.w.nodes[0]
			h.w.mu.Unlock()
			door.kit.mu.Lock()
			var cc CCParam
			for id := range door.kit.calls {
				cc = CCParam{id, door.self}
			}
			door.kit.mu.Unlock()
			h.say(Address{Service: "house", User: "home"}, cc.callID, TypePush, "", &PushBody{CCParam: cc.String()})
		}, "cc_param"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door, evil := w.node("door", "d1"), w.hostile("evil", "e1")
				home := tc.receive(w.node("home", "panel", incoming))
				if err := p.keepIn(home.kit, dir, func(j *journal) { j.sync = func(*os.File) error { return nil } }); err != nil {
					t.Fatal(err)
				}
				check := func() {
					t.Helper()
					for _, err := range []error{home.bounded(), door.bounded(), smallFolder(dir)} {
						if err != nil {
							t.Fatal(err)
						}
					}
				}
				var c *Call
				for i := range tc.n {
					tc.flood(evil, i)
					time.Sleep(time.Millisecond)
					switch i {
					case 3300: // a push of its is old by then
						c = door.make("home")
					case 3300 + int(usual/time.Millisecond):
						if legs := legsOf(c); len(legs) != 1 || !legs[0].ringing || legs[0].addr != home.self {
							t.Errorf("%v after the press the honest caller sees %+v", usual, legs)
						}
					case 3800:
						c.End()
					}
					if i%1000 == 0 {
						check()
					}
				}
				check()
				if n := home.kit.Counters(); tc.counted != "" && n[tc.counted] == 0 {
					t.Errorf("counted: %v", n)
				}
				if n := home.kit.Counters()["bug"]; n != 0 {
					t.Errorf("%d bugs", n)
				}
				pass(leaseTime + time.Second)
				c = door.make("home")
				pass(usual)
				if legs := legsOf(c); len(legs) != 1 || !legs[0].ringing {
					t.Errorf("when it is over the honest caller sees %+v", legs)
				}
				if list := names(t, dir, suffixCall); home.kit.Counters()["journal"] != 0 || len(list) == 0 {
					t.Errorf("its call is not kept: %v, %v", home.kit.JournalErr(), list)
				}
			})
		})
	}
}

// TestHostileDeviceOfTheUser: a device of the called user asks for live checks
// without end. The caller's sessions are bounded, and the honest device rings.
func TestHostileDeviceOfTheUser(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, evil := w.node("door", "d1"), w.hostile("home", "e1")
		home := w.node("home", "panel").rings()
		c := door.make("home")
		pass(20 * time.Millisecond)
		if legs := legsOf(c); len(legs) != 1 || !legs[0].ringing || legs[0].addr != home.self {
			t.Fatalf("the caller sees %+v", legs)
		}
		for i := range 5_000 {
			evil.say(door.self, c.ID(), TypeVerify, "", &VerifyBody{Nonce: fmt.Sprint("n", i), Offer: "o", Replaces: []string{fmt.Sprint("o", i)}})
			time.Sleep(time.Millisecond)
			w.mu.Lock()
			n := len(w.sessions)
			w.mu.Unlock()
			if n > maxChecks+2 {
				t.Fatalf("%d sessions after %d live checks", n, i+1)
			}
		}
		if err := door.bounded(); err != nil {
			t.Error(err)
		}
		home.call().Accept(AcceptOptions{})
		pass(20 * time.Millisecond)
		if c.State() != StateConnected || c.Peer() != home.self {
			t.Errorf("%v with %v", c.State(), c.Peer())
		}
	})
}

// TestHostileTalk: the other side of a talk floods it with what one may say
// there. What waits is bounded, and another caller rings.
func TestHostileTalk(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, evil := w.node("door", "d1"), w.hostile("evil", "e1")
		home := w.node("home", "panel").rings()
		c := evil.make("home")
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		talk := home.call()
		if talk.State() != StateConnected {
			t.Fatal("no talk")
		}
		nonce := chosenOf(c)
		for i := range 10_000 {
			n := int64(i + 1)
			switch i % 8 {
			case 0, 1:
				evil.say(home.self, c.ID(), TypeShortData, nonce, &ShortDataBody{Seq: n, Type: "t", Data: make([]byte, MaxShortData)})
			case 2:
				evil.say(home.self, c.ID(), TypeOpen, nonce, &OpenBody{Request: n, Confirmed: true})
			case 3:
				evil.say(home.self, c.ID(), TypeMute, nonce, &MuteBody{Seq: n, On: i%16 == 3})
			case 4:
				evil.say(home.self, c.ID(), TypeHold, nonce, &HoldBody{Seq: n, On: i%16 == 4})
			case 5:
				evil.say(home.self, c.ID(), TypeMuteRequest, nonce, struct{}{})
			case 6:
				evil.say(home.self, c.ID(), TypeCandidate, nonce, &SDPBody{SDP: "c"})
			case 7:
				evil.say(home.self, c.ID(), TypeShortDataAck, nonce, &ShortDataAckBody{Seq: n})
			}
			time.Sleep(time.Millisecond)
			if i%1000 == 0 {
				if err := home.bounded(); err != nil {
					t.Fatal(err)
				}
				home.kit.mu.Lock()
				if n := len(talk.s.short) + len(talk.stages); n > maxStages {
					t.Errorf("the talk keeps %d", n)
				}
				home.kit.mu.Unlock()
			}
		}
		in := door.make("home")
		pass(20 * time.Millisecond)
		if legs := legsOf(in); len(legs) != 1 || !legs[0].ringing || talk.State() != StateConnected {
			t.Errorf("the honest caller sees %+v; the talk is %v", legs, talk.State())
		}
	})
}
