package sim

import (
	"errors"
	"math"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	period = 480 // samples of the default card
	tick   = 10 * time.Millisecond
)

// loop is the ideal program: it plays what it captured, until the card ends.
func loop(t *testing.T, c *Card) (wait func()) {
	ok(t, c.Start())
	var wg sync.WaitGroup
	wg.Go(func() {
		p := make([]int16, c.Period())
		for {
			if _, err := c.Capture(p); err != nil {
				return
			}
			if c.Play(p) != nil {
				return
			}
		}
	})
	return wg.Wait
}

// A mark that goes into the microphone comes out of the speaker exactly two
// periods later, whatever the clock's error, and is played bit for bit.
func TestIdealLoop(t *testing.T) {
	for _, ppm := range []float64{0, 300, -300} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, Config{RatePPM: ppm})
			wait := loop(t, b.Card())
			time.Sleep(time.Second + 3*time.Millisecond) // in the middle of a period
			asked := b.clock.now()

			clip := make([]int16, 3*period)
			const silent = 100 // samples before the mark
			for i := silent; i < len(clip); i++ {
				clip[i] = int16(2000 + i)
			}
			at := must[time.Duration](t)(b.MicPlay(clip))
			if wait := at - asked; wait < 0 || wait > tick+10*time.Microsecond {
				t.Errorf("the clip goes in %v after it was asked for, want within a period", wait)
			}
			time.Sleep(200 * time.Millisecond)

			mark, found, err := b.SpeakerMark(asked, 0)
			if err != nil || !found {
				t.Fatalf("SpeakerMark = %v, %v", found, err)
			}
			step := float64(time.Second) / 48000 * (1 + ppm*1e-6)
			delay := float64(mark.Left-at)/step - silent
			if math.Abs(delay-2*period) > 0.01 {
				t.Errorf("%v ppm: mouth to ear %v samples, want %d", ppm, delay, 2*period)
			}
			if got, want := mark.Entered-at, time.Duration(period*step); got < want-2 || got > want+2 {
				t.Errorf("%v ppm: entered the ring %v after the mouth, want %v", ppm, got, want)
			}

			pcm, from, err := b.Speaker(time.Second)
			ok(t, err)
			first := int(math.Round(float64(mark.Left-from)/step)) - silent
			if d := cmp.Diff(clip, pcm[first:][:len(clip)]); d != "" {
				t.Errorf("played (-want +got):\n%s", d)
			}
			b.Close()
			wait()
			if c, _ := b.Counters(); c.Overruns+c.Underruns+c.Dropped != 0 || c.MaxLate != 0 {
				t.Errorf("counters of an ideal loop: %+v", c)
			}
		})
	}
}

// Two cards 50 ppm apart are 30 ms apart after 10 minutes, and every tick is
// where the rate puts it.
func TestClocksDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		const ticks = 60_000
		var last [2]time.Duration
		for i, ppm := range []float64{-25, 25} {
			b := open(t, Config{RatePPM: ppm, Rate: 8000}) // the fewer samples, the faster
			began := b.clock.now()
			ok(t, b.Card().Start())
			wg.Go(func() {
				p := make([]int16, b.Card().Period())
				for k := 1; k <= ticks; k++ {
					at, err := b.Card().Capture(p)
					if err != nil {
						t.Errorf("%v ppm, tick %d: %v", ppm, k, err)
						return
					}
					want := began + time.Duration(math.Round(float64(k)*1e7*(1+ppm*1e-6)))
					if d := at - want; d < -1 || d > 1 {
						t.Errorf("%v ppm, tick %d: at %v, want %v", ppm, k, at, want)
						return
					}
					if now := b.clock.now(); now != at {
						t.Errorf("%v ppm, tick %d: Capture returned %v after it", ppm, k, now-at)
						return
					}
					last[i] = at - began
				}
			})
		}
		wg.Wait()
		if got, want := last[1]-last[0], 30*time.Millisecond; got != want {
			t.Errorf("the slow card is %v behind after 10 min, want %v", got, want)
		}
	})
}

