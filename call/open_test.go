package call

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOpen: what a door does and what the asker is told never differ.
func TestOpen(t *testing.T) {
	answers := func(n *node) []string {
		return slices.DeleteFunc(n.heard(), func(e string) bool { return len(e) < 4 || e[:4] != "open" })
	}
	for _, tc := range []struct {
		name       string
		run        func(w *world, door, home *Call)
		door, home []string
	}{
		{"opened", func(w *world, door, home *Call) {
			home.RequestOpen()
			pass(100 * time.Millisecond)
			if !door.ClaimOpen() || door.ClaimOpen() || !door.AnswerOpen(true, "") || door.AnswerOpen(false, "") {
				w.t.Error("one claim and one answer must be taken")
			}
		}, []string{"openRequest"}, []string{"openResult true "}},
		{"refused with why", func(w *world, door, home *Call) {
			home.RequestOpen()
			pass(100 * time.Millisecond)
			door.AnswerOpen(false, "not you")
		}, []string{"openRequest"}, []string{"openResult false not you"}},
		{"one at a time", func(w *world, door, home *Call) {
			if !home.RequestOpen() || home.RequestOpen() {
				w.t.Error("two requests at once")
			}
		}, []string{"openRequest"}, []string{"openResult false the door did not answer in time"}},
		{"a slow door may not open any more", func(w *world, door, home *Call) {
			home.RequestOpen()
			pass(1100 * time.Millisecond)
			if door.ClaimOpen() || door.AnswerOpen(true, "") {
				w.t.Error("an expired request was answered")
			}
		}, []string{"openRequest"}, []string{"openResult false the door did not answer in time"}},
		{"a claim does not expire", func(w *world, door, home *Call) {
			home.RequestOpen()
			pass(900 * time.Millisecond)
			if !door.ClaimOpen() {
				w.t.Error("the claim was refused in time")
			}
			pass(5 * time.Second) // a slow relay: the asker has given up
			if !home.RequestOpen() {
				w.t.Error("no second request")
			}
			pass(100 * time.Millisecond)
			if door.ClaimOpen() {
				w.t.Error("a second request while the door is being opened")
			}
			door.AnswerOpen(true, "")
		}, []string{"openRequest", "openRequest"}, []string{"openResult false no answer from the door", "openResult true ", "openResult false the door did not answer in time"}},
		{"the door hears nothing", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			home.RequestOpen()
			pass(2100 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
		}, nil, []string{"openResult false no answer from the door"}},
		{"only a late copy arrives", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			home.RequestOpen()
			pass(1600 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
			pass(800 * time.Millisecond)
			if door.ClaimOpen() {
				w.t.Error("the door opens for an asker that has given up")
			}
		}, nil, []string{"openResult false no answer from the door"}},
		{"a copy arrives in time", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			home.RequestOpen()
			pass(1100 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
			pass(500 * time.Millisecond)
			if !door.ClaimOpen() || !door.AnswerOpen(true, "") {
				w.t.Error("the door does not open in time")
			}
		}, []string{"openRequest"}, []string{"openResult true "}},
		{"the request comes when the asker has given up", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			home.RequestOpen()
			pass(4 * time.Second)
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
			door.kit.receive(sealed(Message{ID: newID(), Call: door.id, Type: TypeOpen, Bind: chosenOf(door), From: home.kit.cfg.Self, To: door.kit.cfg.Self, Body: []byte(`{"request":1}`)}))
			pass(100 * time.Millisecond)
			if door.ClaimOpen() {
				w.t.Error("the door opens for an asker that has given up")
			}
		}, nil, []string{"openResult false no answer from the door"}},
		{"the confirmation comes too late", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			home.RequestOpen()
			say := func(body string) {
				door.kit.receive(sealed(Message{ID: newID(), Call: door.id, Type: TypeOpen, Bind: chosenOf(door), From: home.kit.cfg.Self, To: door.kit.cfg.Self, Body: []byte(body)}))
			}
			say(`{"request":1}`)
			pass(1100 * time.Millisecond)
			say(`{"request":1,"confirmed":true}`)
			if door.ClaimOpen() {
				w.t.Error("the door opens for a confirmation that was on its way for too long")
			}
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
		}, nil, []string{"openResult false the door did not answer in time"}},
		{"the answer is lost at first", func(w *world, door, home *Call) {
			home.RequestOpen()
			pass(100 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			door.AnswerOpen(true, "")
			pass(100 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
		}, []string{"openRequest"}, []string{"openResult true "}},
		{"asked again after an answer", func(w *world, door, home *Call) {
			home.RequestOpen()
			pass(100 * time.Millisecond)
			door.AnswerOpen(true, "")
			pass(100 * time.Millisecond)
			home.RequestOpen()
			pass(100 * time.Millisecond)
			door.AnswerOpen(true, "")
		}, []string{"openRequest", "openRequest"}, []string{"openResult true ", "openResult true "}},
		{"an answer to the request before", func(w *world, door, home *Call) {
			home.RequestOpen()
			pass(1100 * time.Millisecond) // it has expired
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			door.kit.receive(sealed(Message{ID: newID(), Call: door.id, Type: TypeOpen, Bind: chosenOf(door), From: home.kit.cfg.Self, To: door.kit.cfg.Self, Body: []byte(`{"request":2}`)}))
			if door.AnswerOpen(true, "") {
				w.t.Error("it was taken for one that the application has not heard of")
			}
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
		}, []string{"openRequest"}, []string{"openResult false the door did not answer in time"}},
		{"not connected", func(w *world, door, home *Call) {
			home.End()
			if home.RequestOpen() || door.ClaimOpen() || door.AnswerOpen(true, "") {
				w.t.Error("a door opens after the end")
			}
		}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door, home, c, in := talking(w)
				tc.run(w, c, in)
				pass(5 * time.Second)
				if !slices.Equal(tc.home, answers(home)) {
					t.Errorf("home heard %v, want %v", answers(home), tc.home)
				}
				if !slices.Equal(tc.door, answers(door)) {
					t.Errorf("door heard %v, want %v", answers(door), tc.door)
				}
			})
		})
	}
}

