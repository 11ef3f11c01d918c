package call

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// in runs f in a bubble with a world that is closed at the end; a goroutine
// left behind fails the bubble.
func in(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		f(t, w)
	})
}

func TestOneCall(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home", func(p *MakeCallParam) { p.AppData = []byte("cam=1"); p.StartMessage = "parcel" })
		pass(100 * time.Millisecond)
		if got := c.State(); got != StateWaitAnswer {
			t.Fatalf("caller is %v, want waitAnswer", got)
		}
		in := home.call()
		if got := string(in.AppData()) + in.StartMessage(); got != "cam=1parcel" {
			t.Errorf("app data and message: %q", got)
		}
		if in.WriteFrame([]byte{1}, 480) {
			t.Error("a frame left before accept")
		}
		if !in.Accept(AcceptOptions{}) {
			t.Fatal("Accept refused")
		}
		if in.Accept(AcceptOptions{}) {
			t.Error("second Accept was taken")
		}
		pass(50 * time.Millisecond)
		if !c.WriteFrame([]byte{1}, 480) || !in.WriteFrame([]byte{1}, 480) {
			t.Error("no voice while connected")
		}
		c.MyMediaStatus().Mute(true)
		if c.WriteFrame([]byte{1}, 480) {
			t.Error("a muted microphone was sent")
		}
		pass(50 * time.Millisecond)
		c.MyMediaStatus().Mute(false)
		in.RequestOpen()
		pass(50 * time.Millisecond)
		if !c.AnswerOpen(true, "") || c.AnswerOpen(true, "") {
			t.Error("AnswerOpen must be taken once")
		}
		pass(50 * time.Millisecond)
		in.Hold("one moment")
		pass(50 * time.Millisecond)
		if c.WriteFrame([]byte{1}, 480) {
			t.Error("voice during hold")
		}
		in.Unhold()
		pass(time.Second)
		if !in.End() || in.End() {
			t.Error("End must be true once")
		}
		pass(3 * time.Second)
		want := []string{"waitConnected", "acknowledged panel", "connected false false", "openRequest", "peerHold one moment", "peerUnhold", "disconnected normal callee true"}
		if d := cmp.Diff(want, door.heard()); d != "" {
			t.Errorf("door heard (-want +got):\n%s", d)
		}
		want = []string{"verified false", "connected false false", "peerMuted", "peerUnmuted", "openResult true ", "disconnected normal callee false"}
		if d := cmp.Diff(want, home.heard()); d != "" {
			t.Errorf("home heard (-want +got):\n%s", d)
		}
		for _, n := range []*node{door, home} {
			if len(n.records) != 1 || n.records[0].Q850 != 16 || n.records[0].Talk < time.Second {
				t.Errorf("%s: records %+v", n.self.User, n.records)
			}
		}
	})
}

