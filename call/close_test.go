package call

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestCloseFromHandlerWaits: Close from a handler waits for all but that
// handler: the sessions, the journal, another handler that runs.
func TestCloseFromHandlerWaits(t *testing.T) {
	for _, takes := range []time.Duration{110 * time.Millisecond, time.Second} { // the other handlers, less and more than the sessions
		closeFromHandler(t, t.TempDir(), takes)
	}
}

func closeFromHandler(t *testing.T, dir string, takes time.Duration) {
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door, home := w.node("door", "d1"), w.node("home", "panel", incoming).keeps(dir, &p)
		pushed, verified := false, false // these handlers have returned
		home.pushed(func(n *node, text string) {
			p, err := n.param(text)
			if err != nil {
				t.Error(err)
			}
			switch p.CCParam.Caller().User {
			case "door":
				_, err = n.verify(text)
			case "gate":
				h := BackgroundHandler{OnVerified: func(*BackgroundCall, bool) { time.Sleep(takes + 50*time.Millisecond); verified = true }}
				_, err = n.kit.VerifyBackgroundCall(p, h)
			case "shed":
				time.Sleep(takes)
				pushed = true
			}
			if err != nil {
				t.Error(err)
			}
		})
		c := door.make("home")
		pass(100 * time.Millisecond)
		in := home.call()
		closed := false
		in.MyMediaStatus().SetHandler(MyMediaHandler{OnMicMute: func(*Call) {
			home.kit.Close()
			closed = true
			if !pushed || !verified {
				t.Errorf("OnPush has returned: %v, OnVerified of another call: %v", pushed, verified)
			}
			w.mu.Lock()
			for _, s := range w.sessions {
				if s.owner == home.self.Session {
					t.Error("a session is open")
				}
			}
			w.mu.Unlock()
			if _, err := home.kit.journal.lock.Stat(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the journal is open: %v", err)
			}
		}})
		in.Accept(AcceptOptions{})
		pass(time.Second)
		w.node("gate", "g1").make("home")
		pass(5 * time.Millisecond)
		w.node("shed", "s1").make("home")
		pass(100 * time.Millisecond)
		in.MyMediaStatus().Mute(true)
		pass(10 * time.Second)
		if !closed || c.State() != StateDisconnected {
			t.Errorf("closed: %v; the door's call is %v", closed, c.State())
		}
		heard(t, home, "verified false", "connected false false", "disconnected appDestroy callee false")
	})
}

// TestCloseFromHandlersAtOnce: three handlers run, and close: none waits for
// another one.
func TestCloseFromHandlersAtOnce(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		home := w.node("home", "panel")
		returned := 0
		closes := func() {
			time.Sleep(time.Second) // until all three run
			home.kit.Close()
			home.mu.Lock()
			returned++
			home.mu.Unlock()
		}
		home.pushed(func(n *node, text string) {
			p, err := n.param(text)
			if err != nil {
				t.Error(err)
			}
			if p.CCParam.Caller().User == "shed" {
				closes()
				return
			}
			h := BackgroundHandler{OnVerified: func(*BackgroundCall, bool) { closes() }}
			if _, err := n.kit.VerifyBackgroundCall(p, h); err != nil {
				t.Error(err)
			}
		})
		for _, who := range []string{"door", "gate", "shed"} {
			w.node(who, "d").make("home")
			pass(time.Millisecond)
		}
		if pass(20 * time.Second); returned != 3 {
			t.Errorf("%d of the handlers that closed have returned", returned)
		}
	})
}
