package alsa

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// logLines counts what is logged at Warn and above.
type logLines struct {
	strings.Builder
}

func (l *logLines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(&l.Builder, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (l *logLines) count() int { return strings.Count(l.String(), "\n") }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func mustStart(t *testing.T, k kernel, c Config) *Device {
	t.Helper()
	if c.Card == "" {
		c.Card = "Door"
	}
	if c.Log == nil {
		c.Log = quiet
	}
	d, err := newDevice(c, k)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// owner is what a station does with a Device: a Play for each Capture.
type owner struct {
	d           *Device
	heard, said []int16
	last        Moment
	interrupted int
	period      int
	late        func(period int) time.Duration // how long the work takes
}

func (o *owner) turns(t *testing.T, n int) {
	t.Helper()
	if o.period == 0 {
		o.period = framesIn(o.d.cfg.Period, o.d.Params().Rate)
	}
	in, out := make([]int16, o.period), make([]int16, o.period)
	for i := range n {
		m, err := o.d.Capture(in)
		if errors.Is(err, unix.EPIPE) {
			o.interrupted++
			continue
		}
		if err != nil {
			t.Fatalf("period %d: Capture: %v", i, err)
		}
		o.last = m
		o.heard = append(o.heard, in...)
		if o.late != nil {
			time.Sleep(o.late(i))
		}
		for j := range out {
			out[j] = int16(len(o.said)%30000 + 1) // never 0: that is silence
			o.said = append(o.said, out[j])
		}
		if err := o.d.Play(out); err != nil {
			t.Fatalf("period %d: Play: %v", i, err)
		}
	}
}

// echo returns how many frames later what was said is heard, having compared
// every frame of it.
func (o *owner) echo(t *testing.T) int {
	t.Helper()
	n := 0
	for n < len(o.heard) && o.heard[n] == 0 {
		n++
	}
	for i, s := range o.heard[n:] {
		if s != o.said[i] {
			t.Fatalf("frame %d: heard %d, want %d, said %d frames before", n+i, s, o.said[i], n)
		}
	}
	return n
}

// Through formats, channels, rates and periods, every sample comes back as it
// was, and just as late as Moment.Echo says.
func TestDeviceLoop(t *testing.T) {
	for _, format := range formats {
		for _, channels := range []int{1, 2, 8} {
			testLoop(t, format, Config{Rate: 48000, Channels: channels, Period: 10 * time.Millisecond})
		}
	}
	for _, rate := range []int{8000, 16000, 44100, 48000, 96000} {
		for _, period := range []time.Duration{5, 10, 20} {
			for _, periods := range []int{2, 3, 4} {
				testLoop(t, S16, Config{Rate: rate, Channels: 1, Period: period * time.Millisecond, Periods: periods})
			}
		}
	}
}

func testLoop(t *testing.T, format Format, c Config) {
	t.Run(fmt.Sprintf("%v/%d channels/%d Hz/%v x %d", format, c.Channels, c.Rate, c.Period, c.Periods), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			card := door()
			for _, p := range []*fakePCM{card.capture, card.play} {
				p.formats, p.channels = []Format{format}, [2]int{c.Channels, c.Channels}
			}
			card.play.delay, card.capture.delay = 7, 5
			d := mustStart(t, newFakeKernel(t, card), c)
			defer d.Close()
			o := &owner{d: d}
			o.turns(t, 12)
			want := min(d.Params().Buffer, max(2*d.Params().Period, framesIn(15*time.Millisecond, c.Rate)))
			if got := o.echo(t); got != want {
				t.Errorf("heard after %d frames, want %d", got, want)
			}
			// The fake's hardware delays nothing but says so.
			if got, want := o.last.Echo, d.run.Load().timeOf(want+12); got != want {
				t.Errorf("Moment.Echo = %v, want %v", got, want)
			}
			if s := d.Stats(); s != (Stats{Starts: 1}) {
				t.Errorf("counted %+v, want nothing", s)
			}
			if p := d.Params(); p.Asked != "" || !p.Linked {
				t.Errorf("Params = %+v, want all as asked, and linked", p)
			}
		})
	})
}

