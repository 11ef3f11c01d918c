package call

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestOneRecordOfABusyDevice: a device that was busy, and takes the same call
// once it is free, leaves one record of it; one that stops meanwhile, too.
func TestOneRecordOfABusyDevice(t *testing.T) {
	for _, tc := range []struct {
		name  string
		takes bool
		want  []Reason // in the order of the ends
	}{
		{"takes it", true, []Reason{ReasonNormal, ReasonNormal}},
		{"stops", false, []Reason{ReasonBusy, ReasonAppDestroy}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				gate, door := w.node("gate", "g1"), w.node("door", "d1")
				home := w.node("home", "panel", func(c *Config) { c.NoCallWaiting = true }).rings()
				w.node("home", "hall").rings() // so that the call goes on
				gate.make("home")
				pass(time.Second)
				first := home.call()
				first.Accept(AcceptOptions{})
				pass(time.Second)
				c := door.make("home")
				pass(3 * time.Second)
				if tc.takes {
					first.End()
					pass(3 * time.Second)
					second := home.call()
					if second == first || !second.Accept(AcceptOptions{}) {
						t.Fatal("the second call does not ring when the first is over")
					}
					pass(time.Second)
					c.End()
					pass(time.Minute)
				} else {
					home.kit.Close()
				}
				var got []Reason
				for _, r := range home.recorded() {
					got = append(got, r.Disconnected.Reason)
				}
				slices.Sort(got)
				slices.Sort(tc.want)
				if !slices.Equal(got, tc.want) {
					t.Errorf("records of %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// TestBusyRecordsAreBounded: of very many calls at once none waits for its
// record, and none is lost.
func TestBusyRecordsAreBounded(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		home := w.node("home", "panel")
		home.make("x")
		for i := range maxCalls + 5 {
			home.kit.mu.Lock()
			home.kit.replyBusy(fmt.Sprint("c", i), Address{"house", "door", "d1", "s1"})
			home.kit.mu.Unlock()
		}
		if pass(time.Millisecond); len(home.recorded()) != 5 {
			t.Errorf("%d records at once, want 5", len(home.recorded()))
		}
		if pass(leaseTime); len(home.recorded()) != maxCalls+5 {
			t.Errorf("%d records, want %d", len(home.recorded()), maxCalls+5)
		}
	})
}