// TestEndings has a line for each way that a call between two users ends.
func TestEndings(t *testing.T) {
	type end struct {
		r Reason
		s Source
		b bool
	}
	ring := func(w *world) (*node, *node, *Call) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home", func(p *MakeCallParam) { p.RingTime = 20 * time.Second; p.TalkLimit = 30 * time.Second })
		pass(100 * time.Millisecond)
		return door, home, c
	}
	talk := func(w *world) (*node, *node, *Call) {
		door, home, c := ring(w)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		return door, home, c
	}
	for _, tc := range []struct {
		name           string
		run            func(w *world) (*node, *node)
		caller, callee end
		q850           int
	}{
		{"caller ends before answer", func(w *world) (*node, *node) { d, h, c := ring(w); c.End(); return d, h },
			end{ReasonCancel, SourceCaller, false}, end{ReasonCancel, SourceCaller, true}, 77},
		{"callee declines", func(w *world) (*node, *node) { d, h, _ := ring(w); h.call().End(); return d, h },
			end{ReasonDecline, SourceCallee, true}, end{ReasonDecline, SourceCallee, false}, 21},
		{"caller ends the talk", func(w *world) (*node, *node) { d, h, c := talk(w); c.End(); return d, h },
			end{ReasonNormal, SourceCaller, false}, end{ReasonNormal, SourceCaller, true}, 16},
		{"callee ends the talk", func(w *world) (*node, *node) { d, h, _ := talk(w); h.call().End(); return d, h },
			end{ReasonNormal, SourceCallee, true}, end{ReasonNormal, SourceCallee, false}, 16},
		{"user error", func(w *world) (*node, *node) {
			d, h, c := talk(w)
			if ok, err := c.EndWith(EndOptions{UserCode: "E7", Phrase: "smoke"}); !ok || err != nil {
				w.t.Errorf("EndWith: %v %v", ok, err)
			}
			return d, h
		}, end{ReasonUserError, SourceCaller, false}, end{ReasonUserError, SourceCaller, true}, 16},
		{"no answer", func(w *world) (*node, *node) { d, h, _ := ring(w); pass(25 * time.Second); return d, h },
			end{ReasonNoAnswer, SourceCaller, false}, end{ReasonNoAnswer, SourceCaller, true}, 18},
		{"talk limit", func(w *world) (*node, *node) { d, h, _ := talk(w); pass(31 * time.Second); return d, h },
			end{ReasonMaxCallTimeExceeded, SourceTransport, false}, end{ReasonMaxCallTimeExceeded, SourceTransport, false}, 16},
		{"accept meets cancel", func(w *world) (*node, *node) {
			d, h, c := ring(w)
			h.call().Accept(AcceptOptions{})
			c.End()
			return d, h
		},
			end{ReasonCancel, SourceCaller, false}, end{ReasonCancel, SourceCaller, true}, 77},
		{"decline meets cancel", func(w *world) (*node, *node) { d, h, c := ring(w); h.call().End(); c.End(); return d, h },
			end{ReasonCancel, SourceCaller, false}, end{ReasonCancel, SourceCaller, true}, 77},
		{"both end the talk", func(w *world) (*node, *node) { d, h, c := talk(w); h.call().End(); c.End(); return d, h },
			end{ReasonNormal, SourceCaller, false}, end{ReasonNormal, SourceCaller, true}, 16},
		{"end after accept, before connected", func(w *world) (*node, *node) {
			d, h, _ := ring(w)
			h.call().Accept(AcceptOptions{})
			pass(1500 * time.Microsecond) // the caller has it, we don't know yet
			h.call().End()
			return d, h
		}, end{ReasonNormal, SourceCallee, true}, end{ReasonNormal, SourceCallee, false}, 16},
		{"path lost for good", func(w *world) (*node, *node) {
			d, h, _ := talk(w)
			w.cut(true)
			w.set(func(w *world) { w.brokerDown = true })
			pass(20 * time.Second)
			return d, h
		},
			end{ReasonNetworkUnstable, SourceTransport, false}, end{ReasonNetworkUnstable, SourceTransport, false}, 16},
		{"caller's kit closed while ringing", func(w *world) (*node, *node) { d, h, _ := ring(w); d.kit.Close(); return d, h },
			end{ReasonAppDestroy, SourceCaller, false}, end{ReasonAppDestroy, SourceCaller, true}, 127},
		{"callee's kit closed while ringing", func(w *world) (*node, *node) { d, h, _ := ring(w); h.kit.Close(); return d, h },
			end{ReasonAppDestroy, SourceCallee, true}, end{ReasonAppDestroy, SourceCallee, false}, 127},
		{"caller's board sleeps in the talk", func(w *world) (*node, *node) { d, h, _ := talk(w); d.kit.Sleep(); return d, h },
			end{ReasonSystemSleep, SourceCaller, false}, end{ReasonSystemSleep, SourceCaller, true}, 16},
		{"wrong fingerprint at the callee", func(w *world) (*node, *node) {
			d, h, _ := ring(w)
			c := h.call()
			h.kit.sessionEvent(c, chosenOf(c), SessionEvent{Kind: SessionAuthFailed})
			return d, h
		}, end{ReasonAuthError, SourceTransport, false}, end{ReasonAuthError, SourceTransport, false}, 127},
		{"wrong fingerprint at the caller", func(w *world) (*node, *node) {
			d, h, c := talk(w)
			d.kit.sessionEvent(c, chosenOf(c), SessionEvent{Kind: SessionAuthFailed})
			return d, h
		}, end{ReasonAuthError, SourceTransport, false}, end{ReasonAuthError, SourceTransport, false}, 16},
		{"callee's kit closed in the talk", func(w *world) (*node, *node) { d, h, _ := talk(w); h.kit.Close(); return d, h },
			end{ReasonAppDestroy, SourceCallee, true}, end{ReasonAppDestroy, SourceCallee, false}, 16},
		{"callee's board sleeps while ringing", func(w *world) (*node, *node) { d, h, _ := ring(w); h.kit.Sleep(); return d, h },
			end{ReasonSystemSleep, SourceCallee, true}, end{ReasonSystemSleep, SourceCallee, false}, 127},
		{"a bug caught at the callee", func(w *world) (*node, *node) {
			d, h, _ := talk(w)
			c := h.call()
			c.sessions[c.s.chosen] = panics{c.sessions[c.s.chosen]}
			c.MyMediaStatus().Mute(true)
			return d, h
		}, end{ReasonInternalError, SourceCallee, true}, end{ReasonInternalError, SourceCallee, false}, 16},
		{"a bug caught at the caller", func(w *world) (*node, *node) {
			d, h, c := talk(w)
			c.sessions[c.s.chosen] = panics{c.sessions[c.s.chosen]}
			c.MyMediaStatus().Mute(true)
			return d, h
		}, end{ReasonInternalError, SourceCaller, false}, end{ReasonInternalError, SourceCaller, true}, 16},
		{"callee's user error", func(w *world) (*node, *node) {
			d, h, _ := talk(w)
			if ok, err := h.call().EndWith(EndOptions{UserCode: "E9"}); !ok || err != nil {
				w.t.Errorf("EndWith: %v %v", ok, err)
			}
			return d, h
		}, end{ReasonUserError, SourceCallee, true}, end{ReasonUserError, SourceCallee, false}, 16},
		{"no answer, and the caller's end is not heard", func(w *world) (*node, *node) {
			d, h, _ := ring(w)
			pass(19 * time.Second)
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			pass(3 * time.Second)
			return d, h
		}, end{ReasonNoAnswer, SourceCaller, false}, end{ReasonNoAnswer, SourceCaller, true}, 18},
		{"a device that was reached does not ring", func(w *world) (*node, *node) {
			d, h := w.node("door", "d1"), w.node("home", "panel")
			h.onPush = func(n *node, cc string) {
				if _, err := n.verify(cc); err != nil {
					w.t.Error(err)
				}
			}
			d.make("home")
			pass(11 * time.Second)
			return d, h
		}, end{ReasonPushError, SourceTransport, false}, end{ReasonReleasedCall, SourceTransport, false}, 127},
		{"no connected within 5 s of accept", func(w *world) (*node, *node) {
			d, h, _ := ring(w)
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			h.call().Accept(AcceptOptions{})
			pass(acceptLimit - time.Millisecond)
			if h.call().State() == StateDisconnected {
				w.t.Error("too early")
			}
			pass(100 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
			return d, h
		}, end{ReasonUnavailableNetwork, SourceTransport, false}, end{ReasonUnavailableNetwork, SourceTransport, false}, 127},
		{"the preparation is never finished", func(w *world) (*node, *node) {
			d, h := w.node("door", "d1"), w.node("home", "panel").rings()
			d.make("home", func(p *MakeCallParam) { p.UseResponderPreparation = true })
			pass(100 * time.Millisecond)
			h.call().Accept(AcceptOptions{UseResponderPreparation: true})
			pass(preparationLimit)
			if h.call().State() != StateConnected {
				w.t.Error("too early")
			}
			pass(100 * time.Millisecond)
			return d, h
		}, end{ReasonInternalError, SourceCallee, true}, end{ReasonInternalError, SourceCallee, false}, 16},
		{"the callee is gone for good", func(w *world) (*node, *node) {
			d, h, _ := talk(w)
			w.cut(true)
			pass(13 * time.Second)
			return d, h
		}, end{ReasonNetworkUnstable, SourceTransport, false}, end{ReasonNetworkUnstable, SourceTransport, false}, 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door, home := tc.run(w)
				pass(5 * time.Second)
				for _, s := range []struct {
					n    *node
					want end
				}{{door, tc.caller}, {home, tc.callee}} {
					if len(s.n.ends) != 1 {
						t.Fatalf("%s: OnDisconnected %d times: %v", s.n.self.User, len(s.n.ends), s.n.heard())
					}
					if e := s.n.heard(); !strings.HasPrefix(e[len(e)-1], "disconnected") {
						t.Errorf("%s: an event after the last: %v", s.n.self.User, e)
					}
					d := s.n.ends[0]
					if got := (end{d.Reason, d.Source, d.ByRemote}); got != s.want {
						t.Errorf("%s: got %v, want %v; heard %v", s.n.self.User, got, s.want, s.n.heard())
					}
				}
				if tc.q850 != 0 && (len(door.records) != 1 || door.records[0].Q850 != tc.q850) {
					t.Errorf("records %+v, want Q.850 cause %d", door.records, tc.q850)
				}
				if tc.name == "end after accept, before connected" && home.records[0].Q850 != 16 {
					t.Errorf("callee's records %+v, want the caller's cause", home.records)
				}
				if tc.name == "user error" && (home.ends[0].UserCode != "E7" || home.ends[0].Phrase != "smoke") {
					t.Errorf("code and phrase lost: %+v", home.ends[0])
				}
			})
		})
	}
}

