package call

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestAdopterDies: a process that was granted a call dies before it has written
// a word of it. The ring is not lost: another process finds it, also while the
// first owner lives, and so does that one.
func TestAdopterDies(t *testing.T) {
	for _, tc := range []struct {
		name        string
		here, stops bool // the daemon itself adopts; it has stopped
		next        func(daemon, third *node) *node
	}{
		{"in another process, and a third takes it", false, false, func(_, third *node) *node { return third }},
		{"in another process, and the owner takes it back", false, false, func(daemon, _ *node) *node { return daemon }},
		{"in another process, and its owner has stopped", false, true, func(_, third *node) *node { return third }},
		{"here", true, false, func(_, third *node) *node { return third }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door, daemon := w.node("door", "d1"), w.node("home", "panel", incoming).keeps(dir, &p).background()
				app := w.node("home", "panel", incoming).keeps(dir, &p)
				defer app.kit.Close()
				defer daemon.kit.Close()
				c := door.make("home", func(p *MakeCallParam) { p.DeclineOnlyDevice = true })
				pass(time.Second)
				dies := app
				if tc.here {
					dies = daemon
				}
				dies.kit.journal.sync = func(*os.File) error { return syscall.EIO } // nothing that it writes comes to be
				if _, err := dies.adopt(c.ID()); err != nil {
					t.Fatal(err)
				}
				pass(100 * time.Millisecond)
				if ids, err := daemon.kit.PendingBackgroundCalls(); err != nil || len(ids) != 0 {
					t.Errorf("pending while its adopter lives: %v, %v", ids, err)
				}
				third := w.node("home", "panel", incoming).keeps(dir, &p)
				if _, err := third.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
					t.Errorf("adopted while its adopter lives: %v", err)
				}
				dies.die(&p)
				if tc.stops {
					daemon.kit.Close()
				}
				next := tc.next(daemon, third)
				if ids, err := next.kit.PendingBackgroundCalls(); err != nil || !slices.Equal(ids, []string{c.ID()}) {
					t.Fatalf("pending: %v, %v", ids, err)
				}
				in, err := next.adopt(c.ID())
				if err != nil {
					t.Fatal(err)
				}
				in.Accept(AcceptOptions{})
				pass(time.Second)
				if c.State() != StateConnected || c.Peer() != next.self || len(legsOf(c)) != 1 {
					t.Errorf("%v with %v, %d legs", c.State(), c.Peer(), len(legsOf(c)))
				}
				if _, err := third.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
					t.Errorf("adopted once more: %v", err)
				}
			})
		})
	}
}

// TestAdopterEndsUnheard: the adopter ends the call, by its user's wish or
// since its process stops, before its live check has reached the caller. The
// device's earlier leg must not ring on there.
func TestAdopterEndsUnheard(t *testing.T) {
	for _, tc := range []struct {
		name string
		busy bool // the adopter's process had said that it is busy
		end  func(app *node)
		want string
	}{
		{"declines", false, func(app *node) { app.call().End() }, "disconnected decline callee true"},
		{"was busy, declines", true, func(app *node) { app.call().End() }, "disconnected decline callee true"},
		{"stops", false, func(app *node) { app.kit.Close() }, "disconnected appDestroy callee true"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door, gate := w.node("door", "d1"), w.node("gate", "g1").rings()
				daemon, app := w.node("home", "panel").keeps(dir, &p).background(), w.node("home", "panel", func(c *Config) { c.NoCallWaiting = true }).keeps(dir, &p)
				if tc.busy {
					app.make("gate")
					pass(100 * time.Millisecond)
				}
				c := door.make("home", func(p *MakeCallParam) { p.DeclineOnlyDevice = true })
				pass(3 * time.Second)
				if tc.busy {
					gate.call().End()
					pass(time.Second)
				}
				if _, err := app.adopt(c.ID()); err != nil {
					t.Fatal(err)
				}
				w.set(func(w *world) { w.brokerDown = true })
				pass(100 * time.Millisecond)
				w.set(func(w *world) { w.brokerDown = false })
				tc.end(app)
				pass(5 * time.Second)
				if last(door) != tc.want {
					t.Errorf("the door heard %v, it is %v with %+v", door.heard(), c.State(), legsOf(c))
				}
				heard(t, daemon, "background verified false", "adopted")
			})
		})
	}
}

// TestReplaces: what a message says that it replaces are a few nonces.
func TestReplaces(t *testing.T) {
	for _, tc := range []struct {
		replaces string
		want     bool
	}{{`["a","b","c","d"]`, true}, {`["a","b","c","d","e"]`, false}, {`[""]`, false}, {`["a b"]`, false}} {
		for typ, body := range map[MessageType]string{TypeVerify: `{"nonce":"n","offer":"o","replaces":%s}`, TypeEnd: `{"reason":"decline","source":"callee","replaces":%s}`} {
			if _, err := DecodeBody(typ, fmt.Appendf(nil, body, tc.replaces)); (err == nil) != tc.want {
				t.Errorf("%s that replaces %s: %v", typ, tc.replaces, err)
			}
		}
	}
}
