package call

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"
)

// TestOneDeviceRingsOnce: a process of a device that hears the push of a call
// which another one has makes no second leg and does not ring, and rings when
// that one is killed; there is one leg again then.
func TestOneDeviceRingsOnce(t *testing.T) {
	another := func(edit ...func(*Config)) func(*world, string, *pipes) *node {
		return func(w *world, dir string, p *pipes) *node { return w.node("home", "panel", edit...).keeps(dir, p) }
	}
	for _, tc := range []struct {
		name   string
		first  func(*node) *node
		adopts bool
		// the process that adopts the call; nil: the first
		taker func(w *world, dir string, p *pipes) *node
	}{
		{"a station", (*node).rings, false, nil},
		{"a daemon", (*node).background, false, nil},
		{"a daemon that has adopted its call", (*node).background, true, nil},
		{"an adopter that is kept", (*node).background, true, another(incoming)},
		{"an adopter that is not kept", (*node).background, true, another()},
	} {
		for name, second := range map[string]func(*node) *node{"by VerifyCall": (*node).rings, "in the background": (*node).background} {
			t.Run(tc.name+", another verifies "+name, func(t *testing.T) {
				dir := t.TempDir()
				in(t, func(t *testing.T, w *world) {
					var p pipes
					door := w.node("door", "d1")
					has := tc.first(w.node("home", "panel", incoming).keeps(dir, &p))
					defer has.kit.Close()
					c := door.make("home", func(p *MakeCallParam) { p.DeclineOnlyDevice = true })
					pass(500 * time.Millisecond)
					daemon := has
					if tc.taker != nil {
						has = tc.taker(w, dir, &p)
						defer has.kit.Close()
					}
					if tc.adopts {
						c, err := has.adopt(c.ID())
						if err != nil {
							t.Fatal(err)
						}
						c.Ringing()
					}
					if has != daemon {
						daemon.kit.Close() // else it hears the push, too
					}
					other := second(w.node("home", "panel", incoming).keeps(dir, &p))
					pass(4 * time.Second)
					if legs := legsOf(c); len(legs) != 1 || legs[0].addr != has.self || !legs[0].ringing {
						t.Errorf("legs while it rings: %+v", legs)
					}
					if len(other.heard()) != 0 || other.pushes != 0 || other.kit.Counters()["elsewhere"] == 0 {
						t.Errorf("the other heard %d pushes, %v; counted %v", other.pushes, other.heard(), other.kit.Counters())
					}
					has.die(&p)
					pass(1200 * time.Millisecond)
					if legs := legsOf(c); len(legs) != 1 || legs[0].addr != other.self || !legs[0].ringing {
						t.Fatalf("legs when its process is dead: %+v", legs)
					}
					answers(t, other, c)
				})
			})
		}
	}
}

// answers lets a process accept the call that rings there.
func answers(t *testing.T, n *node, c *Call) {
	t.Helper()
	if n.wait() != nil {
		if _, err := n.adopt(c.ID()); err != nil {
			t.Fatal(err)
		}
	}
	n.call().Accept(AcceptOptions{})
	pass(100 * time.Millisecond)
	if c.State() != StateConnected || c.Peer() != n.self || !n.call().WriteFrame([]byte{1}, 480) {
		t.Errorf("%v with %v", c.State(), c.Peer())
	}
}

// TestTwoHearOnePush: of several processes that hear the first push together
// one rings, and when that one is killed, another, until none is left. A process
// of another device in the same folder rings all the while.
func TestTwoHearOnePush(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door := w.node("door", "d1")
		panel := map[Address]*node{}
		for range 3 {
			n := w.node("home", "panel", incoming).keeps(dir, &p).rings()
			defer n.kit.Close()
			panel[n.self] = n
		}
		hall := w.node("home", "hall").keeps(dir, &p).rings()
		c := door.make("home")
		for len(panel) > 0 {
			pass(3 * time.Second)
			var rings []leg
			for _, l := range legsOf(c) {
				if l.addr.Device == "panel" {
					rings = append(rings, l)
				}
			}
			if len(rings) != 1 || !rings[0].ringing || panel[rings[0].addr] == nil || hall.call().State() != StateVerified {
				t.Fatalf("with %d processes: legs %+v", len(panel), legsOf(c))
			}
			panel[rings[0].addr].die(&p)
			delete(panel, rings[0].addr)
		}
	})
}

