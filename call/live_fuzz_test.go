package call

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// live is a Kit with a call, and what a message for it needs to be believed.
type live struct {
	*node
	peer Address // the other end of the call; without one, somebody of the house
	id   string
}

// bind is the nonce of the call's live check.
func (l live) bind() string {
	l.kit.mu.Lock()
	defer l.kit.mu.Unlock()
	if c := l.kit.calls[l.id]; c != nil && len(c.s.legs) > 0 {
		return c.s.legs[0].nonce
	}
	return "none"
}

// asks reports whether the call is an own one that waits for an answer.
func (l live) asks() bool {
	l.kit.mu.Lock()
	defer l.kit.mu.Unlock()
	c := l.kit.calls[l.id]
	return c != nil && c.role == RoleCaller && (c.s.phase == StateTrying || c.s.phase == StateWaitAnswer)
}

// liveStates bring a Kit to where a call may be when a message comes.
var liveStates = []struct {
	name string
	make func(*world) live
}{
	{"idle", func(w *world) live {
		home, door := w.pair()
		return live{home, door.self, "c1"}
	}},
	{"live check", func(w *world) live {
		home, door := w.pair()
		c := door.make("home")
		door.Listen(nil) // it answers nothing
		pass(20 * time.Millisecond)
		return live{home, door.self, c.ID()}
	}},
	{"rings", func(w *world) live { return liveCall(w, false, 0) }},
	{"callee talks", func(w *world) live { return liveCall(w, false, 1) }},
	{"callee after the end", func(w *world) live { return liveCall(w, false, 2) }},
	{"in the background", func(w *world) live {
		home, door := w.pair()
		home.background()
		c := door.make("home")
		pass(20 * time.Millisecond)
		return live{home, door.self, c.ID()}
	}},
	{"nobody answers", func(w *world) live {
		door := w.node("door", "front")
		c := door.make("home")
		pass(20 * time.Millisecond)
		return live{door, Address{"house", "home", "panel", "s1"}, c.ID()}
	}},
	{"ringback", func(w *world) live { return liveCall(w, true, 0) }},
	{"caller talks", func(w *world) live { return liveCall(w, true, 1) }},
	{"caller after the end", func(w *world) live { return liveCall(w, true, 2) }},
}

func (w *world) pair() (home, door *node) {
	return w.node("home", "panel").rings(), w.node("door", "front")
}

// liveCall brings a call so many steps beyond its ring: a talk, and its end.
func liveCall(w *world, caller bool, steps int) live {
	home, door := w.pair()
	c := door.make("home")
	pass(20 * time.Millisecond)
	if steps > 0 {
		home.call().Accept(AcceptOptions{})
		pass(20 * time.Millisecond)
	}
	if steps > 1 {
		c.End()
		pass(20 * time.Millisecond)
	}
	if caller {
		return live{door, home.self, c.ID()}
	}
	return live{home, door.self, c.ID()}
}

// Who sends.
const (
	fromPeer        = iota // with the right nonce
	fromPeerUnbound        // with another
	fromPeersOther         // another device of the peer's user, with the right nonce: a copy of it
	fromStranger           // of the house
	fromOwn                // another device of the same user
	fromNobody             // unsigned
	senders
)

const floodLength = 100 // copies with ids of their own

// FuzzLive sends a Kit with a call in each state any message, from anybody in
// the house, many times: nothing but the peer's own word in its bind may move
// the call, nothing crashes it, and nothing grows.
func FuzzLive(f *testing.F) {
	for _, typ := range liveTypes {
		for state := range liveStates {
			for _, from := range []byte{fromPeer, fromPeerUnbound, fromStranger} {
				f.Add(byte(state), from, string(typ), []byte(`{"nonce":"@bind","reason":"normal","source":"caller","on":true,"seq":9,"request":9,"sdp":"x","cc_param":"@cc"}`))
			}
			f.Add(byte(state), byte(fromStranger), string(typ), []byte(`{"nonce":"@bind","cc_param":"@new"}`))
		}
	}
	f.Add(byte(3), byte(fromNobody), "", []byte(`{"ID":"1","Call":"c1","Type":"end","From":{}}`))
	f.Add(byte(3), byte(fromNobody), "", []byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, state, from byte, typ string, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			l := liveStates[int(state)%len(liveStates)].make(w)
			flood(t, l, int(from)%senders, MessageType(typ), body)
			pass(2 * time.Minute)
			l.checkBounds(t)
			w.close()
			l.checkEnds(t)
		})
	})
}

