package station

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/alsa"
	"intercom/audio"
	"intercom/audio/audiotest"
	"intercom/board"
)

// fakeDevice is a sound device at any rate: the microphone hears a tone of 1 kHz.
type fakeDevice struct {
	rate     int
	steps    []string
	captures []int // lengths
	heard    int
	played   []int16
	err      error
	closed   error
}

func (d *fakeDevice) Start() error        { d.steps = append(d.steps, "start"); return d.err }
func (d *fakeDevice) Close() error        { d.steps = append(d.steps, "close"); return d.closed }
func (d *fakeDevice) Params() alsa.Params { return alsa.Params{Rate: d.rate, Period: d.rate / 100} }
func (d *fakeDevice) Stats() alsa.Stats   { return alsa.Stats{Concealed: 480, Late: 960} }
func (d *fakeDevice) Play(src []int16) error {
	d.played = append(d.played, src...)
	return d.err
}

func (d *fakeDevice) Capture(dst []int16) (alsa.Moment, error) {
	if d.err != nil {
		return alsa.Moment{}, d.err
	}
	d.captures = append(d.captures, len(dst))
	for i := range dst {
		dst[i] = int16(math.Round(16384 * math.Sin(2*math.Pi*1000*float64(d.heard)/float64(d.rate))))
		d.heard++
	}
	return alsa.Moment{At: time.Duration(d.heard), Echo: 20 * time.Millisecond}, nil
}

// amplifier notes what is done to it among the steps of its device.
type amplifier struct{ d *fakeDevice }

func (a amplifier) Set(on bool) error {
	a.d.steps = append(a.d.steps, fmt.Sprint("amplifier ", on))
	return nil
}
func (a amplifier) Close() error { return nil }

// Whatever its rate, a card gives and takes the call's 48 kHz in the call's
// periods, and at the usual rates one period of its own for each.
func TestRealCardRates(t *testing.T) {
	for _, rate := range []int{8000, 16000, 22050, 44100, 48000, 96000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			d := &fakeDevice{rate: rate}
			c := newRealCard(d, board.Sound{Rate: 48000, Period: 480}, nil)
			if c.Rate() != audio.SampleRate || c.Period() != 480 {
				t.Fatalf("%d Hz, periods of %d, want 48000 and 480", c.Rate(), c.Period())
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			var heard []int16
			in := make([]int16, 480)
			for range 100 {
				if _, err := c.Capture(in); err != nil {
					t.Fatal(err)
				}
				heard = append(heard, in...)
				if err := c.Play(in); err != nil {
					t.Fatal(err)
				}
			}
			if level := audiotest.Goertzel(heard[4800:], 1000); math.Abs(level+6.02) > 0.1 {
				t.Errorf("the tone is at %.2f dBFS, want -6.02", level)
			}
			if got := len(d.played) - rate; got < -2 || got > 2 {
				t.Errorf("played %d samples in a second, want %d", len(d.played), rate)
			}
			for _, n := range d.captures {
				if rate != 22050 && n != rate/100 {
					t.Fatalf("captured %d samples at once, want a period, %d", n, rate/100)
				}
			}
		})
	}
}

func TestRealCardErrors(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EPIPE, syscall.ENODEV} {
		for _, rate := range []int{44100, 48000} {
			d := &fakeDevice{rate: rate}
			c := newRealCard(d, board.Sound{Rate: 48000, Period: 480}, nil)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			d.err = fmt.Errorf("device: %w", errno)
			if _, err := c.Capture(make([]int16, 480)); !errors.Is(err, errno) {
				t.Errorf("%d Hz: Capture: %v, want %v", rate, err, errno)
			}
			if err := c.Play(make([]int16, 480)); !errors.Is(err, errno) {
				t.Errorf("%d Hz: Play: %v, want %v", rate, err, errno)
			}
		}
	}
}

// The amplifier sounds only while silence or sound comes out of the card.
func TestRealCardAmplifier(t *testing.T) {
	d := &fakeDevice{rate: 48000}
	c := newRealCard(d, board.Sound{Rate: 48000, Period: 480}, amplifier{d})
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	d.err = syscall.ENODEV
	if err := c.Start(); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("Start: %v, want ENODEV", err)
	}
	want := []string{"start", "amplifier true", "amplifier false", "close", "start"}
	if diff := cmp.Diff(want, d.steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// A profile of a card at 44.1 kHz makes periods of the call's.
func TestRealCardPeriod(t *testing.T) {
	if got := newRealCard(nil, board.Sound{Rate: 44100, Period: 441}, nil).Period(); got != 480 {
		t.Errorf("Period = %d, want 480", got)
	}
}

func TestRealCardStatus(t *testing.T) {
	c := newRealCard(&fakeDevice{rate: 48000}, board.Sound{Rate: 48000, Period: 480}, nil)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Capture(make([]int16, 480)); err != nil {
		t.Fatal(err)
	}
	s := sound{card: c}
	if st := s.status(); st.Concealed != 480 || st.Late != 960 || st.Echo != 20*time.Millisecond || !strings.HasPrefix(st.Hardware, "48000 Hz, period 480") {
		t.Errorf("status %+v", st)
	}
}

// A profile's sound reaches the device whole.
func TestDeviceConfig(t *testing.T) {
	for microphone, channel := range map[board.Microphone]int{board.Mix: 0, board.Left: 1, board.Right: 2} {
		got := deviceConfig(board.Sound{
			Card: "usb:1-1.2", Rate: 44100, Channels: 2, Microphone: microphone, Period: 441, Mixer: []board.MixerValue{{Control: "Mic", Value: "on"}},
		}, nil)
		want := alsa.Config{
			Card: "usb:1-1.2", Rate: 44100, Channels: 2, Microphone: channel, Period: 10 * time.Millisecond, Mixer: []alsa.Setting{{Control: "Mic", Value: "on"}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("microphone %s (-want +got):\n%s", microphone, diff)
		}
	}
}

func TestOpenCardErrors(t *testing.T) {
	_, err := openCard(board.Sound{Card: "0", Rate: 48000, Period: 480, Channels: 1}, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "numbers of cards change") || !strings.Contains(err.Error(), "correct [sound] in the board's profile") {
		t.Errorf("openCard of a number: %v", err)
	}
}

func TestRealCardAllocatesNothing(t *testing.T) {
	d := &fakeDevice{rate: 44100, played: make([]int16, 0, 1<<20), captures: make([]int, 0, 1<<10)}
	c := newRealCard(d, board.Sound{Rate: 48000, Period: 480}, nil)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	period := make([]int16, 480)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.Capture(period); err != nil {
			t.Error(err)
		}
		if err := c.Play(period); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a period, want 0", n)
	}
}
