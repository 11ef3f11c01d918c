package call

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// makeGroup rings users; the door notes how the group ends.
func (n *node) makeGroup(edit func(*MakeCallParam), members ...GroupMember) *Group {
	n.w.t.Helper()
	p := MakeCallParam{MyUserID: n.self.User, MyServiceID: "house", PeerServiceID: "house", AccessToken: "token"}
	if edit != nil {
		edit(&p)
	}
	g, err := n.kit.MakeGroupCall(p, members, GroupHandler{
		Handler: n.handler(),
		OnCall:  func(c *Call) { n.note("call %s", c.Peer().User) },
		OnOver:  func(_ *Group, d Disconnected) { n.note("over %s %s %v", d.Reason, d.Source, d.ByRemote) },
	})
	if err != nil {
		n.w.t.Fatalf("MakeGroupCall: %v", err)
	}
	return g
}

func TestGroup(t *testing.T) {
	type house struct {
		door, ann, bob *node
		g              *Group
	}
	accept := func(n *node) { n.call().Accept(AcceptOptions{}) }
	for _, tc := range []struct {
		name           string
		bobAfter       time.Duration
		run            func(h *house)
		over, ann, bob string // the last events
	}{
		{"the first answer ends the others", 0, func(h *house) { accept(h.ann); pass(time.Second); h.ann.call().End() },
			"over normal callee true", "disconnected normal callee false", "disconnected cancel caller true"},
		{"two answers at once", 0, func(h *house) { accept(h.bob); accept(h.ann); pass(time.Second); h.g.End() },
			"over normal caller false", "", ""},
		{"a decline ends only its own", 0, func(h *house) { h.ann.call().End(); pass(time.Second); accept(h.bob); pass(time.Second); h.g.End() },
			"over normal caller false", "disconnected decline callee false", "disconnected normal caller true"},
		{"all decline", 0, func(h *house) { h.ann.call().End(); h.bob.call().End() },
			"over decline callee true", "disconnected decline callee false", "disconnected decline callee false"},
		{"nobody answers", 0, func(h *house) { h.bob.call().End(); pass(30 * time.Second) },
			"over noAnswer caller false", "disconnected noAnswer caller true", "disconnected decline callee false"},
		{"the caller gives up", 0, func(h *house) { h.g.End() },
			"over cancel caller false", "disconnected cancel caller true", "disconnected cancel caller true"},
		{"the next user after a time", 5 * time.Second, func(h *house) {
			pass(4 * time.Second)
			if h.bob.call() != nil {
				h.door.w.t.Error("the second user rings too early")
			}
			pass(2 * time.Second)
			accept(h.bob)
			pass(time.Second)
			h.g.End()
		}, "over normal caller false", "disconnected cancel caller true", "disconnected normal caller true"},
		{"the next user at once after a decline", 5 * time.Second, func(h *house) {
			h.ann.call().End()
			pass(time.Second)
			accept(h.bob)
			pass(time.Second)
			h.g.End()
		}, "over normal caller false", "disconnected decline callee false", "disconnected normal caller true"},
		{"an answer keeps the next from ringing", 5 * time.Second, func(h *house) { accept(h.ann); pass(10 * time.Second); h.g.End() },
			"over normal caller false", "disconnected normal caller true", "none"},
		{"the end keeps the next from ringing", 5 * time.Second, func(h *house) { h.g.End(); pass(10 * time.Second) },
			"over cancel caller false", "disconnected cancel caller true", "none"},
		{"the Kit closes", 5 * time.Second, func(h *house) { h.door.kit.Close() },
			"over appDestroy caller false", "disconnected appDestroy caller true", "none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				h := &house{door: w.node("door", "d1"), ann: w.node("ann", "panel").rings(), bob: w.node("bob", "panel").rings()}
				h.g = h.door.makeGroup(func(p *MakeCallParam) { p.RingTime = 20 * time.Second }, GroupMember{UserID: "bob", After: tc.bobAfter}, GroupMember{UserID: "ann"})
				pass(100 * time.Millisecond)
				tc.run(h)
				pass(2 * time.Second)
				if got := last(h.door); got != tc.over {
					t.Errorf("door heard %v, want last %q", h.door.heard(), tc.over)
				}
				for _, s := range []struct {
					n    *node
					want string
				}{{h.ann, tc.ann}, {h.bob, tc.bob}} {
					switch got := last(s.n); {
					case s.want == "none" && got != "", s.want != "" && s.want != "none" && got != s.want:
						t.Errorf("%s heard %v, want last %q", s.n.self.User, s.n.heard(), s.want)
					}
				}
				overs, ends := 0, 0
				for _, e := range h.door.heard() {
					var r string
					if n, _ := fmt.Sscanf(e, "over %s", &r); n == 1 {
						overs++
					}
					if n, _ := fmt.Sscanf(e, "disconnected %s", &r); n == 1 {
						ends++
					}
				}
				if calls := len(h.g.Calls()); overs != 1 || ends != calls {
					t.Errorf("%d overs, %d ends of %d calls: %v", overs, ends, calls, h.door.heard())
				}
			})
		})
	}
}