// A period is handed over as soon as its last frame was at the microphone, and
// At says when that was.
func TestMomentAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(t, door())
		d := mustStart(t, k, Config{})
		defer d.Close()
		for i := 1; i <= 5; i++ {
			m, err := d.Capture(make([]int16, 480))
			if err != nil {
				t.Fatal(err)
			}
			if want := time.Duration(i) * 10 * time.Millisecond; m.At != want {
				t.Errorf("period %d ended at %v, want %v", i, m.At, want)
			} else if now := k.now(); now != want {
				t.Errorf("period %d was handed over at %v, want %v", i, now, want)
			}
		}
	})
}

// Both streams start by one request: by none before, and by no amount of data.
func TestStartsTogether(t *testing.T) {
	for _, linked := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			card := door()
			card.noLink = !linked
			k := newFakeKernel(t, card)
			d := mustStart(t, k, Config{Periods: 2})
			defer d.Close()
			want := map[bool]int{true: 1, false: 2}[linked]
			if got := k.requests[reqStart]; got != want {
				t.Errorf("linked %v: %d starts, want %d", linked, got, want)
			}
			if d.Params().Linked != linked {
				t.Errorf("Params.Linked = %v, want %v", !linked, linked)
			}
			if card.capture.since != card.play.since {
				t.Errorf("capture started at %v, playback at %v", card.capture.since, card.play.since)
			}
			if got, want := len(card.play.sound), 960; got != want {
				t.Errorf("started with %d frames to play, want two periods, %d", got, want)
			}
		})
	}
}

// A late owner is replaced by silence, its late sound is dropped, and what
// follows is heard where it belongs. No xrun, no longer delay.
func TestLateOwner(t *testing.T) {
	for _, tc := range []struct {
		late      time.Duration // ms
		concealed int           // periods
	}{{7, 0}, {8, 1}, {17, 1}, {18, 2}, {75, 7}} {
		t.Run(fmt.Sprintf("%d ms", tc.late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := mustStart(t, newFakeKernel(t, door()), Config{})
				defer d.Close()
				o := &owner{d: d, late: func(i int) time.Duration {
					if i == 10 {
						return tc.late * time.Millisecond
					}
					return 0
				}}
				o.turns(t, 60)
				frames := uint64(480 * tc.concealed)
				if got, want := d.Stats(), (Stats{Starts: 1, Concealed: frames, Late: frames}); got != want {
					t.Errorf("counted %+v, want %+v", got, want)
				}
				silent := 0
				for i, s := range o.heard[960:] {
					if s == 0 {
						silent++
					} else if s != o.said[i] {
						t.Fatalf("frame %d: heard %d, want %d or silence", i, s, o.said[i])
					}
				}
				if silent != int(frames) {
					t.Errorf("%d frames of silence, want %d", silent, frames)
				}
			})
		})
	}
}

// The thread is stopped until both buffers have run over and out: both streams
// start anew, the owner hears of it once, and the echo is where it was.
func TestXrun(t *testing.T) {
	for _, linked := range []bool{true, false} {
		t.Run(fmt.Sprintf("linked %v", linked), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := door()
				card.noLink = !linked
				k := newFakeKernel(t, card)
				var log logLines
				d := mustStart(t, k, Config{Log: log.logger()})
				defer d.Close()
				o := &owner{d: d}
				o.turns(t, 5)
				for i := range 3 {
					k.change(func() { k.held = true })
					time.Sleep(100 * time.Millisecond)
					k.change(func() { k.held = false })
					*o = owner{d: d, interrupted: o.interrupted}
					o.turns(t, 30)
					if o.interrupted != i+1 {
						t.Errorf("xrun %d: Capture has said EPIPE %d times", i+1, o.interrupted)
					}
				}
				// What was captured but not fetched before the xrun comes first.
				first := 0
				for first < len(o.heard) && o.heard[first] != 1 {
					first++
				}
				if first >= 4*480 {
					t.Errorf("the first frame said after the xrun is heard as frame %d, want it within four periods", first)
				}
				if got := d.Stats().Xruns; got != 3 {
					t.Errorf("counted %d xruns, want 3", got)
				}
				if log.count() != 1 {
					t.Errorf("%d warnings, want one for all xruns:\n%s", log.count(), log.String())
				}
				if card.capture.since != card.play.since {
					t.Errorf("after the xrun capture started at %v, playback at %v", card.capture.since, card.play.since)
				}
			})
		})
	}
}

