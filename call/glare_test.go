package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (n *node) nextID(id string) *node { n.kit.callID = func() string { return id }; return n }

// TestGlare: two users call each other; whatever the network does, one call
// connects them, on the two devices that called.
func TestGlare(t *testing.T) {
	const second = time.Second
	for _, tc := range []struct {
		name  string
		setup func(w *world)
		gap   time.Duration // between the two calls
		heal  time.Duration // when the network is good again
	}{
		{"at the same moment", nil, 0, 0},
		{"one while the other rings", nil, 500 * time.Microsecond, 0},
		{"reordered", func(w *world) { w.jitter = 700 * time.Millisecond }, 0, 0},
		{"repeated and reordered", func(w *world) { w.repeat, w.jitter = 0.6, 300*time.Millisecond }, time.Millisecond / 2, 0},
		{"lossy", func(w *world) { w.loss, w.jitter = 0.4, 100*time.Millisecond }, 0, 0},
		{"nothing arrives for 3 s", func(w *world) { w.loss = 1 }, second, 3 * second},
	} {
		for _, ids := range [][2]string{{"a", "b"}, {"b", "a"}} {
			t.Run(tc.name+" "+ids[0]+ids[1], func(t *testing.T) {
				for seed := range int64(10) {
					in(t, func(t *testing.T, w *world) {
						w.rng.Seed(seed)
						if tc.setup != nil {
							tc.setup(w)
						}
						ann, bob := w.node("ann", "a1").rings().nextID(ids[0]), w.node("bob", "b1").rings().nextID(ids[1])
						ann2, bob2 := w.node("ann", "a2").rings(), w.node("bob", "b2").rings()
						a := ann.make("bob")
						pass(tc.gap)
						b := bob.make("ann")
						pass(tc.heal)
						w.set(func(w *world) {
							if tc.heal != 0 {
								w.loss = 0
							}
						})
						pass(9 * time.Second)
						winner, loser, won, lost := ann, bob, a, b
						if ids[1] < ids[0] {
							winner, loser, won, lost = bob, ann, b, a
						}
						if won.State() != StateConnected || lost.State() != StateDisconnected {
							t.Fatalf("seed %d: survivor %v, loser %v; %v heard %v, %v heard %v", seed, won.State(), lost.State(), winner.self.User, winner.heard(), loser.self.User, loser.heard())
						}
						in := loser.call()
						if in == nil || in.ID() != won.ID() || in.State() != StateConnected {
							t.Fatalf("seed %d: the losing device has %+v", seed, in)
						}
						want := Disconnected{Reason: ReasonAlreadyGotACall, Source: SourceTransport}
						if d := cmp.Diff([]Disconnected{want}, loser.ends); d != "" {
							t.Errorf("seed %d: %s", seed, d)
						}
						// a push that was late finds, live, that its call is over
						if h := winner.heard(); slices.Contains(h, "verified false") || len(winner.ends) > 0 && winner.ends[0].Reason != ReasonReleasedCall {
							t.Errorf("seed %d: the survivor's device heard %v", seed, h)
						}
						if !won.WriteFrame([]byte{1}, 480) || !in.WriteFrame([]byte{1}, 480) {
							t.Errorf("seed %d: no voice", seed)
						}
						for _, n := range []*node{ann2, bob2} {
							if c := n.call(); c != nil && c.State() != StateDisconnected {
								t.Errorf("seed %d: %s still rings: %v", seed, n.self.Device, n.heard())
							}
						}
						// after OnVerified, by itself
						h := loser.heard()
						v, c := slices.Index(h, "verified false"), slices.Index(h, "connected false false")
						if v < 0 || c < v {
							t.Errorf("seed %d: the loser heard %v", seed, h)
						}
					})
				}
			})
		}
	}
}

// TestGlareByVerify: the application made its call before it verified the
// other one, whose push it already had.
func TestGlareByVerify(t *testing.T) {
	for _, tc := range []struct {
		mine, theirs string
		survives     string
	}{{"b", "a", "theirs"}, {"a", "b", "mine"}} {
		t.Run(tc.survives, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door, home := w.node("door", "d1").rings().nextID(tc.theirs), w.node("home", "panel").nextID(tc.mine)
				var cc string
				home.onPush = func(_ *node, s string) { cc = s }
				theirs := door.make("home")
				pass(10 * time.Millisecond)
				w.set(func(w *world) { w.loss = 1 }) // no further push helps
				mine := home.make("door")
				_, err := home.verify(cc)
				if tc.survives == "mine" != errors.Is(err, StartAlreadyExist) {
					t.Errorf("VerifyCall: %v", err)
				}
				w.set(func(w *world) { w.loss = 0 })
				home.rings()
				pass(3 * time.Second)
				if tc.survives == "mine" {
					theirs, mine = mine, theirs
				}
				if theirs.State() != StateConnected || mine.State() != StateDisconnected {
					t.Errorf("survivor %v, other %v: door %v, home %v", theirs.State(), mine.State(), door.heard(), home.heard())
				}
			})
		})
	}
}

