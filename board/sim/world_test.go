package sim

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/gpio"
)

func TestOpenRefuses(t *testing.T) {
	many := make([]string, maxLines+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, tc := range map[string]struct {
		cfg  Config
		want string
	}{
		"rate":         {Config{Rate: 96000}, "rate 96000"},
		"period":       {Config{Period: time.Second}, "period 1s"},
		"part sample":  {Config{Rate: 44100, Period: 1234567}, "whole number"},
		"ppm":          {Config{RatePPM: -1001}, "clock error"},
		"NaN ppm":      {Config{RatePPM: math.NaN()}, "clock error"},
		"no name":      {Config{Inputs: []string{""}}, "name of 1"},
		"twice":        {Config{Inputs: []string{"a"}, Outputs: []string{"a"}}, "twice"},
		"too many":     {Config{Outputs: many}, "65 pins"},
		"no directory": {Config{Socket: "missing-directory/socket"}, "control socket"},
	} {
		b, err := Open(tc.cfg)
		if err == nil {
			b.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %q does not say %q", name, err, tc.want)
		}
	}
}

func TestInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Inputs: []string{"bell"}, Outputs: []string{"lamp"}})
		in := must[gpio.Input](t)(b.Input("bell"))
		press := must[time.Duration](t)(b.Press("bell"))
		time.Sleep(time.Second)
		if again := must[time.Duration](t)(b.Press("bell")); again != press {
			t.Errorf("second press at %v, want that of the first, %v", again, press)
		}
		release := must[time.Duration](t)(b.Release("bell"))
		tap := must[time.Duration](t)(b.Tap("bell", 80*time.Millisecond))
		if active := must[bool](t)(in.Read()); !active {
			t.Error("not active in a tap")
		}
		time.Sleep(time.Second)
		must[time.Duration](t)(b.Tap("bell", 80*time.Millisecond)) // replaced:
		time.Sleep(40 * time.Millisecond)
		held := must[time.Duration](t)(b.Press("bell"))
		time.Sleep(time.Second)
		ok(t, in.Close())
		ok(t, in.Close())

		var got []gpio.Edge
		for e := range in.Edges() {
			got = append(got, e)
		}
		want := []gpio.Edge{
			{Active: true, At: press},
			{Active: false, At: press + time.Second},
			{Active: true, At: tap},
			{Active: false, At: tap + 80*time.Millisecond},
			{Active: true, At: held},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("edges (-want +got):\n%s", d)
		}
		if release != press+time.Second || held != tap+time.Second {
			t.Errorf("release %v, press in the tap %v: not the times of their edges", release, held)
		}
		if _, err := in.Read(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read after Close: %v, want os.ErrClosed", err)
		}
		for name, err := range map[string]error{
			"press of an output": second(b.Press("lamp")),
			"no such input":      second(b.Release("none")),
			"open an output":     second(b.Input("lamp")),
		} {
			if !errors.Is(err, syscall.ENOENT) {
				t.Errorf("%s: %v, want ENOENT", name, err)
			}
		}
		if _, err := b.Tap("bell", 0); err == nil {
			t.Error("a tap of 0 was taken")
		}
		must[gpio.Input](t)(b.Input("bell"))
		if _, err := b.Input("bell"); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("open twice: %v, want EBUSY", err)
		}
	})
}

// An input that nobody reads keeps its last edges.
func TestInputFull(t *testing.T) {
	b := open(t, Config{Inputs: []string{"bell"}})
	in := must[gpio.Input](t)(b.Input("bell"))
	for range gpio.EdgeBuffer {
		must[time.Duration](t)(b.Press("bell"))
		must[time.Duration](t)(b.Release("bell"))
	}
	last := must[time.Duration](t)(b.Press("bell"))
	ok(t, b.Close())
	n := 0
	var e gpio.Edge
	for e = range in.Edges() {
		n++
	}
	if want := (gpio.Edge{Active: true, At: last}); n != gpio.EdgeBuffer || e != want {
		t.Errorf("%d edges, last %+v, want %d, %+v", n, e, gpio.EdgeBuffer, want)
	}
}

func TestOutputHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Inputs: []string{"bell"}, Outputs: []string{"lamp", "door"}})
		lamp, door := must[gpio.Output](t)(b.Output("lamp")), must[gpio.Output](t)(b.Output("door"))
		t0 := b.clock.now()
		ok(t, lamp.Set(true))
		ok(t, lamp.Set(true)) // no change
		time.Sleep(time.Second)
		ok(t, door.Set(true))
		time.Sleep(time.Second)
		ok(t, door.Close()) // switches it off
		if err := door.Set(true); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Set after Close: %v, want os.ErrClosed", err)
		}
		want := []Change{
			{Name: "lamp", Active: true, At: t0},
			{Name: "door", Active: true, At: t0 + time.Second},
			{Name: "door", Active: false, At: t0 + 2*time.Second},
		}
		if d := cmp.Diff(want, must[[]Change](t)(b.History())); d != "" {
			t.Errorf("history (-want +got):\n%s", d)
		}
		wantLines := []Line{
			{Name: "bell"},
			{Name: "lamp", Output: true, Active: true, At: t0},
			{Name: "door", Output: true, At: t0 + 2*time.Second},
		}
		if d := cmp.Diff(wantLines, must[[]Line](t)(b.Lines())); d != "" {
			t.Errorf("lines (-want +got):\n%s", d)
		}
		for i := range maxHistory {
			ok(t, lamp.Set(i%2 == 1))
		}
		h := must[[]Change](t)(b.History())
		if len(h) != maxHistory || h[0].Active {
			t.Errorf("%d changes, first %+v, want the last %d", len(h), h[0], maxHistory)
		}
	})
}

