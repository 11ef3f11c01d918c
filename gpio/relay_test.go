package gpio_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"intercom/gpio"
	"intercom/gpio/gpiotest"
)

const limit = 10 * time.Second

func newRelay(t testing.TB, out gpio.Output, log *slog.Logger) *gpio.Relay {
	t.Helper()
	r, err := gpio.NewRelay("strike", out, limit, log)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRelayPulse(t *testing.T) {
	type pulse struct{ at, d time.Duration }
	tests := []struct {
		name   string
		pulses []pulse
		want   string // changes, ms
	}{
		{"once", []pulse{{0, 3 * time.Second}}, "0 3000"},
		{"twice", []pulse{{0, 3 * time.Second}, {5 * time.Second, time.Second}}, "0 3000 5000 6000"},
		{"longer while on", []pulse{{0, 3 * time.Second}, {2 * time.Second, 3 * time.Second}}, "0 5000"},
		{"never shorter", []pulse{{0, 5 * time.Second}, {time.Second, time.Second}}, "0 5000"},
		{"up to the limit", []pulse{{0, limit}}, "0 10000"},
		{"never over the limit of the opening", []pulse{{0, 6 * time.Second}, {5 * time.Second, 6 * time.Second}, {9 * time.Second, 6 * time.Second}}, "0 10000"},
		{"again after the limit is a new opening", []pulse{{0, limit}, {limit, time.Second}}, "0 10000 10000 11000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pin := gpiotest.NewPin()
				r := newRelay(t, pin, nil)
				start := gpiotest.Now()
				for _, p := range test.pulses {
					time.Sleep(start + p.at - gpiotest.Now())
					if err := r.Pulse(p.d); err != nil {
						t.Fatalf("pulse at %v: %v", p.at, err)
					}
				}
				time.Sleep(time.Minute)
				if err := errors.Join(r.Close(), r.Close()); err != nil {
					t.Errorf("close: %v", err)
				}
				if got := shown(pin, start); got != test.want {
					t.Errorf("changes at %s, want %s", got, test.want)
				}
			})
		})
	}
}

func TestRelayRefuses(t *testing.T) {
	for _, l := range []time.Duration{0, -1, gpio.MaxRelayLimit + 1} {
		if _, err := gpio.NewRelay("strike", gpiotest.NewPin(), l, nil); !errors.Is(err, gpio.ErrRelayTime) {
			t.Errorf("limit %v: got %v, want %v", l, err, gpio.ErrRelayTime)
		}
	}
	pin, broken := gpiotest.NewPin(), errors.New("broken")
	pin.FailSet(func(bool) error { return broken })
	if _, err := gpio.NewRelay("strike", pin, limit, nil); !errors.Is(err, broken) {
		t.Errorf("a line that can not be switched off: got %v, want %v", err, broken)
	}
	pin = gpiotest.NewPin()
	pin.Drive(true)
	r := newRelay(t, pin, nil)
	if pin.Active() {
		t.Error("on after NewRelay")
	}
	for _, d := range []time.Duration{0, -1, limit + 1} {
		if err := r.Pulse(d); !errors.Is(err, gpio.ErrRelayTime) || pin.Active() {
			t.Errorf("pulse of %v: got %v, want %v and off", d, err, gpio.ErrRelayTime)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Pulse(time.Second); !errors.Is(err, gpio.ErrRelayClosed) || pin.Active() {
		t.Errorf("pulse after Close: got %v, want %v and off", err, gpio.ErrRelayClosed)
	}
}

func TestRelayCloseSwitchesOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := gpiotest.NewPin()
		r := newRelay(t, pin, nil)
		if err := r.Pulse(limit); err != nil {
			t.Fatal(err)
		}
		before := gpiotest.Now()
		if err := r.Close(); err != nil || pin.Active() || gpiotest.Now() != before {
			t.Errorf("close: %v, on: %v, %v later", err, pin.Active(), gpiotest.Now()-before)
		}
	})
}

func TestRelayState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, gpiotest.NewPin(), nil)
		defer r.Close()
		if err := r.Pulse(2 * time.Second); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(2 * time.Second)
		<-r.Changed()
		if s := r.State(); !s.On || !s.Until.Equal(until) || s.Openings != 1 {
			t.Errorf("on: %+v, want it until %v", s, until)
		}
		<-r.Changed()
		if s := r.State(); s.On || !time.Now().Equal(until) {
			t.Errorf("off at %v: %+v, want it at %v", time.Now(), s, until)
		}
		select {
		case <-r.Changed():
			t.Error("changed again")
		default:
		}
	})
}