// panics is a session with a bug.
type panics struct{ Session }

func (panics) Gate(bool, bool) { panic("a bug") }

func TestUnreachable(t *testing.T) {
	for _, tc := range []struct {
		name   string
		broker bool
		want   []string
	}{
		{"nobody there", true, []string{"waitConnected", "unreachable", "disconnected pushError transport false"}},
		{"no broker", false, []string{"unreachable", "disconnected unavailableNetwork transport false"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.brokerDown = !tc.broker
				door := w.node("door", "d1")
				door.make("home")
				pass(2100 * time.Millisecond)
				if h := door.heard(); h[len(h)-1] != "unreachable" {
					t.Errorf("after 2 s the visitor was told %v", h)
				}
				pass(10 * time.Second)
				if d := cmp.Diff(tc.want, door.heard()); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

func TestLateDeviceStillRings(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door := w.node("door", "d1")
		door.make("home")
		pass(4500 * time.Millisecond)
		home := w.node("home", "panel").rings()
		pass(1500 * time.Millisecond)
		if d := cmp.Diff([]string{"waitConnected", "unreachable", "acknowledged panel"}, door.heard()); d != "" {
			t.Error(d)
		}
		if got := home.heard(); !slices.Equal(got, []string{"verified false"}) {
			t.Errorf("home heard %v", got)
		}
	})
}

func TestLease(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		door.make("home")
		pass(20 * time.Second) // the repeats keep the ring
		if got := home.call().State(); got != StateVerified {
			t.Fatalf("after 20 s of ringing: %v", got)
		}
		w.cut(true)
		door.vanish()
		pass(5100 * time.Millisecond)
		if got := home.heard(); got[len(got)-1] != "disconnected releasedCall transport false" {
			t.Errorf("5 s after the caller's power cut: %v", got)
		}
		w.set(func(w *world) { w.nodes = append(w.nodes, door) }) // to be closed
	})
}

