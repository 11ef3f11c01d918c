package gpio_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/gpio"
	"intercom/gpio/gpiotest"
)

// shown writes a line's changes since a time as their times in ms: those that
// switch on and those that switch off in turn.
func shown(p *gpiotest.Pin, since time.Duration) string {
	var b strings.Builder
	for _, e := range p.History() {
		if e.At >= since {
			fmt.Fprintf(&b, " %d", (e.At-since)/ms)
		}
	}
	return strings.TrimSpace(b.String())
}

func TestPatterns(t *testing.T) {
	tests := []struct {
		pattern gpio.Pattern
		want    string // changes within 2.5 s, ms
	}{
		{gpio.Off, ""},
		{gpio.On, "0"},
		{gpio.Dim, "0 30 2000 2030"},
		{gpio.SlowBlink, "0 500 1000 1500 2000 2500"},
		{gpio.TripleBlink, "0 200 400 600 800 1000"},
		{gpio.Fault, "0 80 200 280 2000 2080 2200 2280"},
		{gpio.LongBlink, "0 1500"},
		{gpio.Wink, "0 200"},
		{gpio.FastBlink, "0 100 200 300 400 500 600 700 800 900 1000 1100 1200 1300 1400 1500 1600 1700 1800 1900 2000 2100 2200 2300 2400 2500"},
	}
	for _, test := range tests {
		t.Run(test.pattern.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pin := gpiotest.NewPin()
				lamps := gpio.NewLamps(map[string]gpio.Output{"call": pin}, nil)
				defer lamps.Close()
				time.Sleep(777 * ms)
				start := gpiotest.Now()
				if err := lamps.Show("call", test.pattern); err != nil {
					t.Fatal(err)
				}
				for range 10 { // as a station that shows everything after each event
					time.Sleep(250 * ms)
					lamps.Show("call", test.pattern)
				}
				synctest.Wait()
				if got := shown(pin, start); got != test.want {
					t.Errorf("changes at\n got %s\nwant %s", got, test.want)
				}
				if n := len(pin.History()); pin.Writes() != n+1 {
					t.Errorf("%d writes for %d changes and the one at the start", pin.Writes(), n)
				}
			})
		})
	}
}

func TestLampsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, mute := gpiotest.NewPin(), gpiotest.NewPin()
		lamps := gpio.NewLamps(map[string]gpio.Output{"call": call, "mute": mute}, nil)
		start := gpiotest.Now()
		lamps.Show("call", gpio.FastBlink)
		time.Sleep(150 * ms)
		lamps.Show("mute", gpio.On)
		lamps.Show("call", gpio.SlowBlink) // at once, whatever the other was about to do
		time.Sleep(600 * ms)
		lamps.Show("call", gpio.On)
		time.Sleep(time.Hour)
		if err := errors.Join(lamps.Close(), lamps.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
		hour := fmt.Sprint((time.Hour + 750*ms).Milliseconds())
		if got, want := shown(call, start), "0 100 150 650 750 "+hour; got != want {
			t.Errorf("call lamp changed at %s, want %s", got, want)
		}
		if got, want := shown(mute, start), "150 "+hour; got != want {
			t.Errorf("mute lamp changed at %s, want %s", got, want)
		}
	})
}

// To show what is shown already changes nothing: a caller does so at each
// event.
func TestLampsShownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, ended := gpiotest.NewPin(), gpiotest.NewPin()
		lamps := gpio.NewLamps(map[string]gpio.Output{"call": call, "ended": ended}, nil)
		defer lamps.Close()
		start := gpiotest.Now()
		for range 35 { // every 30 ms
			lamps.Show("call", gpio.SlowBlink)
			lamps.Show("ended", gpio.TripleBlink)
			time.Sleep(30 * ms)
		}
		if got, want := shown(call, start), "0 500 1000"; got != want {
			t.Errorf("call lamp changed at %s, want %s", got, want)
		}
		if got, want := shown(ended, start), "0 200 400 600 800 1000"; got != want {
			t.Errorf("lamp of the end changed at %s, want %s", got, want)
		}
	})
}

func TestLampsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pins, outs := make(map[gpio.Pattern]*gpiotest.Pin), make(map[string]gpio.Output)
		for p := gpio.Off; p <= gpio.Wink; p++ {
			pins[p] = gpiotest.NewPin()
			outs[p.String()] = pins[p]
		}
		lamps := gpio.NewLamps(outs, nil)
		defer lamps.Close()
		start := gpiotest.Now()
		for p := range pins {
			lamps.Show(p.String(), p)
		}
		time.Sleep(700 * ms)
		synctest.Wait()
		want := map[gpio.Pattern]string{
			gpio.Off: "", gpio.On: "0", gpio.Dim: "0 30", gpio.FastBlink: "0 100 200 300 400 500 600 700",
			gpio.SlowBlink: "0 500", gpio.TripleBlink: "0 200 400 600", gpio.Fault: "0 80 200 280",
			gpio.LongBlink: "0", gpio.Wink: "0 200",
		}
		for p, pin := range pins {
			if got := shown(pin, start); got != want[p] {
				t.Errorf("%v: changes at %s, want %s", p, got, want[p])
			}
		}
	})
}

// TestLampFails breaks one lamp of two, for a while.
func TestLampFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		broken := errors.New("no answer")
		call, mute := gpiotest.NewPin(), gpiotest.NewPin()
		lamps := gpio.NewLamps(map[string]gpio.Output{"call": call, "mute": mute}, slog.New(slog.NewTextHandler(&log, nil)))
		call.FailSet(func(bool) error { return broken })
		lamps.Show("call", gpio.FastBlink)
		start := gpiotest.Now()
		lamps.Show("mute", gpio.SlowBlink)
		time.Sleep(950 * ms)
		if err := lamps.Err(); !errors.Is(err, broken) {
			t.Errorf("error is %v, want %v", err, broken)
		}
		if got, want := shown(mute, start), "0 500"; got != want {
			t.Errorf("the other lamp changed at %s, want %s", got, want)
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("logged %d lines, want one:\n%s", n, &log)
		}
		lamps.Show("call", gpio.On)
		time.Sleep(10 * ms)
		call.FailSet(nil)
		time.Sleep(500 * ms) // the other lamp goes on in this time
		if err := lamps.Err(); err != nil || !call.Active() {
			t.Errorf("error is %v, on is %v after it works again", err, call.Active())
		}
		call.FailSet(func(bool) error { return broken })
		if err := lamps.Close(); !errors.Is(err, broken) {
			t.Errorf("close returned %v, want %v", err, broken)
		}
		if mute.Active() {
			t.Error("the other lamp is on after Close")
		}
	})
}

func TestLampsRefuse(t *testing.T) {
	lamps := gpio.NewLamps(map[string]gpio.Output{"call": gpiotest.NewPin(), "open": gpiotest.NewPin()}, nil)
	defer lamps.Close()
	want := `gpio: there is no lamp "cal"; there are ["call" "open"]`
	if err := lamps.Show("cal", gpio.On); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := lamps.Show("call", gpio.Pattern(99)); err == nil {
		t.Error("an unknown pattern was taken")
	}
	if diff := cmp.Diff("fast blink", gpio.FastBlink.String()); diff != "" {
		t.Error(diff)
	}
}
