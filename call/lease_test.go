package call

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestLeaseOfLatePushes: pushes that a stalled link held back do not renew the
// ring's lease for longer than they would have in time. Else a ring would
// sound for up to 5 s more than its caller has been dead.
func TestLeaseOfLatePushes(t *testing.T) {
	for _, stall := range []time.Duration{1600 * time.Millisecond, 3 * time.Second, 4800 * time.Millisecond} {
		t.Run(stall.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newSim(1)
				kit := func(user string, onPush func(*Kit, string)) (*line, *Kit) {
					l := m.line(Address{"house", user, "d", "s"})
					var k *Kit
					k, err := NewKit(Config{Self: l.self, Transport: l, Sealer: plainSealer{}, Media: l, OnPush: func(cc string) { onPush(k, cc) }})
					if err != nil {
						t.Fatal(err)
					}
					m.join(l)
					return l, k
				}
				door, caller := kit("door", nil)
				var silent time.Time
				home, callee := kit("home", func(k *Kit, cc string) {
					p, err := ParseCCParam(cc)
					if err != nil {
						t.Error(err)
					}
					if _, err := k.VerifyCall(VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: p}, Handler{
						OnVerified:     func(c *Call, _ bool) { c.Ringing() },
						OnDisconnected: func(*Call, Disconnected) { silent = time.Now() },
					}); err != nil {
						t.Error(err)
					}
				})
				if _, err := caller.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token"}, Handler{}); err != nil {
					t.Fatal(err)
				}
				pass(3100 * time.Millisecond)
				if !silent.IsZero() {
					t.Fatal("it does not ring")
				}
				m.set(func() { home.stalled = true })
				pass(1500 * time.Millisecond) // two more pushes
				dead := time.Now()
				door.die()
				caller.Close()
				pass(stall - 1500*time.Millisecond)
				m.heal()
				pass(15 * time.Second)
				if rang := silent.Sub(dead); rang > leaseTime+50*time.Millisecond || rang < 2*time.Second {
					t.Errorf("it rang for %v after its caller's death", rang)
				}
				callee.Close()
			})
		})
	}
}

// TestLeaseOfReorderedPushes: a push that comes late, after a newer one, does
// not shorten the lease either.
func TestLeaseOfReorderedPushes(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(3100 * time.Millisecond)
		w.cut(true)
		door.vanish()
		push := func(age time.Duration) {
			cc := CCParam{c.ID(), door.self}
			home.inject(door.self, c.ID(), "", TypePush, fmt.Sprintf(`{"cc_param":%q,"age_ms":%d}`, cc, age.Milliseconds()))
		}
		pass(900 * time.Millisecond) // at 4 s
		push(4 * time.Second)
		pass(time.Second)
		push(2 * time.Second)
		pass(3500 * time.Millisecond)
		if got := home.call().State(); got != StateVerified {
			t.Errorf("4.5 s after the last push: %v", got)
		}
		pass(600 * time.Millisecond)
		if got := last(home); got != "disconnected releasedCall transport false" {
			t.Errorf("5.1 s after the last push: %v", got)
		}
		w.set(func(w *world) { w.nodes = append(w.nodes, door) }) // to be closed
	})
}

// TestLeaseByDataChannel: where the broker is gone, what the caller says by the
// data channel is the ring's lease.
func TestLeaseByDataChannel(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.node("door", "d1").make("home")
		home := w.node("home", "panel").rings()
		pass(2 * time.Second)
		w.set(func(w *world) { w.brokerDown = true })
		if pass(12 * time.Second); home.call().State() != StateVerified {
			t.Fatalf("heard %v", home.heard())
		}
		w.set(func(w *world) { w.pathDown = true })
		if pass(leaseTime + time.Second); last(home) != "disconnected releasedCall transport false" {
			t.Errorf("heard %v", home.heard())
		}
	})
}
