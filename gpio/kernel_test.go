//go:build linux

package gpio_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	periph "periph.io/x/conn/v3/gpio"

	"intercom/gpio"
	"intercom/gpio/cdev"
	"intercom/gpio/periphpin"
)

// openKernelButton watches a line of a chip.
func openKernelButton(t *testing.T, in gpio.Input, opts gpio.ButtonOptions) (*gpio.Button, <-chan gpio.ButtonEvent) {
	t.Helper()
	events := make(chan gpio.ButtonEvent, 9)
	b, err := gpio.NewButton("bell", in, opts, events)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, events
}

// TestKernelPress presses an active-low button: a press has the time of its
// edge, a long one comes by the clock.
func TestKernelPress(t *testing.T) {
	chip := newChip(t, "sim-press", "BELL")
	in := chip.input(t, 0, cdev.InputOptions{ActiveLow: true, Bias: cdev.PullUp})
	if active, err := in.Read(); err != nil || active {
		t.Fatalf("at rest: %v, %v; the pull-up should hold it", active, err)
	}
	b, events := openKernelButton(t, in, gpio.ButtonOptions{Long: 200 * ms})
	before := gpio.Monotonic()
	chip.pull(t, 0, false)
	after := gpio.Monotonic()
	press := next(t, events)
	if press.Kind != gpio.Press || press.At < before || press.At > after {
		t.Fatalf("got %v at %v, want a press between %v and %v", press.Kind, press.At, before, after)
	}
	if e := next(t, events); e.Kind != gpio.LongPress || e.At != press.At+200*ms {
		t.Errorf("got %v at %v, want a long press 200 ms after %v", e.Kind, e.At, press.At)
	}
	chip.pull(t, 0, true)
	if e := next(t, events); e.Kind != gpio.Release {
		t.Errorf("got %v, want a release", e.Kind)
	}
	if h := b.Health(); h.Presses != 1 || h.Glitches+h.Bounces > 0 || h.LongestHold < 200*ms {
		t.Errorf("health is %+v", h)
	}
}

// TestKernelBounce lets the contact bounce: one press, at the first edge.
func TestKernelBounce(t *testing.T) {
	chip := newChip(t, "sim-bounce", "BELL")
	b, events := openKernelButton(t, chip.input(t, 0, cdev.InputOptions{}), gpio.ButtonOptions{Filter: 20 * ms})
	for _, high := range []bool{true, false} { // a spike is no press
		chip.pull(t, 0, high)
	}
	time.Sleep(50 * ms)
	before := gpio.Monotonic()
	chip.pull(t, 0, true)
	after := gpio.Monotonic()
	for range 5 {
		chip.pull(t, 0, false)
		chip.pull(t, 0, true)
	}
	if e := next(t, events); e.Kind != gpio.Press || e.At < before || e.At > after {
		t.Errorf("got %v at %v, want a press at the first edge, %v to %v", e.Kind, e.At, before, after)
	}
	time.Sleep(200 * ms)
	if h := b.Health(); h.Presses != 1 || h.Glitches != 6 || len(events) != 0 {
		t.Errorf("health is %+v with %d more events, want 1 press and 6 glitches", h, len(events))
	}
}

