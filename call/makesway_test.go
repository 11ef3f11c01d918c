package call

import (
	"testing"
	"time"
)

// TestMakesWay: a call whose caller does not answer the live check gives its
// place to another device's after a second, and no other call does.
func TestMakesWay(t *testing.T) {
	for _, tc := range []struct {
		name  string
		first func(w *world, home *node, dead *hostile) // what home has when the gate calls
		rings bool                                      // the gate's call
		ends  string                                    // of what it has
	}{
		{"unanswered for a while", func(_ *world, home *node, dead *hostile) {
			home.rings()
			dead.pushes("home")
			pass(1100 * time.Millisecond)
		}, true, "disconnected releasedCall transport false"},
		{"unanswered until now", func(_ *world, home *node, dead *hostile) {
			home.rings()
			dead.pushes("home")
			pass(500 * time.Millisecond)
		}, false, ""},
		{"declined, and its caller may hear that yet", func(_ *world, home *node, dead *hostile) {
			home.rings()
			dead.pushes("home")
			pass(1100 * time.Millisecond)
			home.call().End()
		}, false, ""},
		{"it rings", func(w *world, home *node, _ *hostile) {
			w.node("door", "d1").make("home")
			home.rings()
			pass(3 * time.Second)
		}, false, "verified false"},
		{"it was adopted", func(w *world, home *node, _ *hostile) {
			door := w.node("door", "d1")
			home.background()
			c := door.make("home")
			pass(500 * time.Millisecond)
			door.vanish()
			w.cut(true)
			if _, err := home.adopt(c.ID()); err != nil {
				w.t.Error(err)
			}
			home.rings()
			pass(3 * time.Second)
			w.t.Cleanup(func() { door.kit.Close() })
		}, false, "adopted"},
		{"beside one in the background", func(w *world, home *node, dead *hostile) {
			home.background()
			dead.pushes("home")
			pass(100 * time.Millisecond)
			home.rings()
			w.node("door", "d1").make("home")
			pass(3 * time.Second)
		}, false, "verified false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				gate, home, dead := w.node("gate", "g1"), w.node("home", "panel"), w.hostile("dead", "d")
				tc.first(w, home, dead)
				c := gate.make("home")
				pass(50 * time.Millisecond)
				if got := len(legsOf(c)) == 1 && legsOf(c)[0].ringing; got != tc.rings {
					t.Errorf("the other call rings: %v, want %v", got, tc.rings)
				}
				got := ""
				for _, e := range home.heard() {
					if e != "verified false" || !tc.rings {
						got = e
					}
				}
				if got != tc.ends {
					t.Errorf("it heard %v, want %q last", home.heard(), tc.ends)
				}
				if b := home.wait(); b != nil && tc.ends == "verified false" && b.State() != StateTrying {
					t.Errorf("the one in the background is %v", b.State())
				}
				gate.kit.Close()
			})
		})
	}
}