func TestLatePushNeverRings(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel")
		var cc string
		home.mu.Lock()
		home.onPush = func(_ *node, s string) { cc = s }
		home.mu.Unlock()
		c := door.make("home")
		pass(time.Second)
		c.End()
		pass(time.Hour)
		if _, err := home.verify(cc); err != nil {
			t.Fatalf("VerifyCall of an ended call must succeed: %v", err)
		}
		pass(6 * time.Second)
		if got := home.heard(); !slices.Equal(got, []string{"disconnected releasedCall transport false"}) {
			t.Errorf("heard %v", got)
		}
		if _, err := home.verify(cc); !errors.Is(err, StartReuse) {
			t.Errorf("second VerifyCall: %v, want reuse", err)
		}
	})
}

func TestSeveralDevices(t *testing.T) {
	for _, tc := range []struct {
		name                string
		act                 func(c *Call)
		edit                func(*MakeCallParam)
		door, kitchen, hall string
	}{
		{"first answer wins", func(c *Call) { c.Accept(AcceptOptions{}) }, nil,
			"connected false false", "connected false false", "disconnected multiDeviceAnswer transport false"},
		{"decline for the user", func(c *Call) { c.End() }, nil,
			"disconnected decline callee true", "disconnected decline callee false", "disconnected multiDeviceDecline transport false"},
		{"decline for the device", func(c *Call) { c.End() }, func(p *MakeCallParam) { p.DeclineOnlyDevice = true },
			"acknowledged", "disconnected decline callee false", "verified false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door := w.node("door", "d1")
				kitchen, hall := w.node("home", "kitchen").rings(), w.node("home", "hall").rings()
				edit := tc.edit
				if edit == nil {
					edit = func(*MakeCallParam) {}
				}
				door.make("home", edit)
				pass(500 * time.Millisecond)
				tc.act(kitchen.call())
				pass(2 * time.Second)
				for _, s := range []struct {
					n    *node
					want string
				}{{door, tc.door}, {kitchen, tc.kitchen}, {hall, tc.hall}} {
					h := s.n.heard()
					if !strings.HasPrefix(h[len(h)-1], s.want) {
						t.Errorf("%s: %v, want last %q", s.n.self.Device, h, s.want)
					}
				}
				if tc.name == "first answer wins" && hall.ends[0].AnsweredBy != "home/kitchen" {
					t.Errorf("AnsweredBy %q", hall.ends[0].AnsweredBy)
				}
			})
		})
	}
}