// TestRelayStaysOn breaks switching off for a second.
func TestRelayStaysOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		pin, broken := gpiotest.NewPin(), errors.New("broken")
		r := newRelay(t, pin, slog.New(slog.NewTextHandler(&log, nil)))
		if err := r.Pulse(time.Second); err != nil {
			t.Fatal(err)
		}
		start := gpiotest.Now()
		pin.FailSet(func(on bool) error {
			if on {
				t.Error("switched on while it can not be switched off")
			}
			return broken
		})
		time.Sleep(1500 * ms)
		if s := r.State(); !s.On || !errors.Is(s.Err, broken) {
			t.Errorf("state is %+v, want it on with %v", s, broken)
		}
		if err := r.Pulse(time.Second); !errors.Is(err, gpio.ErrRelayFault) || !errors.Is(err, broken) {
			t.Errorf("pulse: %v, want %v and %v", err, gpio.ErrRelayFault, broken)
		}
		time.Sleep(510 * ms)
		pin.FailSet(nil)
		time.Sleep(time.Second)
		if got, want := shown(pin, start), "0 2050"; got != want {
			t.Errorf("off at %s ms, want %s", got, want)
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "level=ERROR"); n != 2 {
			t.Errorf("logged %d errors, want the begin and the end:\n%s", n, &log)
		}
		if err := r.Pulse(time.Second); err != nil {
			t.Errorf("pulse after it works again: %v", err)
		}
		pin.FailSet(func(bool) error { return broken })
		before := pin.Writes()
		if err := r.Close(); !errors.Is(err, gpio.ErrRelayFault) || !errors.Is(err, broken) {
			t.Errorf("close: %v, want %v and %v", err, gpio.ErrRelayFault, broken)
		}
		if n := pin.Writes() - before; n < 3 || n > 10 {
			t.Errorf("close tried %d times", n)
		}
	})
}

// badLine is an output whose level an error leaves either way. It notes when
// a relay does what it must not.
type badLine struct {
	mu       sync.Mutex
	failsOn  bool
	failsOff bool
	sticks   bool // a Set(true) that fails still switches on
	on       bool
	since    time.Time // on since
	tried    time.Time // last Set(false) that failed since then
	fault    string
}

// look notes a line that is on for too long. It is called with mu held.
func (b *badLine) look() {
	const retry = 50 * ms
	switch {
	case !b.on:
	case b.tried.IsZero() && time.Since(b.since) > limit:
		b.fault = fmt.Sprintf("on for %v, over the limit of %v", time.Since(b.since), limit)
	case !b.tried.IsZero() && time.Since(b.tried) > retry:
		b.fault = fmt.Sprintf("not tried to switch off for %v", time.Since(b.tried))
	}
}

func (b *badLine) Set(on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.look()
	switch {
	case on && !b.tried.IsZero():
		b.fault = "switched on while it can not be switched off"
	case on && b.on:
		b.fault = "switched on twice"
	}
	fails := on && b.failsOn || !on && b.failsOff
	switch {
	case fails && !on && b.on:
		b.tried = time.Now()
	case on && (!fails || b.sticks):
		b.on, b.since, b.tried = true, time.Now(), time.Time{}
	case !on && !fails:
		b.on, b.tried = false, time.Time{}
	}
	if fails {
		return errors.New("bad line")
	}
	return nil
}

func (b *badLine) Close() error { return nil }

// bubble hides that it is a *testing.T from rapid, which would ask for its
// deadline: not allowed in a bubble.
type bubble struct{ *testing.T }

// TestRelayNeverLonger pulses at random on a line that fails at random.
func TestRelayNeverLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubble{t}, func(t *rapid.T) {
			line := &badLine{}
			r, err := gpio.NewRelay("strike", line, limit, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			t.Repeat(map[string]func(*rapid.T){
				"": func(t *rapid.T) {
					synctest.Wait()
					line.mu.Lock()
					defer line.mu.Unlock()
					if line.look(); line.fault != "" {
						t.Fatal(line.fault)
					}
					if s := r.State(); line.on && !s.On || s.On && !line.on && s.Err == nil {
						t.Fatalf("on is %v, but the state is %+v", line.on, s)
					}
				},
				"pulse": func(t *rapid.T) {
					d := time.Duration(rapid.Int64Range(-int64(time.Second), int64(limit+time.Second)).Draw(t, "d"))
					before := r.State()
					err := r.Pulse(d)
					after := r.State()
					if err == nil && (!after.On || after.Until.Before(time.Now())) {
						t.Fatalf("pulse of %v: no error, but the state is %+v", d, after)
					}
					if err == nil && after.Until.Before(before.Until) {
						t.Fatalf("pulse of %v: ends at %v, earlier than %v", d, after.Until, before.Until)
					}
				},
				"wait": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.Int64Range(1, int64(12*time.Second)).Draw(t, "for")))
				},
				"break": func(t *rapid.T) {
					line.mu.Lock()
					defer line.mu.Unlock()
					line.failsOn = rapid.Bool().Draw(t, "on")
					line.failsOff = rapid.Bool().Draw(t, "off")
					line.sticks = rapid.Bool().Draw(t, "sticks")
				},
				"mend": func(*rapid.T) {
					line.mu.Lock()
					defer line.mu.Unlock()
					line.failsOn, line.failsOff = false, false
				},
			})
			line.mu.Lock()
			line.failsOff = false
			line.mu.Unlock()
			if err := r.Close(); err != nil || line.on {
				t.Fatalf("close: %v, on: %v", err, line.on)
			}
		})
	})
}