// What the owner has in hand in an xrun, or has not fetched yet, is not played
// on top of the silence with which both streams start anew: all that follows
// would be later by it.
func TestXrunKeepsDelay(t *testing.T) {
	for _, unfetched := range []time.Duration{0, 15 * time.Millisecond, 25 * time.Millisecond} {
		t.Run(unfetched.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := door()
				k := newFakeKernel(t, card)
				d := mustStart(t, k, Config{})
				defer d.Close()
				o := &owner{d: d, late: func(period int) time.Duration {
					if period == 9 {
						time.Sleep(unfetched)
						k.change(func() { k.held = true })
						time.Sleep(100 * time.Millisecond)
						k.change(func() { k.held = false })
						synctest.Wait()
					}
					return 0
				}}
				o.turns(t, 40)
				synctest.Wait()
				queued := 0
				k.change(func() { card.play.update(); queued = card.play.appl - card.play.hw })
				if want := keptFilled * 480; o.interrupted != 1 || queued != want {
					t.Errorf("after %d xruns %d frames are to be played when a period begins, want %d after 1", o.interrupted, queued, want)
				}
				heard := o.heard[len(o.heard)-10*480:]
				for i, s := range heard[1:] {
					if s != heard[i]+1 {
						t.Fatalf("long after it, frame %d: heard %d after %d", i+1, s, heard[i])
					}
				}
			})
		})
	}
}

// The machine sleeps and wakes.
func TestSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := door()
		k := newFakeKernel(t, card)
		d := mustStart(t, k, Config{})
		defer d.Close()
		o := &owner{d: d}
		o.turns(t, 5)
		synctest.Wait()
		k.change(func() { card.capture.state, card.play.state = stateSuspended, stateSuspended })
		o.turns(t, 20)
		if got, want := d.Stats(), (Stats{Starts: 1, Suspends: 1}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		if o.interrupted != 1 {
			t.Errorf("Capture said EPIPE %d times, want once", o.interrupted)
		}
	})
}

// A card that is pulled out ends Capture with ENODEV and is let go of at once;
// once it is back, and at another index, Start goes on.
func TestUnplugAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := door()
		k := newFakeKernel(t, card)
		d := mustStart(t, k, Config{})
		o := &owner{d: d}
		o.turns(t, 5)
		k.change(func() { card.gone = true })
		if _, err := d.Capture(make([]int16, 480)); !errors.Is(err, unix.ENODEV) {
			t.Fatalf("Capture of a card that is gone: %v, want ENODEV", err)
		}
		if n := len(k.open_); n != 0 {
			t.Errorf("%d descriptors are open after the card went", n)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Start(); !errors.Is(err, ErrNoCard) {
			t.Errorf("Start without the card: %v, want ErrNoCard", err)
		}
		k.change(func() { card.gone, card.index = false, 3 })
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		again := &owner{d: d}
		again.turns(t, 20)
		again.echo(t)
	})
}

// A card that says nothing and delivers nothing is given up after a second.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := door()
		k := newFakeKernel(t, card)
		d := mustStart(t, k, Config{})
		defer d.Close()
		(&owner{d: d}).turns(t, 5)
		k.change(func() { card.capture.stuck, card.play.stuck = true, true })
		began := time.Now()
		_, err := d.Capture(make([]int16, 480))
		if !errors.Is(err, unix.EIO) {
			t.Errorf("Capture of a stuck card: %v, want EIO", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("given up after %v, want 1s", took)
		}
	})
}