// The speaker remembers its last 5 s, with the time of each sample.
func TestSpeakerMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Rate: 8000})
		c := b.Card()
		ok(t, c.Start())
		p, start, n := make([]int16, c.Period()), b.clock.now(), 0
		for k := range 700 { // 7 s of samples that count up; each played 2 ticks later
			if _, err := c.Capture(p); err != nil {
				t.Fatal(k, err)
			}
			for i := range p {
				p[i] = int16(n % 30000)
				n++
			}
			ok(t, c.Play(p))
		}
		for _, last := range []time.Duration{time.Millisecond, 13 * time.Millisecond, 5 * time.Second} {
			pcm, from, err := b.Speaker(last)
			ok(t, err)
			if got, want := len(pcm), int(last/time.Millisecond)*8; got != want {
				t.Errorf("last %v: %d samples, want %d", last, got, want)
			}
			// Tick 700 ended the period that began at tick 699.
			if want := start + 700*tick - last; from != want {
				t.Errorf("last %v: from %v, want %v", last, from-start, want-start)
			}
			// Sample 0 was played from tick 2 on.
			first := int((from - start - 2*tick) * 8000 / time.Second)
			for i, got := range pcm {
				if want := int16((first + i) % 30000); got != want {
					t.Fatalf("last %v: sample %d = %d, want %d", last, i, got, want)
				}
			}
		}
		for _, last := range []time.Duration{0, 5*time.Second + 1} {
			if _, _, err := b.Speaker(last); err == nil {
				t.Errorf("the last %v of the speaker were given", last)
			}
		}
		ok(t, c.Close())
		if pcm, _, _ := b.Speaker(time.Second); len(pcm) != 8000 {
			t.Errorf("%d samples after the card stopped, want 8000", len(pcm))
		}
	})
}

// A clip may be asked for at any time: it begins with a period that has not
// begun, and never more than one period later.
func TestMicPlayBeginsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{RatePPM: 500})
		ok(t, b.Card().Start())
		clip := make([]int16, period)
		for range 200 {
			time.Sleep(7_777_777 * time.Nanosecond)
			now := b.clock.now()
			at := must[time.Duration](t)(b.MicPlay(clip))
			if wait := at - now; wait < 0 || wait > tick+5*time.Microsecond {
				t.Fatalf("begins %v after it was asked for", wait)
			}
		}
		for _, n := range []int{0, 5*48000 + 1} {
			if _, err := b.MicPlay(make([]int16, n)); err == nil {
				t.Errorf("a clip of %d samples was taken", n)
			}
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Outputs: []string{"lamp"}})
		lamp := must[gpio.Output](t)(b.Output("lamp"))
		w := must[*Watch](t)(b.Watch())
		t0 := b.clock.now()
		ok(t, lamp.Set(true))
		want := []Event{
			{Event: EventOutput, Name: "lamp", Active: true, At: t0},
			{Event: EventLevel, At: t0 + levelEvery, Mic: silentDBFS, Speaker: silentDBFS},
		}
		for _, want := range want {
			if d := cmp.Diff(want, <-w.Events); d != "" {
				t.Errorf("event (-want +got):\n%s", d)
			}
		}
		ok(t, b.MicTone(1000))
		wait := loop(t, b.Card())
		<-w.Events
		<-w.Events
		e := <-w.Events
		if want := -15.05; math.Abs(e.Mic-want) > 0.1 || math.Abs(e.Speaker-want) > 0.1 {
			t.Errorf("levels of a tone of -12 dBFS peak: %+v, want %v", e, want)
		}
		ok(t, w.Close())
		ok(t, w.Close())
		for range w.Events {
		}
		if w.Err() != nil {
			t.Errorf("Err after Close: %v", w.Err())
		}
		b.Card().Close()
		wait()

		slow := must[*Watch](t)(b.Watch())
		for i := range watchBuffer + 1 {
			ok(t, lamp.Set(i%2 == 1))
		}
		n := 0
		for range slow.Events {
			n++
		}
		if !errors.Is(slow.Err(), ErrSlow) || n != watchBuffer {
			t.Errorf("watch that nobody read: %d events, %v, want %d, %v", n, slow.Err(), watchBuffer, ErrSlow)
		}

		last := must[*Watch](t)(b.Watch())
		ok(t, b.Close())
		for range last.Events {
		}
		if !errors.Is(last.Err(), os.ErrClosed) {
			t.Errorf("watch of a closed board: %v, want os.ErrClosed", last.Err())
		}
	})
}

// After Close, nothing of the world answers, and a tap that was under way ends.
func TestBoardClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Inputs: []string{"bell"}, Outputs: []string{"lamp"}})
		must[time.Duration](t)(b.Tap("bell", time.Minute))
		began := b.clock.now()
		ok(t, b.Close())
		if took := b.clock.now() - began; took != 0 {
			t.Errorf("Close waited %v for the tap", took)
		}
		ok(t, b.Close())
		_, _, speaker := b.Speaker(time.Second)
		_, _, mark := b.SpeakerMark(0, 0)
		for what, err := range map[string]error{
			"Press": second(b.Press("bell")), "Tap": second(b.Tap("bell", time.Second)),
			"Lines": second(b.Lines()), "History": second(b.History()), "Watch": second(b.Watch()),
			"MicSilence": b.MicSilence(), "MicTone": b.MicTone(440), "MicPlay": second(b.MicPlay([]int16{1})),
			"Unplug": b.Unplug(), "Replug": b.Replug(), "Speaker": speaker, "SpeakerMark": mark,
			"Input": second(b.Input("bell")), "Output": second(b.Output("lamp")),
		} {
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("%s: %v, want os.ErrClosed", what, err)
			}
		}
	})
}

func second[V any](_ V, err error) error { return err }
