package station

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/audio"
)

// fakeCard gives a period each 10 ms of the bubble's time, and the errors that
// a test puts in.
type fakeCard struct {
	rate, period int
	start        func() error
	capture      func() error
	play         func() error
	closed       chan struct{}
	plays        int
	level        int // of the last
}

func newFakeCard() *fakeCard {
	none := func() error { return nil }
	return &fakeCard{rate: 48000, period: 480, start: none, capture: none, play: none, closed: make(chan struct{}, 8)}
}

func (c *fakeCard) Rate() int    { return c.rate }
func (c *fakeCard) Period() int  { return c.period }
func (c *fakeCard) Start() error { return c.start() }
func (c *fakeCard) Close() error { c.closed <- struct{}{}; return nil }
func (c *fakeCard) Play(src []int16) error {
	c.plays++
	c.level = audio.Level(src)
	return c.play()
}
func (c *fakeCard) Capture(dst []int16) (time.Duration, error) {
	for i := range dst {
		dst[i] = int16(i % 100 * 200)
	}
	return 0, c.capture()
}

func newTestSound(t *testing.T, c *fakeCard) *sound {
	t.Helper()
	s := &sound{card: c, log: slog.New(slog.DiscardHandler), tell: func(heard) {}, retry: cardRetry, quit: make(chan struct{}), done: make(chan struct{})}
	s.engine = newTestEngine(t, nil)
	return s
}

func newTestEngine(t *testing.T, send func([]byte, int)) *audio.Engine {
	t.Helper()
	e, err := audio.NewEngine(audio.EngineConfig{Send: send})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestStepAllocations: a period costs nothing of the heap, whatever plays.
func TestStepAllocations(t *testing.T) {
	s := newTestSound(t, newFakeCard())
	s.engine.SetTransmit(true)
	s.engine.Play(audio.LayerTone, audio.NewToneSource(audio.Ring()), 80)
	r, err := audio.NewReceiver()
	if err != nil {
		t.Fatal(err)
	}
	s.engine.SetVoice(r)
	p := newPeriods(s.card)
	if n := testing.AllocsPerRun(200, func() {
		if err := s.step(p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations in a period", n)
	}
}

// TestStepXruns: after a period that came late one is left out, so that the
// ring does not stay fuller, and the delay longer, than before.
func TestStepXruns(t *testing.T) {
	xrun := fmt.Errorf("card: %w", syscall.EPIPE)
	c := newFakeCard()
	s := newTestSound(t, c)
	p := newPeriods(s.card)
	var got []int // plays after each step
	for i := range 6 {
		c.play, c.capture = func() error { return nil }, func() error { return nil }
		switch i {
		case 1:
			c.play = func() error { return xrun }
		case 4:
			c.capture = func() error { return xrun }
		}
		if err := s.step(p); err != nil {
			t.Fatal(err)
		}
		got = append(got, c.plays)
	}
	if diff := cmp.Diff([]int{1, 2, 2, 3, 3, 4}, got); diff != "" {
		t.Errorf("plays after each step (-want +got):\n%s", diff)
	}
	if st := s.status(); st.PlayXruns != 1 || st.CaptureXruns != 1 || st.Periods != 5 {
		t.Errorf("counters %+v", st)
	}
}

// TestCardLost: it is tried again each second, told once, and closed each time.
func TestCardLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCard()
		gone, starts := fmt.Errorf("card: %w", syscall.ENODEV), 0
		c.start = func() error {
			if starts++; starts < 4 {
				return gone
			}
			return nil
		}
		stop := make(chan struct{})
		c.capture = func() error {
			select {
			case <-stop:
				return os.ErrClosed
			case <-time.After(10 * time.Millisecond):
				return nil
			}
		}
		told := make(chan heard, 8)
		s, err := openSound(c, 0, audio.EngineConfig{}, slog.New(slog.DiscardHandler), func(h heard) { told <- h })
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Microphone(); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("microphone: %v", err)
		}
		began := time.Now()
		if h := <-told; !h.card || h.reason != nil {
			t.Errorf("told %+v", h)
		}
		if took := time.Since(began); took != 3*cardRetry {
			t.Errorf("found after %v", took)
		}
		if err := s.Microphone(); err != nil {
			t.Errorf("microphone: %v", err)
		}
		if got := s.status(); got.Faults != 1 || got.Starts != 1 {
			t.Errorf("counters %+v", got)
		}
		close(stop)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCardRefused(t *testing.T) {
	for _, c := range []*fakeCard{{rate: 44100, period: 441}, {rate: 48000, period: 48}, {rate: 48000, period: 4800}, {}} {
		if _, err := openSound(c, 0, audio.EngineConfig{}, nil, nil); err == nil {
			t.Errorf("a card of %d Hz with periods of %d samples was taken", c.rate, c.period)
		}
	}
}

// TestMessages: a recording takes the place of a tone.
func TestMessages(t *testing.T) {
	dir := t.TempDir()
	var wav bytes.Buffer
	if err := audio.WriteWAV(&wav, 48000, []int16{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "busy.wav")
	if err := os.WriteFile(path, wav.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := newVoices(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]int16, 4)
	v.source(toneBusy).Next(got)
	if diff := cmp.Diff([]int16{1, 2, 3, 0}, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	for tn := toneRing; tn < tones; tn++ {
		got := make([]int16, 480)
		if v.source(tn).Next(got); tn != toneBusy && audio.Level(got) == 0 {
			t.Errorf("tone %v is silent", tn)
		}
	}
	if err := os.WriteFile(path, []byte("no recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newVoices(dir); err == nil {
		t.Error("a file that is no recording was taken")
	}
	if _, err := newVoices(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing folder was taken")
	}
}