func TestBusy(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		noWaiting := func(c *Config) { c.NoCallWaiting = true }
		door, gate := w.node("door", "d1"), w.node("gate", "g1")
		home := w.node("home", "panel", noWaiting).rings()
		door.make("home")
		pass(time.Second)
		home.call().Accept(AcceptOptions{})
		pass(time.Second)
		gate.make("home")
		pass(3 * time.Second)
		if d := cmp.Diff([]string{"waitConnected", "disconnected busy callee true"}, gate.heard()); d != "" {
			t.Error(d)
		}
		if pass(leaseTime - 2*time.Second); len(home.recorded()) != 0 {
			t.Errorf("a record while the call may be taken yet: %+v", home.recorded())
		}
		pass(2 * time.Second)
		if len(home.records) != 1 || home.records[0].Disconnected.Reason != ReasonBusy || home.records[0].Q850 != 17 {
			t.Errorf("home keeps a record of the busy call: %+v", home.records)
		}
		if _, err := home.kit.MakeCall(MakeCallParam{MyUserID: "home", MyServiceID: "house", PeerUserID: "x", PeerServiceID: "house", AccessToken: "token"}, Handler{}); !errors.Is(err, StartAlreadyExist) {
			t.Errorf("MakeCall in a call: %v", err)
		}
	})
}