// TestAtMostOneActive: whatever is held and unheld, one call at most has the
// microphone.
func TestAtMostOneActive(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home, _, first := talking(w)
		gate := w.node("gate", "g1")
		gate.make("home")
		pass(100 * time.Millisecond)
		second := home.call()
		second.Accept(AcceptOptions{})
		if !first.Unhold() || second.WriteFrame([]byte{1}, 480) {
			t.Error("Unhold beside a call that is being accepted")
		}
		pass(time.Second)
		if got := last(gate); got != "peerHold another call" {
			t.Errorf("the accepted call's caller heard %v", gate.heard())
		}
		for i, c := range []*Call{second, first, second} {
			other := first
			if c == first {
				other = second
			}
			if !c.Unhold() || c.Unhold() {
				t.Errorf("%d: Unhold must be taken once", i)
			}
			pass(time.Second)
			if !c.WriteFrame([]byte{1}, 480) || other.WriteFrame([]byte{1}, 480) {
				t.Errorf("%d: after Unhold: this %v, other %v", i, c.s.held, other.s.held)
			}
		}
		if first.Hold("again") { // it is held, and stays so
			t.Error("held twice")
		}
		want := []string{"peerHold another call", "peerUnhold", "peerHold another call"}
		h := door.heard()
		if d := cmp.Diff(want, h[len(h)-len(want):]); d != "" {
			t.Errorf("door heard %v\n%s", h, d)
		}
	})
}

// TestAnswerBeforeTheQuestion: AnswerOpen is refused while the door still asks
// back whether the request is wanted, for the application has not heard of it.
func TestAnswerBeforeTheQuestion(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		door, home, c, in := talking(w)
		door.inject(home.self, c.ID(), chosenOf(in), TypeOpen, `{"request":1}`)
		if c.AnswerOpen(true, "") {
			t.Error("an answer was taken before OnOpenRequest")
		}
		if slices.Contains(door.heard(), "openRequest") {
			t.Errorf("heard %v", door.heard())
		}
		door.inject(home.self, c.ID(), chosenOf(in), TypeOpen, `{"request":1,"confirmed":true}`)
		if !c.AnswerOpen(true, "") || c.AnswerOpen(true, "") {
			t.Error("then it must be taken, once")
		}
	})
}
