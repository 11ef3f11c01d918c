package call

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMyMediaStatus: the own microphone's events, its mute before and in a
// call, and that each call begins anew.
func TestMyMediaStatus(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home := w.node("door", "d1"), w.node("home", "panel").rings()
		c := door.make("home")
		media := MyMediaHandler{
			OnMicMute:   func(*Call) { door.note("micMute") },
			OnMicUnmute: func(*Call) { door.note("micUnmute") },
		}
		my := c.MyMediaStatus()
		if !my.SetHandler(media) {
			t.Error("SetHandler refused while trying")
		}
		if !my.Mute(true) || my.Mute(true) || !my.Muted() {
			t.Error("Mute is true on change only")
		}
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		if c.WriteFrame([]byte{1}, 480) {
			t.Error("a mute before connect was forgotten")
		}
		if !my.SetHandler(media) || !my.Mute(false) {
			t.Error("SetHandler or unmute refused while connected")
		}
		pass(100 * time.Millisecond)
		c.End()
		pass(100 * time.Millisecond)
		if my.SetHandler(media) || my.Mute(true) {
			t.Error("taken after the end")
		}
		want := []string{"micMute", "waitConnected", "acknowledged panel", "connected false false", "micUnmute", "disconnected normal caller false"}
		if d := cmp.Diff(want, door.heard()); d != "" {
			t.Error(d)
		}
		want = []string{"verified false", "connected false false", "peerMuted", "peerUnmuted", "disconnected normal caller true"}
		if d := cmp.Diff(want, home.heard()); d != "" {
			t.Error(d)
		}
		if next := door.make("home"); next.MyMediaStatus().Muted() {
			t.Error("the next call begins muted")
		}
	})
}

// TestAudioDescription: average levels, on change only, no oftener than asked.
func TestAudioDescription(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, _, c, _ := talking(w)
		var mine, peer []int
		c.MyMediaStatus().SetHandler(MyMediaHandler{OnAudioDescriptionUpdate: func(_ *Call, l int) { mine = append(mine, l) }})
		c.handler.OnPeerAudioDescription = func(_ *Call, l int) { peer = append(peer, l) }
		say := func(levels ...int) {
			for _, l := range levels {
				c.ReportLevel(l)
				c.ReportPeerLevel(l / 2)
			}
			pass(levelInterval)
		}
		say(10, 30)
		say(20) // no change
		say()   // nothing captured
		say(400, -3)
		if d := cmp.Diff([]int{20, 50}, mine); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]int{10, 50}, peer[:2]); d != "" {
			t.Errorf("peer: %v\n%s", peer, d)
		}
		if c.MyMediaStatus().SetLevelInterval(levelInterval - 1) {
			t.Error("an interval under 200 ms was taken")
		}
		if !c.MyMediaStatus().SetLevelInterval(time.Second) {
			t.Error("1 s was refused")
		}
		pass(levelInterval)
		n := len(mine)
		for l := range 20 {
			say(l)
		}
		if got := len(mine) - n; got != 4 {
			t.Errorf("%d reports in 4 s, want 4", got)
		}
	})
}