// A card that stops at every start is given up and does not spin.
func TestRestartIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := door()
		k := newFakeKernel(t, card)
		d := mustStart(t, k, Config{})
		defer d.Close()
		(&owner{d: d}).turns(t, 5)
		k.change(func() {
			card.capture.state, card.play.state, card.capture.startError = stateXrun, stateXrun, unix.EPIPE
		})
		_, err := d.Capture(make([]int16, 480))
		if !errors.Is(err, unix.EIO) {
			t.Errorf("Capture: %v, want EIO", err)
		}
		if got := d.Stats().Xruns; got != maxRestarts+1 {
			t.Errorf("%d tries, want %d", got, maxRestarts+1)
		}
	})
}

// Clocks of capture and playback that drift apart (they should not, on one
// card) do not leave the loudspeaker silent, and do not let the delay grow.
func TestDriftWithinACard(t *testing.T) {
	for _, clock := range []float64{1.002, 0.998} {
		t.Run(fmt.Sprint(clock), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := door()
				card.noLink, card.play.clock = true, clock
				d := mustStart(t, newFakeKernel(t, card), Config{})
				defer d.Close()
				o := &owner{d: d}
				o.turns(t, 1000)
				synctest.Wait()
				if queued := len(card.play.sound) - card.play.hw; queued > 4*480 {
					t.Errorf("%d frames wait for the loudspeaker, want at most 4 periods", queued)
				}
				// The clocks part by two periods, and each costs 3 of silence and
				// 2 that come late. Where both clocks meet, a period may be late
				// and the next one not, which begins it anew, once each time.
				if s := d.Stats(); s.Concealed+s.Late > 2*(5+2)*480 || s.Xruns > 0 {
					t.Errorf("more is lost than the clocks part, or the card was started anew: %+v", s)
				}
			})
		})
	}
}

// A driver that follows its hardware by a timer tells late of each period. The
// loudspeaker is then kept filled higher, once, and the owner may be as late as
// on any other card.
func TestCoarseDriver(t *testing.T) {
	for _, tc := range []struct {
		period time.Duration // ms
		filled int           // frames
	}{{5, 3*240 + 144}, {10, 2*480 + 96}, {20, 2 * 960}} {
		t.Run(fmt.Sprintf("%d ms", tc.period), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := door()
				card.play.tick, card.capture.tick = 192, 192 // 4 ms
				d := mustStart(t, newFakeKernel(t, card), Config{Period: tc.period * time.Millisecond})
				defer d.Close()
				o := &owner{d: d}
				o.turns(t, 20)
				*o = owner{d: d, late: func(int) time.Duration { return tc.period * time.Millisecond * 6 / 10 }}
				o.turns(t, 100)
				synctest.Wait()
				if s := d.Stats(); s != (Stats{Starts: 1}) {
					t.Errorf("counted %+v, want nothing", s)
				}
				want := d.run.Load().timeOf(tc.filled)
				if o.last.Echo != want {
					t.Errorf("Moment.Echo = %v, want %v", o.last.Echo, want)
				}
				first := 0
				for o.heard[first] != 1 { // what was said before is heard first
					first++
				}
				if first != tc.filled {
					t.Errorf("heard after %d frames, want %d", first, tc.filled)
				}
			})
		})
	}
}

// One hiccup soon after the start does not delay all that follows.
func TestOneLateWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(t, door())
		d := mustStart(t, k, Config{})
		defer d.Close()
		o := &owner{d: d}
		o.turns(t, 3)
		synctest.Wait()
		k.change(func() { k.held = true })
		time.Sleep(15 * time.Millisecond)
		k.change(func() { k.held = false })
		o.turns(t, 50)
		if got := o.echo(t); got != 960 {
			t.Errorf("heard after %d frames, want 960", got)
		}
		if o.last.Echo != 20*time.Millisecond {
			t.Errorf("Moment.Echo = %v, want 20ms", o.last.Echo)
		}
	})
}

// An owner whose periods are not those of the hardware gets them whole, and
// nothing runs dry.
func TestOtherPeriods(t *testing.T) {
	for _, only := range []int{256, 512, 960} {
		t.Run(fmt.Sprint(only), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := door()
				for _, p := range []*fakePCM{card.capture, card.play} {
					p.periodLow, p.periodHigh = only, only
				}
				d := mustStart(t, newFakeKernel(t, card), Config{})
				defer d.Close()
				o := &owner{d: d}
				o.turns(t, 100)
				if got, want := o.echo(t), min(4*only, max(2*only, 720)+480); got != want {
					t.Errorf("heard after %d frames, want %d", got, want)
				}
				if s := d.Stats(); s != (Stats{Starts: 1}) {
					t.Errorf("counted %+v, want nothing", s)
				}
			})
		})
	}
}