// TestBackToItsOwner: a process that was granted a call is killed, or stops,
// while the caller still rings: the call comes back to the daemon that had it,
// unless it was declined.
func TestBackToItsOwner(t *testing.T) {
	for _, tc := range []struct {
		name string
		keep []func(*Config)
		ends func(app *node, p *pipes)
		back bool
	}{
		{"killed", nil, (*node).die, true},
		{"killed, it was kept", []func(*Config){incoming}, (*node).die, true},
		{"stops", nil, func(app *node, _ *pipes) { app.kit.Close() }, true},
		{"stops, it was kept", []func(*Config){incoming}, func(app *node, _ *pipes) { app.kit.Close() }, true},
		{"declines", nil, func(app *node, _ *pipes) { app.call().End(); pass(3 * time.Second) }, false},
		{"declines and stops", nil, func(app *node, _ *pipes) { app.call().End(); app.kit.Close() }, false},
		{"declines and stops, it was kept", []func(*Config){incoming}, func(app *node, _ *pipes) { app.call().End(); pass(time.Second); app.kit.Close() }, false},
		{"declines and is killed", nil, func(app *node, p *pipes) { app.call().End(); pass(time.Second); app.die(p) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				hall := w.node("home", "hall").rings() // so that the call goes on
				daemon := w.node("home", "panel").keeps(dir, &p).background()
				c := w.node("door", "d1").make("home", func(p *MakeCallParam) { p.DeclineOnlyDevice = true })
				pass(500 * time.Millisecond)
				app := w.node("home", "panel", tc.keep...).keeps(dir, &p)
				defer app.kit.Close()
				if _, err := app.adopt(c.ID()); err != nil {
					t.Fatal(err)
				}
				pass(3 * time.Second)
				heard(t, daemon, "background verified false", "adopted")
				tc.ends(app, &p)
				pass(3 * time.Second)
				if got := daemon.wait().State() == StateVerified; got != tc.back {
					t.Errorf("it rings in the daemon again: %v; that heard %v", got, daemon.heard())
				}
				next := w.node("home", "panel").keeps(dir, &p).rings() // one that starts anew knows as much
				pass(3 * time.Second)
				if next.call() != nil {
					t.Errorf("one that starts anew heard %v", next.heard())
				}
				if hall.call().State() != StateVerified {
					t.Error("the other device rings no more")
				}
				if tc.back {
					answers(t, daemon, c)
				}
			})
		})
	}
}

// TestDeclinedElsewhere: what the user declined in one process of a device rings
// in no other, also when that one is gone, and for as long as the caller rings
// others. What ended by itself there rings.
func TestDeclinedElsewhere(t *testing.T) {
	for _, tc := range []struct {
		name  string
		ends  func(first *node, p *pipes)
		rings bool
	}{
		{"declined", func(first *node, _ *pipes) { first.call().End() }, false},
		{"declined, and stopped", func(first *node, _ *pipes) { first.call().End(); first.kit.Close() }, false},
		{"declined, and killed", func(first *node, p *pipes) { first.call().End(); pass(time.Second); first.die(p) }, false},
		{"stopped", func(first *node, _ *pipes) { first.kit.Close() }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door, hall := w.node("door", "d1"), w.node("home", "hall").rings()
				first := w.node("home", "panel", incoming).keeps(dir, &p).rings()
				defer first.kit.Close()
				c := door.make("home", func(p *MakeCallParam) { p.DeclineOnlyDevice = true; p.RingTime = 12 * time.Minute })
				pass(500 * time.Millisecond)
				second := w.node("home", "panel", incoming).keeps(dir, &p).rings()
				pass(2 * time.Second)
				cc := first.call().param.CCParam.String()
				tc.ends(first, &p)
				pass(2 * time.Second)
				for range 3 { // other calls make the journal forget what is old
					gate := w.node("gate", "g1").make("home")
					pass(time.Second)
					gate.End()
					pass(3 * time.Minute)
				}
				third := w.node("home", "panel").keeps(dir, &p).rings()
				pass(2 * time.Second)
				rings := func(n *node) bool {
					return slices.ContainsFunc(n.calls, func(in *Call) bool { return in.ID() == c.ID() })
				}
				if rings(second) != tc.rings || rings(third) {
					t.Errorf("the second heard %v, the third %v", second.heard(), third.heard())
				}
				_, err := third.verify(cc)
				if want := map[bool]StartFailReason{false: StartReuse, true: StartInvalidState}[tc.rings]; tc.name != "declined" && !errors.Is(err, want) {
					t.Errorf("verified: %v, want %v", err, want)
				}
				if hall.calls[0].State() != StateVerified {
					t.Error("the hall rings no more")
				}
			})
		})
	}
}