// TestGroupAnsweredBy: both ends of a call that another user's answer ended
// learn who answered.
func TestGroupAnsweredBy(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, ann, bob := w.node("door", "d1").rings(), w.node("ann", "panel").rings(), w.node("bob", "panel").rings()
		g := door.makeGroup(nil, GroupMember{UserID: "ann"}, GroupMember{UserID: "bob"})
		pass(100 * time.Millisecond)
		if _, err := door.kit.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "x", PeerServiceID: "house", AccessToken: "token"}, Handler{}); !errors.Is(err, StartAlreadyExist) {
			t.Errorf("MakeCall beside a group: %v", err)
		}
		ann.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		if g.Answered() == nil || g.Answered().Peer() != ann.self || g.Answered().Group() != g {
			t.Errorf("answered: %+v", g.Answered())
		}
		want := Disconnected{Reason: ReasonCancel, Source: SourceCaller, AnsweredBy: "ann/panel"}
		if d := cmp.Diff([]Disconnected{want}, door.ends); d != "" {
			t.Error(d)
		}
		want.ByRemote = true
		if d := cmp.Diff([]Disconnected{want}, bob.ends); d != "" {
			t.Error(d)
		}
		// as one: a second caller waits, a third is busy
		w.node("gate", "g1").make("door")
		third := w.node("shop", "s1")
		pass(time.Second)
		third.make("door")
		pass(3 * time.Second)
		if door.pushes != 1 {
			t.Errorf("%d pushes told", door.pushes)
		}
		if !slices.Contains(ann.heard(), "connected false false") {
			t.Errorf("ann heard %v", ann.heard())
		}
	})
}

func TestGroupRefused(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door := w.node("door", "d1", func(c *Config) { c.Microphone = func() error { return errors.New("gone") } })
		ok := MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerServiceID: "house", AccessToken: "token", AllowCallWithoutMic: true}
		many := make([]GroupMember, MaxGroup+1)
		for i := range many {
			many[i].UserID = fmt.Sprint("u", i)
		}
		noMic, token := ok, ok
		noMic.AllowCallWithoutMic, token.AccessToken = false, "old"
		for _, tc := range []struct {
			p       MakeCallParam
			members []GroupMember
			want    StartFailReason
		}{
			{ok, nil, StartInvalidParam},
			{ok, many, StartInvalidParam},
			{ok, []GroupMember{{UserID: "a"}, {UserID: "a"}}, StartInvalidParam},
			{ok, []GroupMember{{UserID: "a", After: -1}}, StartInvalidParam},
			{ok, []GroupMember{{UserID: "a"}, {UserID: "/"}}, StartInvalidUserID},
			{ok, []GroupMember{{UserID: "a"}, {UserID: "door"}}, StartIDConflict},
			{noMic, []GroupMember{{UserID: "a"}}, StartNoPermissionMic},
			{token, []GroupMember{{UserID: "a"}}, StartInvalidAccessToken},
		} {
			g, err := door.kit.MakeGroupCall(tc.p, tc.members, GroupHandler{})
			if g != nil || StartReason(err) != tc.want {
				t.Errorf("%v: %v, want %v", tc.members, err, tc.want)
			}
		}
		if len(door.kit.calls) != 0 {
			t.Errorf("a refused group left %d calls", len(door.kit.calls))
		}
		if _, err := (*Kit)(nil).MakeGroupCall(ok, []GroupMember{{UserID: "a"}}, GroupHandler{}); !errors.Is(err, StartNotInitialized) {
			t.Errorf("nil Kit: %v", err)
		}
	})
}