// TestControls: what each side may ask of the other and do for itself while
// connected, and at no other time.
func TestControls(t *testing.T) {
	heard := func(n *node) string { return last(n) }
	for _, tc := range []struct {
		name string
		do   func(w *world, door, home *Call) bool
		home string // what home hears
		idle bool   // may be done before connected
	}{
		{"request peer mute", func(_ *world, c, _ *Call) bool { return c.RequestPeerMute() }, "muteRequested", false},
		{"hold with a reason", func(_ *world, c, _ *Call) bool { return c.Hold(strings.Repeat("r", MaxHoldReason)) }, "peerHold " + strings.Repeat("r", MaxHoldReason), false},
		{"unhold", func(_ *world, c, _ *Call) bool { c.Hold(""); pass(time.Millisecond * 10); return c.Unhold() }, "peerUnhold", false},
		{"unhold what is not held", func(_ *world, c, _ *Call) bool { return !c.Unhold() }, "connected false false", true},
		{"hold reason too long", func(_ *world, c, _ *Call) bool { return !c.Hold(strings.Repeat("r", MaxHoldReason+1)) }, "connected false false", true},
		{"phrase too long", func(_ *world, c, _ *Call) bool {
			ok, err := c.EndWith(EndOptions{Phrase: strings.Repeat("p", MaxPhrase+1)})
			return !ok && err != nil
		}, "connected false false", true},
		{"user code too long", func(_ *world, c, _ *Call) bool {
			ok, err := c.EndWith(EndOptions{UserCode: strings.Repeat("p", MaxUserCode+1)})
			return !ok && err != nil
		}, "connected false false", true},
		{"why the door stays shut, too long", func(_ *world, c, in *Call) bool {
			in.RequestOpen()
			pass(10 * time.Millisecond)
			return !c.AnswerOpen(false, strings.Repeat("w", maxWhy+1))
		}, "connected false false", false},
		{"finish a preparation that is not", func(_ *world, c, in *Call) bool { return !c.FinishPreparation() && !in.FinishPreparation() }, "connected false false", true},
		{"end with a phrase", func(_ *world, c, _ *Call) bool {
			ok, err := c.EndWith(EndOptions{Phrase: strings.Repeat("p", MaxPhrase)})
			return ok && err == nil
		}, "disconnected normal caller true", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				_, home, c, in := talking(w)
				if !tc.do(w, c, in) {
					t.Error("refused")
				}
				pass(50 * time.Millisecond)
				if got := heard(home); got != tc.home {
					t.Errorf("home heard %v, want last %q", home.heard(), tc.home)
				}
				if len(home.ends) > 0 && home.ends[0].Phrase != strings.Repeat("p", MaxPhrase) {
					t.Errorf("phrase %q", home.ends[0].Phrase)
				}
			})
			if tc.idle {
				return
			}
			in(t, func(t *testing.T, w *world) { // before connected
				door, home := w.node("door", "d1"), w.node("home", "panel").rings()
				c := door.make("home")
				pass(100 * time.Millisecond)
				if !strings.HasPrefix(tc.home, "disconnected") && tc.do(w, c, home.call()) && tc.name != "why the door stays shut, too long" {
					t.Error("taken before connected")
				}
			})
		})
	}
	t.Run("silence the peer", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			_, home, c, in := talking(w)
			frames := 0
			in.SetVoice(countVoice{&frames})
			c.WriteFrame([]byte{1}, 480)
			if !in.SilencePeer(true) || in.SilencePeer(true) {
				t.Error("SilencePeer is true on change only")
			}
			c.WriteFrame([]byte{1}, 480)
			if frames != 1 || !in.WriteFrame([]byte{1}, 480) {
				t.Errorf("%d frames of the silenced peer, want 1; the own voice must go on", frames)
			}
			in.SilencePeer(false)
			c.WriteFrame([]byte{1}, 480)
			if frames != 2 || len(home.heard()) != 2 {
				t.Errorf("%d frames, want 2; heard %v", frames, home.heard())
			}
		})
	})
}

type countVoice struct{ n *int }

func (v countVoice) ReceiveFrame(uint16, uint32, []byte) { *v.n++ }
func (v countVoice) PlayoutStats() PlayoutStats {
	return PlayoutStats{Delay: time.Millisecond, Frames: 4, Concealed: 1}
}

type statsSession struct{ Session }

func (statsSession) Stats() MediaStats {
	return MediaStats{RoundTrip: 5, Sent: Direction{Packets: 1, Lost: 2, Jitter: 3, Bitrate: 4}, Received: Direction{Packets: 9}}
}

// TestStatistics: a call's statistics are its chosen session's and its
// voice's, and stay after the end.
func TestStatistics(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		_, _, c, _ := talking(w)
		c.SetVoice(countVoice{new(int)})
		c.sessions[c.s.chosen] = statsSession{c.sessions[c.s.chosen]}
		want := Statistics{MediaStats: statsSession{}.Stats(), Playout: PlayoutStats{Delay: time.Millisecond, Frames: 4, Concealed: 1}}
		for _, when := range []string{"connected", "after the end"} {
			if d := cmp.Diff(want, c.Statistics()); d != "" {
				t.Errorf("%s: %s", when, d)
			}
			c.End()
			pass(time.Second)
		}
	})
}

// TestNetworkUnavailable: both sides are told, whose network it is, and the
// same call goes on if it comes back within the grace time.
func TestNetworkUnavailable(t *testing.T) {
	for _, tc := range []struct {
		name   string
		broker bool
		isPeer string
	}{{"own network", false, "false"}, {"the peer's network", true, "true"}} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door, home, c, _ := talking(w)
				w.set(func(w *world) { w.brokerDown = !tc.broker })
				w.cut(true)
				pass(2100 * time.Millisecond)
				for _, n := range []*node{door, home} {
					if got := last(n); got != "networkUnavailable "+tc.isPeer+" 10s" {
						t.Errorf("%s after 2 s: %v", n.self.User, n.heard())
					}
				}
				pass(7 * time.Second)
				w.set(func(w *world) { w.brokerDown = false })
				w.cut(false)
				pass(time.Minute)
				if last(door) != "networkReavailable" || last(home) != "networkReavailable" || c.State() != StateConnected {
					t.Errorf("door heard %v, home heard %v", door.heard(), home.heard())
				}
			})
		})
	}
}