// TestElsewhereRefused: who verifies what another process has is told so, and
// gets its push again when that one is dead; the survivor of a glare it verifies
// at once.
func TestElsewhereRefused(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		app := w.node("home", "panel").keeps(dir, &p)
		w.node("door", "d1").make("home")
		pass(500 * time.Millisecond) // it hears the push, and does nothing yet
		daemon := w.node("home", "panel").keeps(dir, &p).background()
		defer daemon.kit.Close()
		pass(time.Second)
		param := daemon.wait().c.param
		if _, err := app.kit.VerifyCall(param, app.handler()); !errors.Is(err, StartInvalidState) {
			t.Errorf("verified beside another process: %v", err)
		}
		if _, err := app.kit.VerifyBackgroundCall(param, BackgroundHandler{}); !errors.Is(err, StartInvalidState) {
			t.Errorf("verified in the background beside another process: %v", err)
		}
		pass(3 * time.Second)
		if app.pushes != 1 {
			t.Error("its repeated push is told while another process has the call")
		}
		daemon.die(&p)
		pass(time.Second)
		if app.pushes != 2 {
			t.Errorf("%d pushes told, 2 wanted", app.pushes)
		}
		if _, err := app.kit.VerifyCall(param, app.handler()); err != nil {
			t.Errorf("verified after its death: %v", err)
		}
	})
	in(t, func(t *testing.T, w *world) {
		var p pipes
		ann := w.node("ann", "a1").rings().nextID("a")
		daemon := w.node("bob", "b1").keeps(t.TempDir(), &p).background()
		dir := daemon.kit.journal.dir
		a := ann.make("bob")
		pass(500 * time.Millisecond)
		app := w.node("bob", "b1").keeps(dir, &p).rings().nextID("b")
		app.make("ann")
		pass(2 * time.Second)
		if a.State() != StateConnected || a.Peer() != app.self {
			t.Errorf("the survivor is %v with %v", a.State(), a.Peer())
		}
		heard(t, daemon, "background verified false", "background disconnected multiDeviceAnswer")
	})
}

// TestNeverNobodys: while a call changes hands no process that hears its push
// can take it: its adopter has it before the owner lets go. An adoption that
// fails leaves nothing behind, nor does a call that is forgotten.
func TestNeverNobodys(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		daemon, c := rung(t, w, dir, &p)
		app, third := w.node("home", "panel", incoming).keeps(dir, &p), w.node("home", "panel").keeps(dir, &p)
		taken := func(by *node, id string) bool {
			by.kit.mu.Lock()
			defer by.kit.mu.Unlock()
			return by.kit.elsewhere(id)
		}
		param, at, has := daemon.wait().c.param, place(daemon.self, c.ID()), daemon.kit.journal.owners
		asked := false
		dial := app.kit.journal.dial
		app.kit.journal.dial = func(n, path string, d time.Duration) (conn net.Conn, err error) {
			if has.free(at); !taken(third, c.ID()) {
				t.Error("its adopter has not got it when it asks")
			}
			if _, err := app.kit.VerifyCall(param, Handler{}); !errors.Is(err, StartInvalidState) {
				t.Errorf("verified while it is adopted: %v", err)
			}
			asked = has.take(at, false)
			return dial(n, path, d)
		}
		if _, err := app.adopt(c.ID()); err != nil || !asked {
			t.Fatal(err, asked)
		}
		pass(time.Second)
		if _, err := third.adopt("never"); !errors.Is(err, ErrNoSuchCall) || taken(app, "never") {
			t.Errorf("an adoption that failed left it taken: %v", err)
		}
		if _, err := third.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) || taken(app, c.ID()) || !taken(third, c.ID()) {
			t.Errorf("an adoption that was too late: %v", err)
		}
		c.End()
		pass(time.Second)
		if !taken(third, c.ID()) {
			t.Error("it is nobody's as soon as it is over: its late push would ring")
		}
		pass(2*DefaultRingTime + time.Second)
		if taken(third, c.ID()) {
			t.Error("it is taken when it was forgotten")
		}
	})
	in(t, func(t *testing.T, w *world) { // nobody but its adopter has it then
		var p pipes
		daemon, c := rung(t, w, t.TempDir(), &p)
		defer daemon.kit.Close()
		third := w.node("home", "panel").keeps(daemon.kit.journal.dir, &p)
		app := w.node("home", "panel").keeps(daemon.kit.journal.dir, &p)
		defer app.kit.Close()
		if _, err := app.adopt(c.ID()); err != nil {
			t.Fatal(err)
		}
		daemon.vanish() // else it takes it back
		app.die(&p)
		third.rings()
		if pass(2 * time.Second); third.call() == nil {
			t.Error("a third process does not ring when its adopter is dead")
		}
	})
}
