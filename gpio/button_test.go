package gpio_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"intercom/gpio"
	"intercom/gpio/gpiotest"
)

const ms = time.Millisecond

// received takes what is in a channel once everything is at rest.
func received(events <-chan gpio.ButtonEvent) (got []gpio.ButtonEvent) {
	synctest.Wait()
	for {
		select {
		case e := <-events:
			got = append(got, e)
		default:
			return got
		}
	}
}

func open(t *testing.T, name string, in gpio.Input, out chan<- gpio.ButtonEvent) *gpio.Button {
	t.Helper()
	b, err := gpio.NewButton(name, in, gpio.ButtonOptions{}, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestButton(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin, events := gpiotest.NewPin(), make(chan gpio.ButtonEvent, 9)
		b := open(t, "bell", pin, events)
		time.Sleep(time.Minute)

		pressed := gpiotest.Now()
		pin.Bounce(300*time.Microsecond, 200*time.Microsecond, 3*ms)
		if got := received(events); len(got) != 0 {
			t.Errorf("before the filter is over: %v", got)
		}
		time.Sleep(ms)
		want := []gpio.ButtonEvent{{Button: "bell", Kind: gpio.Press, At: pressed}}
		if diff := cmp.Diff(want, received(events)); diff != "" {
			t.Errorf("at the end of the filter (-want +got):\n%s", diff)
		}
		time.Sleep(2 * time.Second)
		released := gpiotest.Now()
		pin.Release()
		time.Sleep(4 * ms)
		want = []gpio.ButtonEvent{
			{Button: "bell", Kind: gpio.LongPress, At: pressed + time.Second},
			{Button: "bell", Kind: gpio.Release, At: released},
		}
		if diff := cmp.Diff(want, received(events)); diff != "" {
			t.Errorf("after two seconds (-want +got):\n%s", diff)
		}
		wantHealth := gpio.Health{Presses: 1, Glitches: 1, LongestHold: released - pressed}
		if diff := cmp.Diff(wantHealth, b.Health()); diff != "" {
			t.Errorf("health (-want +got):\n%s", diff)
		}
	})
}

func TestButtonHeldAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin, events := gpiotest.NewPin(), make(chan gpio.ButtonEvent, 9)
		pin.Press()
		time.Sleep(time.Hour) // the edges' clock began long before the button
		b := open(t, "bell", pin, events)
		time.Sleep(10 * time.Second)
		pin.Release()
		time.Sleep(time.Second)
		if got, want := b.Health().LongestHold, 10*time.Second; got != want {
			t.Errorf("longest hold is %v, want %v", got, want)
		}
		if got := received(events); len(got) != 0 {
			t.Errorf("got %v from a button that was held since before", got)
		}
		at := gpiotest.Now()
		pin.Press()
		time.Sleep(10 * ms)
		want := []gpio.ButtonEvent{{Button: "bell", Kind: gpio.Press, At: at}}
		if diff := cmp.Diff(want, received(events)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestButtonStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin, events := gpiotest.NewPin(), make(chan gpio.ButtonEvent, 9)
		pin.Press()
		b := open(t, "bell", pin, events)
		time.Sleep(time.Minute)
		got := received(events)
		if len(got) != 1 || got[0].Kind != gpio.Stuck || !b.Health().Stuck {
			t.Errorf("after a minute: got %v, health %+v, want it stuck", got, b.Health())
		}
		pin.Release()
		time.Sleep(time.Second)
		if h := b.Health(); h.Stuck {
			t.Errorf("released: health %+v, want it not stuck", h)
		}
	})
}

// TestButtonUnplugged loses one of two lines that share a channel.
func TestButtonUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("no such device")
		one, two := gpiotest.NewPin(), gpiotest.NewPin()
		events := make(chan gpio.ButtonEvent, 9)
		b := open(t, "one", one, events)
		open(t, "two", two, events)
		one.Unplug(gone)
		got := received(events)
		want := []gpio.ButtonEvent{{Button: "one", Kind: gpio.Failed, Err: gone}}
		if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if err := b.Health().Err; !errors.Is(err, gone) {
			t.Errorf("health has error %v, want %v", err, gone)
		}
		one.Press()
		two.Press()
		time.Sleep(10 * ms)
		if got := received(events); len(got) != 1 || got[0].Button != "two" {
			t.Errorf("got %v, want a press of two only", got)
		}
	})
}

// TestButtonLateReceiver lets presses wait for their receiver, and closes while
// one waits.
func TestButtonLateReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin, events := gpiotest.NewPin(), make(chan gpio.ButtonEvent)
		b := open(t, "bell", pin, events)
		var want []gpio.ButtonEvent
		for range 3 {
			want = append(want, gpio.ButtonEvent{Button: "bell", Kind: gpio.Press, At: gpiotest.Now()})
			pin.Press()
			time.Sleep(100 * ms)
			want = append(want, gpio.ButtonEvent{Button: "bell", Kind: gpio.Release, At: gpiotest.Now()})
			pin.Release()
			time.Sleep(100 * ms)
		}
		synctest.Wait()
		if n := b.Health().Presses; n != 1 {
			t.Errorf("%d presses counted while the first waits, want it", n)
		}
		var got []gpio.ButtonEvent
		for range want {
			got = append(got, <-events)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		pin.Press()
		time.Sleep(100 * ms)
		if err := errors.Join(b.Close(), b.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestNewButtonRefuses(t *testing.T) {
	pin := gpiotest.NewPin()
	for _, o := range []gpio.ButtonOptions{{Filter: -1}, {Long: time.Second, Stuck: time.Second}} {
		if _, err := gpio.NewButton("bell", pin, o, nil); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	bad := errors.New("bad")
	pin.FailRead(bad)
	if _, err := gpio.NewButton("bell", pin, gpio.ButtonOptions{}, nil); !errors.Is(err, bad) {
		t.Errorf("got %v, want %v", err, bad)
	}
}

// TestMonotonic holds that the clock moves forward.
func TestMonotonic(t *testing.T) {
	a := gpio.Monotonic()
	for b := a; b == a; b = gpio.Monotonic() {
		if b < a || a <= 0 {
			t.Fatalf("%v after %v", b, a)
		}
	}
}

func ExampleButton() {
	pin, events := gpiotest.NewPin(), make(chan gpio.ButtonEvent)
	bell, err := gpio.NewButton("bell", pin, gpio.ButtonOptions{}, events)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bell.Close()
	pin.Press()
	e := <-events
	fmt.Println(e.Button, e.Kind)
	// Output: bell press
}
