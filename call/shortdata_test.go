package call

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// shortOnly is what n heard of short data.
func shortOnly(n *node) []string {
	return slices.DeleteFunc(n.heard(), func(e string) bool { return !strings.HasPrefix(e, "short") })
}

func TestShortData(t *testing.T) {
	send := func(w *world, c *Call, typ, data string) {
		if _, err := c.SendShortData(typ, []byte(data)); err != nil {
			w.t.Errorf("SendShortData: %v", err)
		}
	}
	for _, tc := range []struct {
		name       string
		run        func(w *world, door, home *Call)
		door, home []string
	}{
		{"arrives and is acknowledged", func(w *world, door, home *Call) { send(w, home, "lamp", "on") },
			[]string{"shortData lamp on"}, []string{"shortDataResult 1 true"}},
		{"at the limits", func(w *world, door, home *Call) {
			send(w, door, strings.Repeat("t", MaxShortType), strings.Repeat("d", MaxShortData))
		}, []string{"shortDataResult 1 true"}, []string{"shortData " + strings.Repeat("t", MaxShortType) + " " + strings.Repeat("d", MaxShortData)}},
		{"over a limit nothing is sent", func(w *world, door, home *Call) {
			_, err := home.SendShortData(strings.Repeat("t", MaxShortType+1), nil)
			_, err2 := home.SendShortData("t", make([]byte, MaxShortData+1))
			if err == nil || err2 == nil {
				w.t.Errorf("taken: %v, %v", err, err2)
			}
		}, nil, nil},
		{"one a second", func(w *world, door, home *Call) {
			send(w, home, "a", "1")
			pass(999 * time.Millisecond)
			if _, err := home.SendShortData("a", []byte("2")); !errors.Is(err, ErrTooOften) {
				w.t.Errorf("after 999 ms: %v", err)
			}
			pass(time.Millisecond)
			send(w, home, "a", "3")
		}, []string{"shortData a 1", "shortData a 3"}, []string{"shortDataResult 1 true", "shortDataResult 2 true"}},
		{"by MQTT where there is no path", func(w *world, door, home *Call) {
			home.kit.sessionEvent(home, chosenOf(home), SessionEvent{Kind: SessionLost})
			w.set(func(w *world) { w.pathDown = true })
			send(w, home, "a", "1")
			pass(time.Second)
			w.set(func(w *world) { w.pathDown = false })
			home.kit.sessionEvent(home, chosenOf(home), SessionEvent{Kind: SessionUp})
		}, []string{"shortData a 1"}, []string{"shortDataResult 1 true"}},
		{"given once however often it comes", func(w *world, door, home *Call) {
			send(w, home, "a", "1")
			pass(100 * time.Millisecond)
			again := Message{ID: newID(), Call: door.ID(), Type: TypeShortData, Bind: chosenOf(home), From: home.kit.cfg.Self, Body: []byte(`{"seq":1,"type":"a","data":"MQ=="}`)}
			door.kit.receive(sealed(again))
		}, []string{"shortData a 1"}, []string{"shortDataResult 1 true"}},
		{"late, lost and repeated", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			send(w, home, "a", "1")
			pass(1200 * time.Millisecond)
			w.set(func(w *world) { w.loss, w.pathDown, w.repeat = 0, false, 1 })
		}, []string{"shortData a 1"}, []string{"shortDataResult 1 true"}},
		{"not acknowledged", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			send(w, home, "a", "1")
			pass(shortDataFor + time.Second)
			if home.timers[timerShortData] != nil {
				w.t.Error("it still counts the time of nothing")
			}
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
			send(w, home, "a", "2")
		}, []string{"shortData a 2"}, []string{"shortDataResult 1 false", "shortDataResult 2 true"}},
		{"not acknowledged by the end", func(w *world, door, home *Call) {
			w.set(func(w *world) { w.loss, w.pathDown = 1, true })
			send(w, door, "a", "1")
			door.End()
			w.set(func(w *world) { w.loss, w.pathDown = 0, false })
		}, []string{"shortDataResult 1 false"}, nil},
		{"not connected", func(w *world, door, home *Call) {
			home.End()
			if _, err := home.SendShortData("a", nil); !errors.Is(err, ErrNotConnected) {
				w.t.Errorf("after the end: %v", err)
			}
		}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				door, home, c, in := talking(w)
				tc.run(w, c, in)
				pass(5 * time.Second)
				if got := shortOnly(door); !slices.Equal(got, tc.door) {
					t.Errorf("door heard %v, want %v", got, tc.door)
				}
				if got := shortOnly(home); !slices.Equal(got, tc.home) {
					t.Errorf("home heard %v, want %v", got, tc.home)
				}
			})
		})
	}
}

// TestWindow compares it with a set that forgets nothing.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		seen := map[int64]bool{}
		top := int64(0)
		for range 200 {
			n := rapid.Int64Range(max(1, top-80), top+70).Draw(t, "n")
			top = max(top, n)
			want := !seen[n] && n > top-64
			if got := w.add(n); got != want {
				t.Fatalf("%d with %d the highest: %v", n, top, got)
			}
			seen[n] = true
		}
	})
}