// Close ends a Capture that waits on a card that never delivers, and one that
// nobody waits on.
func TestCloseWhileBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := door()
		card.capture.stuck, card.play.stuck = true, true
		d := mustStart(t, newFakeKernel(t, card), Config{})
		ended := make(chan error)
		go func() {
			_, err := d.Capture(make([]int16, 480))
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("Capture during Close: %v, want ErrClosed", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %v", took)
		}
		if err := d.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := d.Capture(make([]int16, 480)); !errors.Is(err, ErrClosed) {
			t.Errorf("Capture after Close: %v, want ErrClosed", err)
		}
		if err := d.Play(make([]int16, 480)); !errors.Is(err, ErrClosed) {
			t.Errorf("Play after Close: %v, want ErrClosed", err)
		}
	})
}

// What a period costs in system calls.
func TestCallsPerPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(t, door())
		d := mustStart(t, k, Config{})
		defer d.Close()
		o := &owner{d: d}
		o.turns(t, 10)
		count := func() map[string]int {
			synctest.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			n := map[string]int{"poll": k.polls, "eventfd write": k.signals, "eventfd read": k.drains}
			for name, request := range map[string]uintptr{"STATUS": reqStatus, "READI": reqReadI, "WRITEI": reqWriteI} {
				n[name] = k.requests[request]
			}
			for _, c := range k.requests {
				n["ioctl"] += c
			}
			return n
		}
		before := count()
		o.turns(t, 100)
		got := count()
		for name := range got {
			got[name] -= before[name]
		}
		want := map[string]int{"poll": 200, "eventfd write": 100, "eventfd read": 100, "STATUS": 200, "READI": 100, "WRITEI": 100, "ioctl": 400}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("system calls of 100 periods (-want +got):\n%s", d)
		}
	})
}