func TestCallWaiting(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, gate, third := w.node("door", "d1"), w.node("gate", "g1"), w.node("shop", "s1")
		home := w.node("home", "panel").rings()
		door.make("home")
		pass(time.Second)
		home.call().Accept(AcceptOptions{})
		pass(time.Second)
		gate.make("home")
		pass(time.Second)
		third.make("home")
		pass(3 * time.Second)
		home.call().Accept(AcceptOptions{})
		pass(time.Second)
		for _, s := range []struct {
			n    *node
			want string
		}{{door, "peerHold another call"}, {gate, "connected false false"}, {third, "disconnected busy callee true"}} {
			h := s.n.heard()
			if h[len(h)-1] != s.want {
				t.Errorf("%s heard %v, want last %q", s.n.self.User, h, s.want)
			}
		}
	})
}

func TestPreparationAndActivation(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home", func(p *MakeCallParam) { p.UseResponderPreparation = true; p.AudioActivationByUser = true })
		pass(100 * time.Millisecond)
		in := home.call()
		in.Accept(AcceptOptions{UseResponderPreparation: true})
		pass(100 * time.Millisecond)
		if in.WriteFrame([]byte{1}, 480) || c.WriteFrame([]byte{1}, 480) {
			t.Error("voice in preparation")
		}
		if !in.FinishPreparation() || in.FinishPreparation() || c.FinishPreparation() {
			t.Error("FinishPreparation is the callee's, once")
		}
		pass(100 * time.Millisecond)
		if !in.WriteFrame([]byte{1}, 480) || c.WriteFrame([]byte{1}, 480) {
			t.Error("callee's voice must flow, caller's waits for activation")
		}
		if !c.Statistics().AudioGated || !c.NotifyAudioActivation() || !c.NotifyAudioActivation() || !c.WriteFrame([]byte{1}, 480) {
			t.Error("activation")
		}
		if d := cmp.Diff([]string{"waitConnected", "acknowledged panel", "connected true false", "prepared"}, door.heard()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"verified true", "connected true true", "prepared"}, home.heard()); d != "" {
			t.Error(d)
		}
	})
}

func TestPathComesBack(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		w.cut(true)
		pass(5 * time.Second)
		w.cut(false)
		pass(20 * time.Second)
		h := door.heard()
		if d := cmp.Diff([]string{"networkUnavailable true 10s", "networkReavailable"}, h[len(h)-2:]); d != "" {
			t.Errorf("%v\n%s", h, d)
		}
		if c.State() != StateConnected || !c.WriteFrame([]byte{1}, 480) {
			t.Error("the call did not go on")
		}
	})
}

// TestBadNetwork: a network that loses, repeats and reorders only delays.
func TestBadNetwork(t *testing.T) {
	var lost, repeated int
	for seed := range int64(40) {
		in(t, func(t *testing.T, w *world) {
			w.rng.Seed(seed)
			w.loss, w.repeat, w.jitter = 0.3, 0.3, 400*time.Millisecond
			door := w.node("door", "d1")
			a, b := w.node("home", "kitchen").rings(), w.node("home", "hall").rings()
			c := door.make("home")
			pass(8 * time.Second)
			if !slices.Contains(door.heard(), "acknowledged kitchen") && !slices.Contains(door.heard(), "acknowledged hall") {
				t.Fatalf("seed %d: nobody rang: %v", seed, door.heard())
			}
			for _, n := range []*node{a, b} {
				if in := n.call(); in != nil {
					in.Accept(AcceptOptions{})
				}
			}
			pass(8 * time.Second)
			if c.State() != StateConnected {
				t.Fatalf("seed %d: %v; door %v kitchen %v hall %v", seed, c.State(), door.heard(), a.heard(), b.heard())
			}
			connected := 0
			for _, n := range []*node{a, b} {
				if slices.Contains(n.heard(), "connected false false") {
					connected++
				}
			}
			if connected != 1 {
				t.Errorf("seed %d: %d devices connected: kitchen %v hall %v", seed, connected, a.heard(), b.heard())
			}
			c.End()
			pass(20 * time.Second)
			for _, n := range []*node{door, a, b} {
				if n.pushes > 1 || len(n.ends) > 1 || n.kit.calls[c.ID()] != nil && n.kit.calls[c.ID()].State() != StateDisconnected {
					t.Errorf("seed %d: %s: %d pushes, heard %v", seed, n.self.Device, n.pushes, n.heard())
				}
			}
			pass(3 * time.Minute)
			for _, n := range []*node{door, a, b} {
				if len(n.kit.calls) != 0 {
					t.Errorf("seed %d: %s keeps %d calls", seed, n.self.Device, len(n.kit.calls))
				}
			}
			lost, repeated = lost+w.lost, repeated+w.repeated
		})
	}
	if lost == 0 || repeated == 0 {
		t.Errorf("the network was not bad: %d lost, %d repeated", lost, repeated)
	}
}

