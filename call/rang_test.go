package call

import (
	"os"
	"syscall"
	"testing"
)

// TestRangBefore: who takes up a call of a killed process learns whether the
// caller was told there that it rings, also through one that was killed before
// it said so itself.
func TestRangBefore(t *testing.T) {
	for name, said := range map[string]bool{"it rang": true, "it was silent": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door := w.node("door", "d1")
				n := w.node("home", "panel", incoming).keeps(dir, &p)
				n.pushed(func(n *node, cc string) {
					if c, err := n.verify(cc); err != nil {
						t.Error(err)
					} else if c.RangBefore() {
						t.Error("a new call rang before")
					}
				})
				defer n.kit.Close()
				c := door.make("home")
				pass(ringGrace / 10)
				if said && !n.call().Ringing() {
					t.Fatal("it may not ring")
				}
				pass(ringGrace / 10)
				for range 2 {
					n.die(&p)
					next := w.node("home", "panel", incoming).keeps(dir, &p)
					defer next.kit.Close()
					taken, err := next.adopt(c.ID())
					if err != nil {
						t.Fatal(err)
					}
					if taken.RangBefore() != said {
						t.Errorf("rang before: %t, want %t", !said, said)
					}
					pass(ringGrace / 10)
					n = next
				}
			})
		})
	}
}

// TestRangUnwritten: it was killed between saying that it rings and writing that
// down. The caller knows, and says so with the live check.
func TestRangUnwritten(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door := w.node("door", "d1")
		n := w.node("home", "panel", incoming).keeps(dir, &p)
		n.pushed(func(n *node, cc string) {
			if _, err := n.verify(cc); err != nil {
				t.Error(err)
			}
		})
		defer n.kit.Close()
		c := door.make("home")
		pass(ringGrace / 10)
		n.kit.journal.sync = func(*os.File) error { return syscall.EIO }
		n.call().Ringing()
		pass(ringGrace / 10)
		for range 2 { // the second was never told by its own process
			n.die(&p)
			next := w.node("home", "panel", incoming).keeps(dir, &p)
			defer next.kit.Close()
			next.kit.journal.sync = func(*os.File) error { return syscall.EIO }
			taken, err := next.adopt(c.ID())
			if err != nil {
				t.Fatal(err)
			}
			if taken.RangBefore() {
				t.Error("the journal knows; this test is of no use")
			}
			pass(ringGrace / 10)
			if !taken.RangBefore() {
				t.Error("the caller's word came, and it does not know that it rang")
			}
			n = next
		}
	})
}
