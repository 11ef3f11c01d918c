package call

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHandlersRunAlone: one at a time, in order, from one goroutine, with no
// lock held: each may call any method of the call and the Kit.
func TestHandlersRunAlone(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		var running atomic.Int32
		goroutines := map[uint64]bool{}
		all := func(c *Call) {
			if running.Add(1) != 1 {
				t.Error("two handlers at once")
			}
			goroutines[goid()] = true
			c.State()
			c.Record()
			c.Statistics()
			c.MyMediaStatus().Muted()
			c.kit.Counters()
			c.Peer()
			time.Sleep(time.Millisecond)
			running.Add(-1)
		}
		h := door.handler()
		waits, connected, over := h.OnWaitConnected, h.OnConnected, h.OnDisconnected
		h.OnWaitConnected = func(c *Call) { waits(c); all(c) }
		h.OnConnected = func(c *Call, a, b bool) {
			connected(c, a, b)
			all(c)
			c.RequestPeerMute()
			c.Hold("x")
			c.Unhold()
			c.End()
		}
		h.OnDisconnected = func(c *Call, d Disconnected) { over(c, d); all(c); c.End() }
		if _, err := door.kit.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token"}, h); err != nil {
			t.Fatal(err)
		}
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(time.Second)
		if len(goroutines) != 1 {
			t.Errorf("handlers ran in %d goroutines", len(goroutines))
		}
		want := []string{"waitConnected", "acknowledged panel", "connected false false", "disconnected normal caller false"}
		if d := cmp.Diff(want, door.heard()); d != "" {
			t.Error(d)
		}
	})
}

// TestBlockedHandler: signalling goes on beside a handler that does not
// return; levels coalesce, and nothing else is lost.
func TestBlockedHandler(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		release := make(chan struct{})
		h := door.handler()
		h.OnWaitConnected = func(*Call) { <-release; door.note("waitConnected") }
		levels := 0
		c, err := door.kit.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token"}, h)
		if err != nil {
			t.Fatal(err)
		}
		c.MyMediaStatus().SetHandler(MyMediaHandler{OnAudioDescriptionUpdate: func(_ *Call, l int) { levels++; door.note("level %d", l) }})
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		for l := range 1000 {
			c.ReportLevel(l % 100)
			pass(levelInterval)
		}
		home.call().Hold("x")
		pass(100 * time.Millisecond)
		home.call().End()
		pass(100 * time.Millisecond)
		if c.State() != StateDisconnected || last(home) != "disconnected normal callee false" {
			t.Errorf("the blocked handler held the call: %v, %v", c.State(), home.heard())
		}
		close(release)
		pass(100 * time.Millisecond)
		want := []string{"waitConnected", "acknowledged panel", "connected false false", "level 99", "peerHold x", "disconnected normal callee true"}
		if d := cmp.Diff(want, door.heard()); d != "" {
			t.Error(d)
		}
	})
}

// TestQueueFull: a queue full of life-cycle events says so, takes levels
// without complaint, and has a place for the end.
func TestQueueFull(t *testing.T) {
	var got []noticeKind
	q := newQueue(func(n notice) { got = append(got, n.kind) })
	for i := range queueSize {
		if !q.put(notice{kind: noticeMic}) {
			t.Fatalf("event %d was refused", i)
		}
	}
	if q.put(notice{kind: noticePeerHold}) {
		t.Error("an event was lost in silence")
	}
	if !q.put(notice{kind: noticeLevel}) {
		t.Error("a level may be lost")
	}
	if !q.put(notice{kind: noticeDisconnected}) || !q.put(notice{kind: noticeMic}) {
		t.Error("the end was refused, or what came after it was taken for a loss")
	}
	q.run()
	if len(got) != queueSize+1 || got[queueSize] != noticeDisconnected || slices.Contains(got, noticeLevel) {
		t.Errorf("%d events, last %v", len(got), got[len(got)-1])
	}
}

// TestClose ends every call, waits, and may be called again.
func TestClose(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, home, _, first := talking(w)
		gate := w.node("gate", "g1")
		gate.make("home")
		pass(100 * time.Millisecond)
		if err := home.kit.Close(); err != nil {
			t.Error(err)
		}
		if got := len(home.ends); got != 2 || first.State() != StateDisconnected {
			t.Errorf("%d calls had ended when Close returned", got)
		}
		for _, d := range home.ends {
			if d != (Disconnected{Reason: ReasonAppDestroy, Source: SourceCallee}) {
				t.Errorf("ended as %+v", d)
			}
		}
		if err := home.kit.Close(); err != nil {
			t.Error(err)
		}
		if len(home.records) != 2 {
			t.Errorf("%d records", len(home.records))
		}
		pass(time.Second)
		if last(gate) != "disconnected appDestroy callee true" {
			t.Errorf("gate heard %v", gate.heard())
		}
	})
}