func TestStartReasons(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		n := w.node("door", "d1", func(c *Config) { c.Microphone = func() error { return errors.New("hw:CARD=Door is gone") } })
		ok := MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token", AllowCallWithoutMic: true}
		for _, tc := range []struct {
			want StartFailReason
			edit func(*MakeCallParam)
		}{
			{StartInvalidUserID, func(p *MakeCallParam) { p.MyUserID = "" }},
			{StartInvalidUserID, func(p *MakeCallParam) { p.MyUserID = "other" }},
			{StartInvalidUserID, func(p *MakeCallParam) { p.PeerUserID = "a/b" }},
			{StartInvalidServiceID, func(p *MakeCallParam) { p.PeerServiceID = strings.Repeat("x", 65) }},
			{StartInvalidServiceID, func(p *MakeCallParam) { p.MyServiceID = "other" }},
			{StartIDConflict, func(p *MakeCallParam) { p.PeerUserID = "door" }},
			{StartInvalidAccessToken, func(p *MakeCallParam) { p.AccessToken = "" }},
			{StartInvalidAccessToken, func(p *MakeCallParam) { p.AccessToken = "old" }},
			{StartTooLongAppServerData, func(p *MakeCallParam) { p.AppData = make([]byte, MaxAppData+1) }},
			{StartInvalidParam, func(p *MakeCallParam) { p.StartMessage = strings.Repeat("x", MaxStartMessage+1) }},
			{StartInvalidParam, func(p *MakeCallParam) { p.RingTime = -1 }},
			{StartInvalidParam, func(p *MakeCallParam) { p.TalkLimit = -1 }},
			{StartInvalidParam, func(p *MakeCallParam) { p.UnreachableAfter = -1 }},
			{StartInvalidParam, func(p *MakeCallParam) { p.UnreachableLimit = 2 * time.Hour }},
			{StartInvalidParam, func(p *MakeCallParam) { p.MicNoSourceTimeout = -1 }},
			{StartNoPermissionMic, func(p *MakeCallParam) { p.AllowCallWithoutMic = false }},
		} {
			p := ok
			tc.edit(&p)
			c, err := n.kit.MakeCall(p, Handler{})
			if c != nil || StartReason(err) != tc.want {
				t.Errorf("got %v (%v), want %v", StartReason(err), err, tc.want)
			}
		}
		if _, err := (*Kit)(nil).MakeCall(ok, Handler{}); !errors.Is(err, StartNotInitialized) {
			t.Errorf("nil Kit: %v", err)
		}
		for _, bad := range []string{"", "!", "e30", strings.Repeat("A", MaxCCParam+1), "eyJ2IjoxfQ"} {
			if _, err := ParseCCParam(bad); !errors.Is(err, StartDecodeCallParam) {
				t.Errorf("ParseCCParam(%.20q): %v", bad, err)
			}
		}
		n.kit.Close()
		if _, err := n.kit.MakeCall(ok, Handler{}); !errors.Is(err, StartNotInitialized) {
			t.Errorf("closed Kit: %v", err)
		}
	})
}