var liveTypes = []MessageType{
	TypePush, TypeVerify, TypeStanding, TypeRinging, TypeLease, TypeAccept, TypeConnected, TypePrepared, TypeEnd, TypeEnded, TypeMute,
	TypeMuteRequest, TypeHold, TypeOpen, TypeOpenResult, TypeShortData, TypeShortDataAck, TypeCandidate, TypeOffer, TypeAnswer, TypeRestart,
	TypeUnknown, "dance",
}

func flood(t *testing.T, l live, from int, typ MessageType, body []byte) {
	m := Message{Call: l.id, Type: typ, Bind: l.bind(), From: l.peer, To: l.self}
	switch from {
	case fromPeerUnbound:
		m.Bind = "other"
	case fromPeersOther:
		m.From.Device, m.From.Session = "copy", "s2"
	case fromStranger:
		m.From = Address{"house", "shop", "counter", "s3"}
	case fromOwn:
		m.From = Address{"house", l.self.User, "another", "s4"}
	}
	for old, now := range map[string]string{
		"@bind": m.Bind, "@cc": CCParam{l.id, l.peer}.String(), "@new": CCParam{l.id, m.From}.String(),
	} {
		body = bytes.ReplaceAll(body, []byte(old), []byte(now))
	}
	if m.Body = body; from != fromNobody && !json.Valid(body) {
		m.Body = nil // an envelope is JSON as a whole
	}
	before, asked := l.heard(), l.asks()
	for i := range floodLength {
		m.ID = fmt.Sprintf("m%d", i)
		data := body
		if from != fromNobody {
			var err error
			if data, err = (plainSealer{}).Seal(m); err != nil {
				t.Fatal(err)
			}
		}
		l.receive(data)
	}
	synctest.Wait()
	switch {
	case from == fromPeer, from == fromNobody && json.Valid(body): // the test's seal proves nothing
		return
	case typ == TypeEnd && asked && (from == fromPeerUnbound || from == fromPeersOther):
		return // a device of the callee may decline before its live check was heard
	}
	if more := l.heard()[len(before):]; len(more) > 0 {
		t.Errorf("%s of sender %d made the application hear %q", typ, from, more)
	}
}

// checkBounds looks at all that remembers something of what came.
func (l live) checkBounds(t *testing.T) {
	k := l.kit
	k.mu.Lock()
	defer k.mu.Unlock()
	for what, n := range map[string][2]int{
		"calls":    {len(k.calls), maxCalls + 1},
		"used":     {len(k.used), maxRemembered},
		"known":    {len(k.known), maxRemembered},
		"told":     {len(k.told), maxRemembered},
		"ids":      {len(k.seen.ids), len(k.seen.ring)},
		"counters": {len(k.counters), 40},
		"adopting": {len(k.adopting), 0},
	} {
		if n[0] > n[1] {
			t.Errorf("%d %s, at most %d", n[0], what, n[1])
		}
	}
	for _, c := range k.calls {
		if len(c.s.legs) > MaxDevices {
			t.Errorf("%d legs of a call", len(c.s.legs))
		}
	}
}

// checkEnds: the application hears the end of each call, once.
func (l live) checkEnds(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := len(l.calls) + len(l.waits)
	if l.self.User == "door" {
		calls++ // its own
	}
	ends := 0
	for _, e := range l.events {
		if strings.Contains(e, "disconnected ") {
			ends++
		}
	}
	if ends != calls {
		t.Errorf("%d ends of %d calls: %v", ends, calls, l.events)
	}
}