// TestKernelEdges hears every edge with its direction, in order; and the last
// ones of a burst that nobody reads.
func TestKernelEdges(t *testing.T) {
	chip := newChip(t, "sim-edges", "A", "B")
	in := chip.input(t, 0, cdev.InputOptions{})
	var last time.Duration
	for i := range 400 {
		chip.pull(t, 0, i%2 == 0)
		e := next(t, in.Edges())
		if e.Active != (i%2 == 0) || e.At <= last || e.At > gpio.Monotonic() {
			t.Fatalf("edge %d is %+v after one at %v", i, e, last)
		}
		last = e.At
	}
	const burst = 301
	for i := range burst {
		chip.pull(t, 0, i%2 == 0)
	}
	time.Sleep(100 * ms)
	var got []gpio.Edge
	for len(in.Edges()) > 0 {
		got = append(got, <-in.Edges())
	}
	if len(got) != gpio.EdgeBuffer || !got[len(got)-1].Active || in.Dropped() != burst-gpio.EdgeBuffer {
		t.Errorf("%d edges kept, the last is %+v, %d dropped", len(got), got[len(got)-1], in.Dropped())
	}
	if active, err := in.Read(); err != nil || !active {
		t.Errorf("read %v, %v", active, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if _, ok := <-in.Edges(); ok {
		t.Error("an edge after Close")
	}
	if _, err := in.Read(); !errors.Is(err, cdev.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
}

// TestKernelLamps reads patterns back from the other side of the lines.
func TestKernelLamps(t *testing.T) {
	chip := newChip(t, "sim-lamps", "TRIPLE", "LOW", "OTHER")
	triple := chip.output(t, 0, cdev.OutputOptions{})
	low := chip.output(t, 1, cdev.OutputOptions{ActiveLow: true})
	if !chip.high(t, 1) || chip.high(t, 0) {
		t.Error("a lamp is on before it was shown")
	}
	lamps := gpio.NewLamps(map[string]gpio.Output{"triple": triple, "low": low}, nil)
	defer lamps.Close()
	for name, p := range map[string]gpio.Pattern{"triple": gpio.TripleBlink, "low": gpio.On} {
		if err := lamps.Show(name, p); err != nil {
			t.Fatal(err)
		}
	}
	var seen []bool
	for end := time.Now().Add(1500 * ms); time.Now().Before(end); time.Sleep(5 * ms) {
		if on := chip.high(t, 0); len(seen) == 0 || on != seen[len(seen)-1] {
			seen = append(seen, on)
		}
	}
	if want := []bool{true, false, true, false, true, false}; !slices.Equal(seen, want) && !slices.Equal(seen, append([]bool{false}, want...)) {
		t.Errorf("triple blink was seen as %v", seen)
	}
	if chip.high(t, 1) {
		t.Error("the active-low lamp is high, so off")
	}
	if err := lamps.Close(); err != nil || !chip.high(t, 1) {
		t.Errorf("after Close: %v, the active-low lamp is high: %v", err, chip.high(t, 1))
	}
	if err := errors.Join(low.Close(), low.Close()); err != nil {
		t.Error(err)
	}
	if err := low.Set(true); !errors.Is(err, cdev.ErrClosed) {
		t.Errorf("set after Close: %v", err)
	}
}

// TestKernelRelayLimit asks for more and more, and never gets more than the
// hard limit.
func TestKernelRelayLimit(t *testing.T) {
	chip := newChip(t, "sim-limit", "STRIKE")
	out := chip.output(t, 0, cdev.OutputOptions{})
	const limit = 300 * ms
	r, err := gpio.NewRelay("strike", out, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	start := time.Now()
	if err := r.Pulse(limit); err != nil || !chip.high(t, 0) {
		t.Fatalf("pulse: %v, on: %v", err, chip.high(t, 0))
	}
	for r.State().On && time.Since(start) < limit-20*ms { // not into a second opening
		if err := r.Pulse(limit); err != nil {
			t.Errorf("pulse while on: %v", err)
		}
		time.Sleep(10 * ms)
	}
	for chip.high(t, 0) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the relay stays on")
		}
		time.Sleep(time.Millisecond)
	}
	if s := r.State(); s.Openings != 1 {
		t.Errorf("%d openings", s.Openings)
	}
	if on := time.Since(start); on < limit-20*ms {
		t.Errorf("on for %v only", on)
	} else {
		t.Logf("on for %v with a limit of %v", on, limit)
	}
}

// TestKernelBusy asks for a line that another has, for one that is not there,
// and for one of a chip that is not there.
func TestKernelBusy(t *testing.T) {
	chip := newChip(t, "sim-busy", "A", "B")
	chip.output(t, 0, cdev.OutputOptions{})
	if i, err := cdev.Lookup(chip.at(0)); err != nil || !i.Used || i.Consumer != "test-out" || !i.Output || i.Label != "sim-busy" {
		t.Errorf("lookup: %+v, %v", i, err)
	}
	if i, err := cdev.Lookup(cdev.Place{Chip: "sim-busy", Offset: 1}); err != nil || i.Used || i.Name != "B" {
		t.Errorf("lookup of a free line: %+v, %v", i, err)
	}
	for _, test := range []struct {
		at   cdev.Place
		is   error
		says string
	}{
		{chip.at(0), syscall.EBUSY, `line A (0) of chip sim-busy: device or resource busy: in use by "test-out"`},
		{cdev.Place{Chip: "sim-busy", Line: "C"}, cdev.ErrNoLine, "present: A, B"},
		{cdev.Place{Chip: "sim-busy", Offset: 2}, cdev.ErrNoLine, "lines 0 to 1"},
		{cdev.Place{Chip: "sim-none", Line: "A"}, cdev.ErrNoChip, "sim-busy"},
	} {
		_, inErr := cdev.OpenInput("x", test.at, cdev.InputOptions{})
		_, outErr := cdev.OpenOutput("x", test.at, cdev.OutputOptions{})
		for _, err := range []error{inErr, outErr} {
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v: got %v, want it to say %q", test.at, err, test.says)
			}
		}
	}
}

// TestKernelUnplug takes a chip away while its lines are in use.
func TestKernelUnplug(t *testing.T) {
	chip, other := newChip(t, "sim-gone", "BELL", "LAMP"), newChip(t, "sim-stays", "BELL")
	b, events := openKernelButton(t, chip.input(t, 0, cdev.InputOptions{}), gpio.ButtonOptions{})
	_, stays := openKernelButton(t, other.input(t, 0, cdev.InputOptions{}), gpio.ButtonOptions{})
	lamp := chip.output(t, 1, cdev.OutputOptions{})
	chip.unplug(t)
	if e := next(t, events); e.Kind != gpio.Failed || !errors.Is(e.Err, syscall.ENODEV) {
		t.Errorf("got %v, %v; want it failed with %v", e.Kind, e.Err, syscall.ENODEV)
	}
	if err := b.Health().Err; !errors.Is(err, syscall.ENODEV) {
		t.Errorf("health has %v", err)
	}
	if err := lamp.Set(true); !errors.Is(err, syscall.ENODEV) || !strings.Contains(err.Error(), "LAMP") {
		t.Errorf("set: %v", err)
	}
	other.pull(t, 0, true)
	if e := next(t, stays); e.Kind != gpio.Press {
		t.Errorf("the other button: %v", e.Kind)
	}
}

// TestKernelPeriph uses lines as periph's PinIO.
func TestKernelPeriph(t *testing.T) {
	chip := newChip(t, "sim-periph", "IN", "OUT")
	in := periphpin.Input("IN", chip.input(t, 0, cdev.InputOptions{}))
	if err := in.In(periph.PullNoChange, periph.RisingEdge); err != nil {
		t.Fatal(err)
	}
	chip.pull(t, 0, true)
	if !in.WaitForEdge(20*time.Second) || in.Read() != periph.High {
		t.Error("no rising edge")
	}
	out := periphpin.Output("OUT", chip.output(t, 1, cdev.OutputOptions{}))
	for _, l := range []periph.Level{periph.High, periph.Low} {
		if err := out.Out(l); err != nil || chip.high(t, 1) != bool(l) {
			t.Errorf("out %v: %v, line is %v", l, err, chip.high(t, 1))
		}
	}
}

// TestKernelNoLeak opens and closes until a leak would show.
func TestKernelNoLeak(t *testing.T) {
	chip := newChip(t, "sim-leak", "A", "B")
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	var first int
	for i := range 200 {
		in, err := cdev.OpenInput("x", chip.at(0), cdev.InputOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cdev.OpenInput("y", chip.at(0), cdev.InputOptions{}); err == nil {
			t.Fatal("a line was given twice")
		}
		out, err := cdev.OpenOutput("x", chip.at(1), cdev.OutputOptions{OpenDrain: i%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(in.Close(), in.Close(), out.Close()); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = descriptors() // the poller's own are open from here on
		}
	}
	if now := descriptors(); now != first {
		t.Errorf("%d descriptors, %d after the first round", now, first)
	}
}