// A program that comes late learns of it once, loses what had piled up, and
// goes on with the present.
func TestCaptureOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		c := b.Card()
		ok(t, c.Start())
		began, p := b.clock.now(), make([]int16, period)
		time.Sleep(2*tick + time.Millisecond) // 2 periods: that is what fits
		for k := range 2 {
			if at, err := c.Capture(p); err != nil || at != began+time.Duration(k+1)*tick {
				t.Fatalf("Capture %d = %v, %v", k, at-began, err)
			}
		}
		time.Sleep(5 * tick)
		if _, err := c.Capture(p); !errors.Is(err, syscall.EPIPE) {
			t.Fatalf("Capture after 5 periods: %v, want EPIPE", err)
		}
		if at, err := c.Capture(p); err != nil || at != began+8*tick {
			t.Errorf("Capture after the xrun = %v, %v, want %v", at-began, err, 8*tick)
		}
		if got := must[Counters](t)(b.Counters()); got.Overruns != 3 || got.Ticks != 8 {
			t.Errorf("counters %+v, want 3 overruns in 8 ticks", got)
		}
	})
}

// The ring holds two periods; what is too much is dropped, what is missing is
// silence, and both are told and counted.
func TestPlayback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		c := b.Card()
		ok(t, c.Start())
		time.Sleep(3*tick + tick/2) // nothing was played yet: no underrun
		play := func(level int16) error {
			p := make([]int16, period)
			for i := range p {
				p[i] = level
			}
			return c.Play(p)
		}
		ok(t, play(1000))
		ok(t, play(2000))
		if err := play(3000); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("third Play: %v, want EPIPE", err)
		}
		time.Sleep(4 * tick)
		if err := play(4000); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Play after an underrun: %v, want EPIPE", err)
		}
		ok(t, play(5000))
		time.Sleep(4 * tick) // 11 ticks, and a half

		pcm, from, err := b.Speaker(time.Second)
		ok(t, err)
		var got []int16
		for i := 0; i < len(pcm); i += period {
			got = append(got, pcm[i])
		}
		want := []int16{0, 0, 0, 1000, 2000, 0, 0, 4000, 5000, 0}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("played periods (-want +got):\n%s", d)
		}
		if want := c.run.Load().start + tick; from != want {
			t.Errorf("the first period left at %v, want %v", from, want)
		}
		want2 := Counters{Ticks: 11, Overruns: 9, Underruns: 4, Dropped: 1}
		if d := cmp.Diff(want2, must[Counters](t)(b.Counters())); d != "" {
			t.Errorf("counters (-want +got):\n%s", d)
		}
		if m, found, _ := b.SpeakerMark(from, 3500); !found || m.Left != from+7*tick {
			t.Errorf("mark above 3500: %v after the start, %v, want %v", m.Left-from, found, 7*tick)
		}
		if m, found, _ := b.SpeakerMark(b.clock.now(), 0); found {
			t.Errorf("mark from now on: %+v, want none", m)
		}
	})
}

// Unplugging ends every call with ENODEV until the card is back and started.
func TestUnplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		c, p := b.Card(), make([]int16, period)
		ok(t, c.Start())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Capture(p); !errors.Is(err, syscall.ENODEV) {
				t.Errorf("waiting Capture: %v, want ENODEV", err)
			}
		})
		synctest.Wait()
		ok(t, b.Unplug())
		wg.Wait()
		for what, err := range map[string]error{"Play": c.Play(p), "Start": c.Start()} {
			if !errors.Is(err, syscall.ENODEV) {
				t.Errorf("%s: %v, want ENODEV", what, err)
			}
		}
		ok(t, b.Replug())
		if _, err := c.Capture(p); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("Capture before Start: %v, want ENODEV", err)
		}
		ok(t, c.Start())
		if _, err := c.Capture(p); err != nil {
			t.Error(err)
		}
	})
}

func TestCardLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		c, p := b.Card(), make([]int16, period)
		want := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		capture := func(p []int16) error { _, err := c.Capture(p); return err }
		want("Capture before Start", capture(p), os.ErrClosed)
		want("Play before Start", c.Play(p), os.ErrClosed)
		_, err := b.MicPlay(p)
		want("MicPlay before Start", err, os.ErrClosed)
		ok(t, c.Start())
		want("second Start", c.Start(), syscall.EBUSY)
		want("short Capture", capture(p[1:]), syscall.EINVAL)
		want("short Play", c.Play(p[1:]), syscall.EINVAL)
		var wg sync.WaitGroup
		wg.Go(func() { want("waiting Capture", capture(p), os.ErrClosed) })
		synctest.Wait()
		ok(t, c.Close())
		ok(t, c.Close())
		wg.Wait()
		ok(t, c.Start()) // as opened anew
		ok(t, capture(p))
		ok(t, b.Close())
		want("Capture after the board", capture(p), os.ErrClosed)
		want("Start after the board", c.Start(), os.ErrClosed)
	})
}

// A process that was held up does at once what the hardware did meanwhile, and
// no tick moves.
func TestLateProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		c, p := b.Card(), make([]int16, period)
		ok(t, c.Start())
		r := c.run.Load()
		ok(t, c.Close()) // the ticks are made by hand
		r.stop = make(chan struct{})
		for k := 1; k <= 5; k++ {
			c.tick(r, k)
		}
		if _, err := c.Capture(p); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Capture: %v, want EPIPE", err)
		}
		c.tick(r, 6)
		if at, err := c.Capture(p); err != nil || at != r.start+6*tick {
			t.Errorf("Capture = %v, %v, want %v", at-r.start, err, 6*tick)
		}
		if got := must[Counters](t)(b.Counters()); got.Overruns != 3 {
			t.Errorf("%d overruns, want 3", got.Overruns)
		}
		close(r.stop)
	})
}

// after finds the tick that at tells, for any clock and time.
func TestTickAfter(t *testing.T) {
	for _, ppm := range []float64{-1000, -50, 0, 50, 1000} {
		c := &Card{length: tick, ppm: ppm}
		const start = 12345 * time.Second
		for _, k := range []int{0, 1, 2, 1000, 8_640_000, 315_360_000} {
			at := c.at(start, k)
			if got := c.after(start, at); got != k {
				t.Errorf("%v ppm: after(tick %d) = %d", ppm, k, got)
			}
			if got := c.after(start, at+1); got != k+1 {
				t.Errorf("%v ppm: after(tick %d and 1 ns) = %d", ppm, k, got)
			}
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	b := open(t, Config{})
	c, p := b.Card(), make([]int16, period)
	ok(t, b.MicTone(440))
	ok(t, c.Start())
	r := c.run.Load()
	ok(t, c.Close()) // the ticks are made by hand
	r.stop = make(chan struct{})
	defer close(r.stop)
	k := 0
	if n := testing.AllocsPerRun(2000, func() {
		k++
		c.tick(r, k)
		if _, err := c.Capture(p); err != nil {
			t.Fatal(err)
		}
		if err := c.Play(p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per period, want 0", n)
	}
}

// The microphone hears what it is told to.
func TestMicSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		c, p := b.Card(), make([]int16, period)
		ok(t, c.Start())
		rms := func() float64 {
			t.Helper()
			var sum float64
			for range 10 {
				if _, err := c.Capture(p); err != nil {
					t.Fatal(err)
				}
				for _, v := range p {
					sum += float64(v) * float64(v)
				}
			}
			return math.Sqrt(sum / (10 * period))
		}
		if got := rms(); got < 1 || got > 2 {
			t.Errorf("silence: rms %v, want faint noise", got)
		}
		ok(t, b.MicTone(1000))
		if got, want := rms(), toneAmplitude/math.Sqrt2; math.Abs(got-want) > 1 {
			t.Errorf("tone: rms %v, want %v", got, want)
		}
		changes := 0
		for i := 1; i < period; i++ {
			if (p[i] >= 0) != (p[i-1] >= 0) {
				changes++
			}
		}
		if changes < 19 || changes > 20 { // 10 ms of 1 kHz
			t.Errorf("tone changes sign %d times in 10 ms, want 20", changes)
		}
		ok(t, b.MicSilence())
		if got := rms(); got > 2 {
			t.Errorf("silence again: rms %v", got)
		}
		for _, hz := range []float64{0, 19, 24001, math.NaN(), math.Inf(1)} {
			if b.MicTone(hz) == nil {
				t.Errorf("a tone of %v Hz was taken", hz)
			}
		}
	})
}
