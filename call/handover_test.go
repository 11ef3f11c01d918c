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
				takes(t, next, c)
				if _, err := third.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
					t.Errorf("adopted once more: %v", err)
				}
			})
		})
	}
}

// TestAdoptersDieInARow: so do several, one after the other.
func TestAdoptersDieInARow(t *testing.T) {
	for name, lives := range map[string]time.Duration{"the caller has heard of each": 100 * time.Millisecond, "of none": 0} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				daemon, c := rung(t, w, dir, &p)
				defer daemon.kit.Close()
				daemon.die(&p)
				for range maxReplaces - 2 { // the most that one live check replaces, with the daemon's and its adopter's
					app := w.node("home", "panel").keeps(dir, &p)
					defer app.kit.Close()
					app.kit.journal.sync = func(*os.File) error { return syscall.EIO } // it comes to write nothing
					if _, err := app.adopt(c.ID()); err != nil {
						t.Fatal(err)
					}
					pass(lives)
					app.die(&p)
				}
				last := w.node("home", "panel").keeps(dir, &p)
				takes(t, last, c)
			})
		})
	}
}

// TestQueuedEntryOfTheOwner: the owner's first entry waits for the disk while it
// grants the call. It must not take the place of the adopter's; but if that one
// dies before it has written any, it is what others find.
func TestQueuedEntryOfTheOwner(t *testing.T) {
	for _, tc := range []struct {
		name          string
		writes, stops bool // the adopter; the owner
	}{
		{"the adopter has written", true, false},
		{"the adopter has written, and the owner stops", true, true},
		{"the adopter dies before", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door := w.node("door", "d1")
				daemon, app := w.node("home", "panel").keeps(dir, &p).background(), w.node("home", "panel", incoming).keeps(dir, &p)
				defer app.kit.Close()
				if !tc.writes {
					app.kit.journal.sync = func(*os.File) error { return syscall.EIO }
				}
				daemon.kit.journal.turn <- struct{}{}
				c := door.make("home")
				pass(100 * time.Millisecond)
				if _, err := app.adopt(c.ID()); err != nil {
					t.Fatal(err)
				}
				pass(100 * time.Millisecond)
				if tc.stops {
					go daemon.kit.Close() // it waits for the journal
					pass(100 * time.Millisecond)
				}
				<-daemon.kit.journal.turn
				pass(100 * time.Millisecond)
				data, err := os.ReadFile(daemon.kit.journal.path(c.ID()))
				if err != nil {
					t.Fatal(err)
				}
				e, err := parseEntry(data)
				if want := map[bool]Address{true: app.self, false: daemon.self}[tc.writes]; err != nil || e.Owner != want {
					t.Errorf("the entry is of %v, %v; want %v", e.Owner, err, want)
				}
				app.die(&p)
				last := w.node("home", "panel").keeps(dir, &p)
				takes(t, last, c)
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

// takes lets a process adopt and accept a call, which must then be with it alone.
func takes(t *testing.T, n *node, c *Call) {
	t.Helper()
	in, err := n.adopt(c.ID())
	if err != nil {
		t.Fatal(err)
	}
	in.Accept(AcceptOptions{})
	pass(time.Second)
	if c.State() != StateConnected || c.Peer() != n.self || len(legsOf(c)) != 1 {
		t.Errorf("%v with %v, %d legs; who took it heard %v", c.State(), c.Peer(), len(legsOf(c)), n.heard())
	}
}