func TestCloseFromHandler(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		n := w.node("door", "d1")
		h := n.handler()
		h.OnWaitConnected = func(*Call) { n.kit.Close(); n.note("closed") }
		if _, err := n.kit.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token"}, h); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if d := cmp.Diff([]string{"closed", "disconnected appDestroy caller false"}, n.heard()); d != "" {
			t.Error(d)
		}
	})
}

func TestBlockedHandlerOverflows(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		n := w.node("door", "d1")
		release := make(chan struct{})
		h := n.handler()
		h.OnWaitConnected = func(*Call) { <-release }
		c, err := n.kit.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token"}, h)
		if err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Millisecond)
		for i := range queueSize + 2 {
			c.MyMediaStatus().Mute(i%2 == 0)
		}
		if got := c.State(); got != StateDisconnected {
			t.Errorf("state %v after an overflow", got)
		}
		close(release)
		pass(time.Second)
		if h := n.heard(); h[len(h)-1] != "disconnected internalError caller false" {
			t.Errorf("heard %v", h[len(h)-1])
		}
	})
}

func FuzzParseCCParam(f *testing.F) {
	f.Add(CCParam{"c1", Address{"house", "door", "d1", "s1"}}.String())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCCParam(s)
		if err == nil {
			again, err := ParseCCParam(c.String())
			if err != nil || again != c {
				t.Errorf("%q → %+v → %+v, %v", s, c, again, err)
			}
		} else if StartReason(err) != StartDecodeCallParam {
			t.Errorf("%q: %v", s, err)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	for _, ty := range []MessageType{TypePush, TypeVerify, TypeStanding, TypeAccept, TypeEnd, TypeMute, TypeHold, TypeOpen, TypeOpenResult, TypeShortData, TypeShortDataAck, TypeOffer} {
		f.Add(string(ty), []byte(`{}`))
		f.Add(string(ty), []byte(`{"seq":1,"nonce":"n","reason":"normal"}`))
	}
	f.Fuzz(func(t *testing.T, ty string, raw []byte) {
		b, err := DecodeBody(MessageType(ty), raw)
		if err == nil && b != nil && checkBody(b) != nil {
			t.Errorf("%s: accepted an unchecked body", ty)
		}
	})
}

// TestUnreachableTimes: both times are settable, and busy devices are no
// unreachable ones.
func TestUnreachableTimes(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door := w.node("door", "d1")
		door.make("home", func(p *MakeCallParam) {
			p.UnreachableAfter = 500 * time.Millisecond
			p.UnreachableLimit = 3 * time.Second
		})
		for _, tc := range []struct {
			d    time.Duration
			want string
		}{{499 * time.Millisecond, "waitConnected"}, {2 * time.Millisecond, "unreachable"}, {2498 * time.Millisecond, "unreachable"}, {2 * time.Millisecond, "disconnected pushError transport false"}} {
			pass(tc.d)
			if got := last(door); got != tc.want {
				t.Errorf("heard %v, want last %q", door.heard(), tc.want)
			}
		}
	})
	in(t, func(t *testing.T, w *world) {
		noWaiting := func(c *Config) { c.NoCallWaiting = true }
		home := w.node("home", "panel", noWaiting).rings()
		w.node("shop", "s1").make("home")
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		door := w.node("door", "d1")
		door.make("home", func(p *MakeCallParam) { p.UnreachableAfter = time.Second })
		pass(10 * time.Second)
		if d := cmp.Diff([]string{"waitConnected", "disconnected busy callee true"}, door.heard()); d != "" {
			t.Error(d)
		}
	})
}