func TestStartErrors(t *testing.T) {
	for _, tc := range []struct {
		name  string
		card  string
		setUp func(*fakeKernel, *fakeCard)
		want  string
		is    error
	}{
		{"unknown id", "Dor", nil, "no such card: none with id Dor; present: Door (USB Audio), vc4hdmi", ErrNoCard},
		{"unknown port", "usb:1-1.4", nil, "none at usb:1-1.4; present: Door (USB Audio) at usb:1-1.2, vc4hdmi", ErrNoCard},
		{"no card", "Door", func(k *fakeKernel, _ *fakeCard) {
			for _, c := range k.cards {
				c.gone = true
			}
		}, "there is none at all: plug it in, or load its driver", ErrNoCard},
		{"no device", "hw:CARD=Door,DEV=1", nil, "Door (USB Audio) has no such device; it has DEV=0", nil},
		{"no microphone", "vc4hdmi", nil, "vc4hdmi has no capture: no microphone", nil},
		{"in use", "Door", func(k *fakeKernel, c *fakeCard) {
			k.denied["/dev/snd/pcmC1D0c"] = unix.EBUSY
			k.extraFiles["proc/asound/card1/pcm0c/sub0/status"] = &fstest.MapFile{Data: []byte("state: RUNNING\nowner_pid   : 815\n")}
			k.extraFiles["proc/815/status"] = &fstest.MapFile{Data: []byte("Name:\tpulseaudio\nTgid:\t812\nPid:\t815\n")}
			k.extraFiles["proc/812/comm"] = &fstest.MapFile{Data: []byte("pulseaudio\n")}
		}, "open capture hw:CARD=Door,DEV=0: device or resource busy; stop pulseaudio (process 812), which uses it", unix.EBUSY},
		{"no permission", "Door", func(k *fakeKernel, _ *fakeCard) { k.denied["/dev/snd/pcmC1D0p"] = unix.EACCES },
			"open playback hw:CARD=Door,DEV=0: permission denied; add this user to the group audio, which owns /dev/snd/pcmC1D0p", unix.EACCES},
		{"vanishes while opening", "Door", func(k *fakeKernel, _ *fakeCard) { k.denied["/dev/snd/pcmC1D0p"] = unix.ENODEV }, "open playback hw:CARD=Door,DEV=0: no such device", unix.ENODEV},
		{"no format", "Door", func(_ *fakeKernel, c *fakeCard) { c.play.formats = []Format{1} },
			"set up playback hw:CARD=Door,DEV=0: the hardware has none of the formats S16_LE, S32_LE, S24_LE, S24_3LE", nil},
		{"no rate", "Door", func(_ *fakeKernel, c *fakeCard) { c.play.rates, c.capture.rates = []int{48000}, []int{44100} },
			"no rate from 8000 to 96000 Hz for both streams", nil},
		{"too many channels", "Door", func(_ *fakeKernel, c *fakeCard) { c.play.channels = [2]int{10, 16} }, "the hardware has 10 to 16 channels, not 1 to 8", nil},
		{"long periods", "Door", func(_ *fakeKernel, c *fakeCard) { c.play.periodLow = 1024 }, "no period from 240 to 960 frames at 48000 Hz", nil},
		{"does not start", "Door", func(_ *fakeKernel, c *fakeCard) { c.capture.startError = unix.EIO }, "alsa: start hw:CARD=Door,DEV=0: input/output error", unix.EIO},
		{"unknown control", "Door", func(_ *fakeKernel, c *fakeCard) { c.controls = nil }, `Door (USB Audio) has no control "Speaker Playback Volume"; it has none`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := door()
				card.controls = codec()
				k := newFakeKernel(t, card, &fakeCard{index: 0, id: "vc4hdmi", name: "vc4hdmi", play: usual(true)})
				if tc.setUp != nil {
					tc.setUp(k, card)
				}
				d, err := newDevice(Config{Card: tc.card, Log: quiet, Mixer: []Setting{{"Speaker Playback Volume", "-6dB"}}}, k)
				if err != nil {
					t.Fatal(err)
				}
				err = d.Start()
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("Start: %v\nwant in it: %s", err, tc.want)
				}
				if tc.is != nil && !errors.Is(err, tc.is) {
					t.Errorf("Start: %v, want errors.Is %v", err, tc.is)
				}
				if n := len(k.open_); n != 0 {
					t.Errorf("%d descriptors are open after a failed Start", n)
				}
			})
		})
	}
}

func TestNewDeviceErrors(t *testing.T) {
	for _, tc := range []struct {
		c    Config
		want string
	}{
		{Config{Card: "Door", Rate: 4000}, "rate of 4000 Hz"},
		{Config{Card: "Door", Rate: 192000}, "rate of 192000 Hz"},
		{Config{Card: "Door", Channels: 9}, "9 channels"},
		{Config{Card: "Door", Microphone: 9}, "microphone on channel 9"},
		{Config{Card: "Door", Period: time.Millisecond}, "period of 1ms"},
		{Config{Card: "Door", Period: time.Second}, "period of 1s"},
		{Config{Card: "Door", Periods: 1}, "1 periods"},
		{Config{Card: "Door", Periods: 5}, "5 periods"},
		{Config{Card: "hw:0"}, "numbers of cards change"},
	} {
		if _, err := newDevice(tc.c, newFakeKernel(t)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("NewDevice(%+v): %v, want %q in it", tc.c, err, tc.want)
		}
	}
}