// TestAudioActivation has the rules of a call that is activated by its user.
func TestAudioActivation(t *testing.T) {
	byUser := func(p *MakeCallParam) { p.AudioActivationByUser = true }
	t.Run("silent until activated", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			door, home := w.node("door", "d1"), w.node("home", "panel").rings()
			c := door.make("home", byUser)
			pass(100 * time.Millisecond)
			home.call().Accept(AcceptOptions{})
			pass(time.Second)
			frames := 0
			c.SetVoice(countVoice{&frames})
			home.call().WriteFrame([]byte{1}, 480)
			if c.State() != StateConnected || c.WriteFrame([]byte{1}, 480) || frames != 0 || !c.Statistics().AudioGated {
				t.Errorf("%v, %d frames heard, gated %v", c.State(), frames, c.Statistics().AudioGated)
			}
			for range 2 {
				if !c.NotifyAudioActivation() {
					t.Error("activation is idempotent")
				}
			}
			home.call().WriteFrame([]byte{1}, 480)
			if !c.WriteFrame([]byte{1}, 480) || frames != 1 || c.Statistics().AudioGated {
				t.Error("activated, and still silent")
			}
			c.End()
			if c.NotifyAudioActivation() {
				t.Error("activated after the end")
			}
		})
	})
	t.Run("remembered from before the answer", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			door, home := w.node("door", "d1"), w.node("home", "panel").rings()
			c := door.make("home", byUser)
			if !c.NotifyAudioActivation() {
				t.Error("refused while trying")
			}
			pass(100 * time.Millisecond)
			home.call().Accept(AcceptOptions{})
			pass(100 * time.Millisecond)
			if !c.WriteFrame([]byte{1}, 480) {
				t.Error("forgotten")
			}
		})
	})
	t.Run("callee", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			door, home := w.node("door", "d1"), w.node("home", "panel")
			home.onPush = func(n *node, cc string) {
				p, _ := ParseCCParam(cc)
				c, err := n.kit.VerifyCall(VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: p, AudioActivationByUser: true}, n.handler())
				if err != nil {
					t.Error(err)
				}
				n.calls = append(n.calls, c)
			}
			c := door.make("home")
			pass(100 * time.Millisecond)
			in := home.call()
			in.Accept(AcceptOptions{})
			pass(100 * time.Millisecond)
			if in.WriteFrame([]byte{1}, 480) || !c.WriteFrame([]byte{1}, 480) {
				t.Error("only the callee is gated")
			}
			if !in.NotifyAudioActivation() || !in.WriteFrame([]byte{1}, 480) {
				t.Error("activation refused")
			}
		})
	})
	t.Run("auto", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			_, _, c, _ := talking(w)
			if c.Statistics().AudioGated || !c.WriteFrame([]byte{1}, 480) {
				t.Error("gated without being asked to")
			}
		})
	})
}

// TestCallWaitingEndsOther: Config.AcceptEndsOther.
func TestCallWaitingEndsOther(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, gate := w.node("door", "d1"), w.node("gate", "g1")
		home := w.node("home", "panel", func(c *Config) { c.AcceptEndsOther = true }).rings()
		door.make("home")
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		c := gate.make("home")
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(time.Second)
		if last(door) != "disconnected normal callee true" || c.State() != StateConnected {
			t.Errorf("door heard %v, gate heard %v", door.heard(), gate.heard())
		}
	})
}

// TestVerifyBusy: an application that verifies a call which this device has no
// place for gets alreadyExist, the caller a busy, and a record stays.
func TestVerifyBusy(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, gate, home := w.node("door", "d1"), w.node("gate", "g1"), w.node("home", "panel")
		var ccs []string
		home.onPush = func(_ *node, cc string) { ccs = append(ccs, cc) }
		door.make("home")
		gate.make("home")
		pass(100 * time.Millisecond)
		if _, err := home.verify(ccs[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := home.verify(ccs[1]); !errors.Is(err, StartAlreadyExist) {
			t.Errorf("second: %v", err)
		}
		pass(leaseTime + 3*time.Second)
		if len(home.records) != 1 || home.records[0].Disconnected != (Disconnected{Reason: ReasonBusy, Source: SourceCallee}) {
			t.Errorf("records %+v", home.records)
		}
		busy := 0
		for _, n := range []*node{door, gate} {
			if last(n) == "disconnected busy callee true" {
				busy++
			}
		}
		if busy != 1 {
			t.Errorf("door heard %v, gate heard %v", door.heard(), gate.heard())
		}
	})
}

// TestBusyDevices: busy is only when no device of the user rings.
func TestBusyDevices(t *testing.T) {
	noWaiting := func(c *Config) { c.NoCallWaiting = true }
	for _, tc := range []struct {
		name string
		free bool
		want string
	}{{"all busy", false, "disconnected busy callee true"}, {"one rings", true, "acknowledged hall"}} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				a := w.node("home", "kitchen", noWaiting).rings()
				w.node("shop", "s1").make("home")
				pass(100 * time.Millisecond)
				a.call().Accept(AcceptOptions{})
				pass(100 * time.Millisecond)
				if tc.free {
					w.node("home", "hall", noWaiting).rings()
				}
				door := w.node("door", "d1")
				door.make("home")
				pass(1900 * time.Millisecond)
				if slices.Contains(door.heard(), "disconnected busy callee true") {
					t.Error("busy before 2 s: a slower device may ring")
				}
				pass(5 * time.Second)
				if got := last(door); got != tc.want {
					t.Errorf("door heard %v", door.heard())
				}
			})
		})
	}
}
