package call

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMicNoSource: what ends a call for want of captured frames, and what not.
func TestMicNoSource(t *testing.T) {
	const limit = 3 * time.Second
	frames := func(c *Call, d time.Duration) {
		for range d / (500 * time.Millisecond) {
			c.WriteFrame([]byte{1}, 480)
			pass(500 * time.Millisecond)
		}
	}
	for _, tc := range []struct {
		name  string
		param func(*MakeCallParam)
		run   func(w *world, door, home *Call)
		want  string // what the door hears last
	}{
		{"no frame", nil, func(*world, *Call, *Call) { pass(limit) }, "disconnected micNoSource caller false"},
		{"not before the time", nil, func(*world, *Call, *Call) { pass(limit - 200*time.Millisecond) }, "connected false false"},
		{"frames stop", nil, func(_ *world, c, _ *Call) { frames(c, 10*time.Second); pass(limit) }, "disconnected micNoSource caller false"},
		{"a card that comes back in time", nil, func(_ *world, c, _ *Call) {
			frames(c, 2*time.Second)
			pass(limit - time.Second)
			frames(c, 2*time.Second)
		}, "connected false false"},
		{"frames without a path", nil, func(w *world, c, _ *Call) {
			w.cut(true)
			frames(c, 5*time.Second)
			w.cut(false)
			pass(100 * time.Millisecond)
		}, "networkReavailable"},
		{"muted", nil, func(_ *world, c, _ *Call) { c.MyMediaStatus().Mute(true); pass(time.Minute) }, "connected false false"},
		{"unmuted again", nil, func(_ *world, c, _ *Call) {
			c.MyMediaStatus().Mute(true)
			pass(time.Minute)
			c.MyMediaStatus().Mute(false)
			pass(limit)
		}, "disconnected micNoSource caller false"},
		{"held", nil, func(_ *world, c, _ *Call) { c.Hold(""); pass(time.Minute) }, "connected false false"},
		{"held by the peer", nil, func(_ *world, _, in *Call) { in.Hold("x"); pass(time.Minute) }, "peerHold x"},
		{"not activated", func(p *MakeCallParam) { p.AudioActivationByUser = true }, func(*world, *Call, *Call) { pass(time.Minute) }, "connected false false"},
		{"without mic allowed", func(p *MakeCallParam) { p.AllowCallWithoutMic = true }, func(*world, *Call, *Call) { pass(time.Minute) }, "connected false false"},
		{"off", func(p *MakeCallParam) { p.MicNoSourceTimeout = 0 }, func(*world, *Call, *Call) { pass(time.Minute) }, "connected false false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door, home := w.node("door", "d1"), w.node("home", "panel").rings()
				c := door.make("home", func(p *MakeCallParam) {
					if p.MicNoSourceTimeout = limit; tc.param != nil {
						tc.param(p)
					}
				})
				pass(100 * time.Millisecond)
				home.call().Accept(AcceptOptions{})
				pass(100 * time.Millisecond)
				tc.run(w, c, home.call())
				if got := last(door); got != tc.want {
					t.Errorf("heard %v, want last %q", door.heard(), tc.want)
				}
			})
		})
	}
	t.Run("callee", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			door, home := w.node("door", "d1"), w.node("home", "panel")
			home.onPush = func(n *node, cc string) {
				p, err := ParseCCParam(cc)
				if err != nil {
					t.Error(err)
				}
				c, err := n.kit.VerifyCall(VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: p, MicNoSourceTimeout: limit}, n.handler())
				if err != nil {
					t.Error(err)
				}
				n.calls = append(n.calls, c)
			}
			door.make("home", func(p *MakeCallParam) { p.UseResponderPreparation = true })
			pass(100 * time.Millisecond)
			home.call().Accept(AcceptOptions{UseResponderPreparation: true})
			pass(30 * time.Second) // in preparation no frame is due
			if !home.call().FinishPreparation() {
				t.Errorf("in preparation: %v", home.heard())
			}
			pass(limit + 100*time.Millisecond)
			want := Disconnected{Reason: ReasonMicNoSource, Source: SourceCallee}
			if d := cmp.Diff([]Disconnected{want}, home.ends); d != "" {
				t.Error(d)
			}
			want.ByRemote = true
			if d := cmp.Diff([]Disconnected{want}, door.ends); d != "" {
				t.Error(d)
			}
		})
	})
	t.Run("VerifyCallParam", func(t *testing.T) {
		p := VerifyCallParam{MyUserID: "a", MyServiceID: "b", CCParam: CCParam{"c", Address{"s", "u", "d", "x"}}, MicNoSourceTimeout: -1}
		if StartReason(p.Validate()) != StartInvalidParam {
			t.Errorf("negative timeout: %v", p.Validate())
		}
	})
}
