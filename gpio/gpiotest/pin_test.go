package gpiotest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/gpio"
	"intercom/gpio/gpiotest"
)

func TestPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := gpiotest.NewPin()
		start := gpiotest.Now()
		p.Bounce(time.Millisecond, 2*time.Millisecond, 0)
		p.Press() // is pressed
		p.Set(false)
		want := []gpio.Edge{
			{Active: true, At: start},
			{Active: false, At: start + time.Millisecond},
			{Active: true, At: start + 3*time.Millisecond},
			{Active: false, At: start + 3*time.Millisecond},
		}
		if diff := cmp.Diff(want, p.History()); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		p.Close()
		var edges []gpio.Edge
		for e := range p.Edges() {
			edges = append(edges, e)
		}
		if diff := cmp.Diff(want, edges); diff != "" {
			t.Errorf("edges (-want +got):\n%s", diff)
		}
	})
}

func TestPinKeepsTheNewestEdges(t *testing.T) {
	p := gpiotest.NewPin()
	for i := range 3 * gpio.EdgeBuffer {
		p.Drive(i%2 == 0)
	}
	p.Press()
	p.Close()
	var last gpio.Edge
	n := 0
	for e := range p.Edges() {
		last = e
		n++
	}
	// Closing released it, which is no edge: only its history has that.
	if n != gpio.EdgeBuffer || !last.Active {
		t.Errorf("%d edges, the last active: %v; want %d and the press", n, last.Active, gpio.EdgeBuffer)
	}
}

func TestPinFails(t *testing.T) {
	p := gpiotest.NewPin()
	bad, gone := errors.New("bad"), errors.New("gone")
	p.FailRead(bad)
	if _, err := p.Read(); err != bad {
		t.Errorf("read: %v, want %v", err, bad)
	}
	p.FailRead(nil)
	p.FailSet(func(on bool) error {
		if on {
			return nil
		}
		return bad
	})
	if err := p.Set(true); err != nil {
		t.Errorf("set on: %v", err)
	}
	if err := p.Set(false); err != bad || !p.Active() {
		t.Errorf("set off: %v and active %v, want %v and active", err, p.Active(), bad)
	}
	p.Unplug(gone)
	p.Unplug(bad)
	if _, err := p.Read(); err != gone {
		t.Errorf("read after unplugging: %v, want %v", err, gone)
	}
	if err := p.Set(true); err != gone || p.Active() {
		t.Errorf("set after unplugging: %v and active %v, want %v and not", err, p.Active(), gone)
	}
	if got := p.Writes(); got != 3 {
		t.Errorf("%d writes, want 3", got)
	}
}
