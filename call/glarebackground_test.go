package call

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestGlareInBackground: the survivor is verified in the background, before or
// after this device made its own call. It rings; who adopts it, wherever, has
// accepted it by that.
func TestGlareInBackground(t *testing.T) {
	type adopter = func(bob, app *node, p *pipes) *node
	var here adopter = func(bob, _ *node, _ *pipes) *node { return bob }
	var elsewhere adopter = func(_, app *node, _ *pipes) *node { return app }
	var afterKill adopter = func(bob, app *node, p *pipes) *node { bob.die(p); return app }
	for _, tc := range []struct {
		name  string
		first bool          // its push comes first, and is verified
		wait  time.Duration // from this device's call to the adoption
		adopt adopter       // nil: VerifyCall takes it over
	}{
		{"here", false, 100 * time.Millisecond, here},
		{"by VerifyCall", false, 100 * time.Millisecond, nil},
		{"in another process", false, 100 * time.Millisecond, elsewhere},
		{"of a dead process", false, 100 * time.Millisecond, afterKill},
		{"verified before, here", true, 2 * time.Second, here},
		{"verified before, adopted at once", true, 0, here},
		{"verified before, by VerifyCall at once", true, 0, nil},
		{"verified before, in another process", true, 2 * time.Second, elsewhere},
		{"verified before, of a dead process", true, 2 * time.Second, afterKill},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				ann, bob := w.node("ann", "a1").rings().nextID("a"), w.node("bob", "b1").keeps(dir, &p).background().nextID("b")
				app := w.node("bob", "b1").keeps(dir, &p)
				defer bob.kit.Close() // also when it has died
				a := ann.make("bob")
				if tc.first {
					pass(100 * time.Millisecond)
				}
				bob.make("ann")
				pass(tc.wait)
				if tc.wait > 0 && (len(bob.ends) != 1 || bob.ends[0].Reason != ReasonAlreadyGotACall || bob.wait().State() != StateVerified) {
					t.Fatalf("bob heard %v", bob.heard())
				}
				if tc.wait > 0 && a.State() != StateWaitAnswer {
					t.Errorf("the survivor is %v before anybody can talk", a.State())
				}
				who, err := bob, error(nil)
				if tc.adopt == nil {
					_, err = bob.verify(bob.wait().c.param.CCParam.String())
				} else {
					who = tc.adopt(bob, app, &p)
					_, err = who.adopt("a")
				}
				if err != nil {
					t.Fatal(err)
				}
				pass(time.Second)
				if a.State() != StateConnected || a.Peer() != who.self || !a.WriteFrame([]byte{1}, 480) || !who.call().WriteFrame([]byte{1}, 480) {
					t.Errorf("the survivor is %v with %v: ann heard %v, bob %v", a.State(), a.Peer(), ann.heard(), bob.heard())
				}
				if !slices.Contains(bob.heard(), "disconnected alreadyGotACall transport false") && who == bob {
					t.Errorf("bob heard %v", bob.heard())
				}
			})
		})
	}
}

// TestGlareSurvivorOfADeadProcess: the survivor's process is killed, and its
// repeated push is verified anew: it is still accepted by that, or by who adopts it.
func TestGlareSurvivorOfADeadProcess(t *testing.T) {
	for name, background := range map[string]bool{"by VerifyCall": false, "in the background": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				ann, bob := w.node("ann", "a1").rings().nextID("a"), w.node("bob", "b1").keeps(dir, &p).background().nextID("b")
				defer bob.kit.Close()
				a := ann.make("bob")
				bob.make("ann")
				pass(100 * time.Millisecond)
				bob.die(&p)
				next := w.node("bob", "b1").keeps(dir, &p)
				if background {
					next.background()
				} else {
					next.rings()
				}
				pass(2 * time.Second)
				if background {
					if a.State() != StateWaitAnswer {
						t.Errorf("the survivor is %v before anybody can talk", a.State())
					}
					if _, err := next.adopt("a"); err != nil {
						t.Fatal(err)
					}
					pass(time.Second)
				}
				if a.State() != StateConnected || a.Peer() != next.self {
					t.Errorf("the survivor is %v with %v: ann heard %v, bob %v", a.State(), a.Peer(), ann.heard(), next.heard())
				}
			})
		})
	}
}

// TestGlareBackgroundMakesWay: this device's own call survives; the one in the
// background ends, or does not start.
func TestGlareBackgroundMakesWay(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		ann, bob := w.node("ann", "a1").rings().nextID("b"), w.node("bob", "b1").background().nextID("a")
		ann.make("bob")
		pass(100 * time.Millisecond)
		b := bob.make("ann")
		pass(2 * time.Second)
		if b.State() != StateConnected || ann.call().State() != StateConnected {
			t.Errorf("the survivor is %v: ann %v, bob %v", b.State(), ann.heard(), bob.heard())
		}
		if !slices.Contains(bob.heard(), "background disconnected alreadyGotACall") {
			t.Errorf("bob heard %v", bob.heard())
		}
	})
	in(t, func(t *testing.T, w *world) { // VerifyBackgroundCall is the first to notice
		for _, mine := range []string{"a", "c"} {
			door, home := w.node("door", "d"+mine).nextID("b"), w.node("home", "p"+mine).nextID(mine)
			var cc CCParam
			home.onPush = func(_ *node, s string) { cc, _ = ParseCCParam(s) }
			door.make("home")
			pass(10 * time.Millisecond)
			w.set(func(w *world) { w.loss = 1 })
			own := home.make("door")
			_, err := home.kit.VerifyBackgroundCall(VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: cc}, BackgroundHandler{})
			if mine == "a" && (!errors.Is(err, StartAlreadyExist) || own.State() == StateDisconnected) || mine == "c" && (err != nil || own.State() != StateDisconnected) {
				t.Errorf("own call %s: %v, it is %v", mine, err, own.State())
			}
			w.set(func(w *world) { w.loss = 0 })
			door.kit.Close()
			home.kit.Close()
		}
	})
}