// The hardware gives something else than what was asked for, and says so.
func TestNegotiation(t *testing.T) {
	for _, tc := range []struct {
		name  string
		ask   Config
		setUp func(capture, play *fakePCM)
		want  Params
	}{
		{"stereo only, 44100 only", Config{}, func(c, p *fakePCM) {
			p.channels, c.channels = [2]int{2, 2}, [2]int{1, 1}
			p.rates, c.rates = []int{44100}, []int{44100}
		}, Params{Rate: 44100, Period: 441, Buffer: 1764, Linked: true, Capture: Form{S16, 1}, Play: Form{S16, 2}, Asked: "rate 48000: got 44100, channels of playback 1: got 2"}},
		{"one rate in common", Config{}, func(c, p *fakePCM) { p.rates, c.rates = []int{16000, 48000}, []int{16000, 44100} },
			Params{Rate: 16000, Period: 160, Buffer: 640, Linked: true, Capture: Form{S16, 1}, Play: Form{S16, 1}, Asked: "rate 48000: got 16000"}},
		{"wide formats", Config{}, func(c, p *fakePCM) { p.formats, c.formats = []Format{S24, S32}, []Format{S243} },
			Params{Rate: 48000, Period: 480, Buffer: 1920, Linked: true, Capture: Form{S243, 1}, Play: Form{S32, 1}}},
		{"periods of 64", Config{}, func(c, p *fakePCM) { p.periodStep, c.periodStep = 64, 64 },
			Params{Rate: 48000, Period: 512, Buffer: 2048, Linked: true, Capture: Form{S16, 1}, Play: Form{S16, 1}, Asked: "frames in a period 480: got 512"}},
		{"long periods", Config{Period: 5 * time.Millisecond}, func(c, p *fakePCM) { p.periodLow = 800 },
			Params{Rate: 48000, Period: 800, Buffer: 3200, Linked: true, Capture: Form{S16, 1}, Play: Form{S16, 1}, Asked: "frames in a period 240: got 800"}},
		{"small buffer", Config{}, func(c, p *fakePCM) { p.bufferHigh = 1000 },
			Params{Rate: 48000, Period: 480, Buffer: 960, Linked: true, Capture: Form{S16, 1}, Play: Form{S16, 1}, Asked: "frames in the buffer 1920: got 960"}},
		{"large buffer", Config{Periods: 2}, func(c, p *fakePCM) { p.bufferLow = 6000 },
			Params{Rate: 48000, Period: 480, Buffer: 6000, Linked: true, Capture: Form{S16, 1}, Play: Form{S16, 1}, Asked: "frames in the buffer 960: got 6000"}},
		{"two periods", Config{Periods: 2}, func(c, p *fakePCM) {}, Params{Rate: 48000, Period: 480, Buffer: 960, Linked: true, Capture: Form{S16, 1}, Play: Form{S16, 1}}},
		{"eight channels", Config{Channels: 2}, func(c, p *fakePCM) { c.channels = [2]int{8, 8} },
			Params{Rate: 48000, Period: 480, Buffer: 1920, Linked: true, Capture: Form{S16, 8}, Play: Form{S16, 2}, Asked: "channels of capture 2: got 8"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				card := door()
				tc.setUp(card.capture, card.play)
				d := mustStart(t, newFakeKernel(t, card), tc.ask)
				defer d.Close()
				if d := cmp.Diff(tc.want, d.Params()); d != "" {
					t.Errorf("Params (-want +got):\n%s", d)
				}
				o := &owner{d: d}
				o.turns(t, 100)
				o.echo(t)
				if s := d.Stats(); s != (Stats{Starts: 1}) {
					t.Errorf("counted %+v, want nothing", s)
				}
			})
		})
	}
}

// What the thread may not do is said once, not at each start.
func TestUrgentRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(t, door())
		k.notUrgent = unix.EPERM
		var log logLines
		d := mustStart(t, k, Config{Log: log.logger()})
		for range 3 {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if err := d.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Start(); err == nil {
			t.Error("started twice")
		}
		d.Close()
		if log.count() != 1 || !strings.Contains(log.String(), "operation not permitted") {
			t.Errorf("logged %q, want one line", log.String())
		}
	})
}

// The mixer of the profile is set before the card sounds.
func TestMixerAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := door()
		card.controls = codec()
		d := mustStart(t, newFakeKernel(t, card), Config{Mixer: []Setting{{"Speaker Playback Volume", "-6dB"}, {"Input Mux", "Mic 1"}}})
		defer d.Close()
		if got := card.controls[1].values; !cmp.Equal(got, []int{116, 116}) {
			t.Errorf("volume = %v, want 116 both", got)
		}
		if got := card.controls[4].values; !cmp.Equal(got, []int{1}) {
			t.Errorf("input = %v, want 1", got)
		}
	})
}
