package sim

import (
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	maxTap           = time.Minute
	maxClip          = 5 * time.Second
	minTone          = 20   // Hz
	defaultThreshold = 1024 // -30 dBFS
)

var errBoardClosed = fmt.Errorf("sim: simulated board: %w", os.ErrClosed)

// Line is the state of a pin.
type Line struct {
	Name   string        `json:"name"`
	Output bool          `json:"output"`
	Active bool          `json:"active"`
	At     time.Duration `json:"at_ns"` // of the last change; 0: none
}

// Change is a change of an output.
type Change struct {
	Name   string        `json:"name"`
	Active bool          `json:"active"`
	At     time.Duration `json:"at_ns"`
}

// Mark tells when a sound came out of the card's program and out of its
// speaker.
type Mark struct {
	Entered time.Duration // the time of the Play that brought its period
	Left    time.Duration // the sample's own time
}

// Counters are what happened to the card since the board was opened.
type Counters struct {
	Ticks     uint64        `json:"ticks"`       // periods of the device's clock
	Overruns  uint64        `json:"overruns"`    // captured periods that nobody took
	Underruns uint64        `json:"underruns"`   // periods of silence for want of a Play, after the first Play
	Dropped   uint64        `json:"dropped"`     // periods of Play that found the ring full
	MaxLate   time.Duration `json:"max_late_ns"` // the latest tick, against the device's clock: the process's scheduling
}

// Press makes an input active and returns when: the raw edge, or the earlier
// one if it was active already.
func (b *Board) Press(name string) (time.Duration, error) { return b.drive(name, true) }

// Release makes an input inactive and returns when, as Press.
func (b *Board) Release(name string) (time.Duration, error) { return b.drive(name, false) }

func (b *Board) drive(name string, active bool) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.find(name, false)
	if err != nil {
		return 0, fmt.Errorf("sim: simulated input %q: %w", name, err)
	}
	p.stopTap()
	return p.set(active), nil
}

// Tap presses an input and releases it after d, 1 ms to 1 min; it returns at
// once, with the time of the press. A Press, Release or Tap before then takes
// the place of the release.
func (b *Board) Tap(name string, d time.Duration) (time.Duration, error) {
	if d < time.Millisecond || d > maxTap {
		return 0, fmt.Errorf("sim: tap of %v: want 1 ms to %v", d, maxTap)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.find(name, false)
	if err != nil {
		return 0, fmt.Errorf("sim: simulated input %q: %w", name, err)
	}
	p.stopTap()
	at := p.set(true)
	b.wg.Add(1)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		defer b.wg.Done()
		b.mu.Lock()
		defer b.mu.Unlock()
		if p.tap == t { // else it was replaced just now
			p.tap = nil
			p.set(false)
		}
	})
	p.tap = t
	return at, nil
}

// Lines returns all pins: inputs, then outputs, as in Config.
func (b *Board) Lines() ([]Line, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errBoardClosed
	}
	lines := make([]Line, len(b.pins))
	for i, p := range b.pins {
		lines[i] = Line{Name: p.name, Output: p.output, Active: p.active, At: p.at}
	}
	return lines, nil
}

// History returns the last 1000 changes of outputs, oldest first.
func (b *Board) History() ([]Change, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errBoardClosed
	}
	return append([]Change(nil), b.history...), nil
}

// changed remembers and tells a change of an output; b.mu is held.
func (b *Board) changed(c Change) {
	if len(b.history) == maxHistory {
		b.history = append(b.history[:0], b.history[1:]...)
	}
	b.history = append(b.history, c)
	b.tell(Event{Event: EventOutput, Name: c.Name, Active: c.Active, At: c.At})
}

func (b *Board) open() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errBoardClosed
	}
	return nil
}

// MicSilence lets the microphone hear nothing but faint noise, as at first.
func (b *Board) MicSilence() error {
	if err := b.open(); err != nil {
		return err
	}
	b.card.mic.tone(0)
	return nil
}

// MicTone lets the microphone hear a sine of -12 dBFS, 20 Hz to half the rate.
func (b *Board) MicTone(hz float64) error {
	if err := b.open(); err != nil {
		return err
	}
	if !(hz >= minTone && hz <= float64(b.card.rate)/2) {
		return fmt.Errorf("sim: tone of %v Hz: want %d to %d", hz, minTone, b.card.rate/2)
	}
	b.card.mic.tone(hz)
	return nil
}

// MicPlay lets the microphone hear pcm (mono, at the card's rate, 5 s at most)
// once, instead of its source, from the next period that begins; it returns
// when that is. It takes the place of one that still plays. The card must run.
func (b *Board) MicPlay(pcm []int16) (time.Duration, error) {
	if err := b.open(); err != nil {
		return 0, err
	}
	c := b.card
	if limit := c.rate * int(maxClip/time.Second); len(pcm) == 0 || len(pcm) > limit {
		return 0, fmt.Errorf("sim: play %d samples into the microphone: want 1 to %d", len(pcm), limit)
	}
	c.mu.Lock() // a Start in between would forget the clip
	defer c.mu.Unlock()
	r := c.running()
	if r == nil {
		return 0, fmt.Errorf("sim: play into the microphone: %w", errStopped)
	}
	next := c.mic.play(append([]int16(nil), pcm...), c.after(r.start, c.clock.now()))
	return c.at(r.start, next), nil
}

// Speaker returns what was played last, up to 5 s and not beyond the card's
// last Start, and when the first of these samples left the speaker. There is
// nothing before the first period was played.
func (b *Board) Speaker(last time.Duration) (pcm []int16, at time.Duration, err error) {
	if err := b.open(); err != nil {
		return nil, 0, err
	}
	if last < time.Millisecond || last > keep {
		return nil, 0, fmt.Errorf("sim: last %v of the speaker: want 1 ms to %v", last, keep)
	}
	pcm, at = b.card.speaker.last(int(last * time.Duration(b.card.rate) / time.Second))
	return pcm, at, nil
}

// SpeakerMark finds the first sample louder than threshold (0: 1024, -30 dBFS)
// that came into the playback ring after since. It is found (ok) as soon as
// its period was played, and for 5 s.
func (b *Board) SpeakerMark(since time.Duration, threshold int) (m Mark, ok bool, err error) {
	if err := b.open(); err != nil {
		return Mark{}, false, err
	}
	if threshold < 0 || threshold >= 1<<15 {
		return Mark{}, false, errors.New("sim: threshold: want 0 to 32767")
	}
	if threshold == 0 {
		threshold = defaultThreshold
	}
	m, ok = b.card.speaker.mark(since, threshold)
	return m, ok, nil
}

// Unplug takes the sound card away: its calls return ENODEV.
func (b *Board) Unplug() error {
	if err := b.open(); err != nil {
		return err
	}
	b.card.unplug()
	return nil
}

// Replug brings the sound card back; its user starts it again.
func (b *Board) Replug() error {
	if err := b.open(); err != nil {
		return err
	}
	b.card.replug()
	return nil
}

// Counters returns what happened to the card. It also works after Close.
func (b *Board) Counters() (Counters, error) {
	c := &b.card.counters
	return Counters{
		Ticks:     c.ticks.Load(),
		Overruns:  c.overruns.Load(),
		Underruns: c.underruns.Load(),
		Dropped:   c.drops.Load(),
		MaxLate:   time.Duration(c.late.Load()),
	}, nil
}