// TestGlareLate: what was called before the other call connected, and heard of
// after that, ends as in any glare.
func TestGlareLate(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		ann, bob2 := w.node("ann", "a1").rings(), w.node("bob", "b2").rings()
		a := ann.make("bob")
		pass(100 * time.Millisecond)
		// bob's other device has been calling for 10 s, unheard
		sent := 0
		bob1 := w.node("bob", "b1")
		bob := bob1.self
		bob1.Listen(func(b []byte) {
			if strings.Contains(string(b), `"reason":"alreadyGotACall"`) {
				sent++
			}
		})
		bob2.call().Accept(AcceptOptions{})
		pass(time.Second)
		push := func(age int) {
			ann.inject(bob, "z", "", TypePush, fmt.Sprintf(`{"cc_param":%q,"age_ms":%d}`, CCParam{"z", bob}, age))
			pass(100 * time.Millisecond)
		}
		push(10_000)
		if ann.pushes != 0 || sent != 1 {
			t.Errorf("%d pushes told, %d answers: the older call must end", ann.pushes, sent)
		}
		push(500)
		if ann.pushes != 1 || sent != 1 {
			t.Errorf("%d pushes told, %d answers: the later call waits", ann.pushes, sent)
		}
		if a.State() != StateConnected {
			t.Error("the connected call ended")
		}
	})
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel")
		c := door.make("home")
		pass(10 * time.Millisecond)
		door.inject(home.self, c.ID(), "", TypeEnd, `{"reason":"alreadyGotACall","source":"transport"}`)
		pass(10 * time.Millisecond)
		if got := last(door); got != "disconnected alreadyGotACall transport false" {
			t.Errorf("heard %v", door.heard())
		}
	})
}

// TestGlareSurvivorHoldsThePlace: between the loser's end and VerifyCall of
// the survivor the device is in no other call.
func TestGlareSurvivorHoldsThePlace(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		ann, bob := w.node("ann", "a1").rings().nextID("a"), w.node("bob", "b1").nextID("b")
		var cc string
		bob.onPush = func(_ *node, s string) { cc = s }
		a := ann.make("bob")
		b := bob.make("ann")
		pass(10 * time.Millisecond)
		if b.State() != StateDisconnected || cc == "" {
			t.Fatalf("the loser is %v", b.State())
		}
		if _, err := bob.kit.MakeCall(MakeCallParam{MyUserID: "bob", MyServiceID: "house", PeerUserID: "x", PeerServiceID: "house", AccessToken: "token"}, Handler{}); !errors.Is(err, StartAlreadyExist) {
			t.Errorf("MakeCall: %v", err)
		}
		third := w.node("shop", "s1")
		third.make("bob")
		pass(3 * time.Second)
		if got := last(third); got != "disconnected busy callee true" {
			t.Errorf("a third heard %v", third.heard())
		}
		if _, err := bob.verify(cc); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if a.State() != StateConnected {
			t.Errorf("the survivor is %v", a.State())
		}
	})
	in(t, func(t *testing.T, w *world) { // an application that does not verify
		ann, bob := w.node("ann", "a1").rings().nextID("a"), w.node("bob", "b1").nextID("b")
		ann.make("bob")
		bob.make("ann")
		pass(6 * time.Second)
		bob.nextID("c").make("x")
	})
}

// TestGlareInGroup: the group makes way as a whole.
func TestGlareInGroup(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, bob := w.node("door", "d1").rings(), w.node("bob", "panel").rings()
		door.makeGroup(nil, GroupMember{UserID: "ann"}, GroupMember{UserID: "bob"}, GroupMember{UserID: "cid", After: time.Minute})
		pass(100 * time.Millisecond)
		ann := w.node("ann", "panel").rings().nextID("0")
		a := ann.make("door")
		pass(2 * time.Second)
		if a.State() != StateConnected {
			t.Errorf("the survivor is %v: door %v, ann %v", a.State(), door.heard(), ann.heard())
		}
		if got := last(bob); got != "disconnected cancel caller true" || bob.ends[0].AnsweredBy != "ann/panel" {
			t.Errorf("bob heard %v", bob.heard())
		}
		if !slices.Contains(door.heard(), "over alreadyGotACall transport false") {
			t.Errorf("door heard %v", door.heard())
		}
	})
}
