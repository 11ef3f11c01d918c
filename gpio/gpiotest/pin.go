package gpiotest

import (
	"errors"
	"sync"
	"time"

	"intercom/gpio"
)

// maxHistory bounds what a Pin remembers; then it forgets its oldest changes.
const maxHistory = 1 << 16

// ErrClosed is what a closed Pin answers.
var ErrClosed = errors.New("gpiotest: pin is closed")

// Now is the clock of every Pin: the time since the start of 2000 (UTC), which
// is where a synctest bubble starts.
func Now() time.Duration {
	return time.Since(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC))
}

// Pin is a line in memory, a gpio.Input and a gpio.Output in one. All methods
// may be called from any goroutine. It starts inactive.
type Pin struct {
	mu      sync.Mutex
	active  bool
	edges   chan gpio.Edge
	history []gpio.Edge
	writes  int
	readErr error
	setErr  func(on bool) error
	gone    error // why it is closed or lost
}

var (
	_ gpio.Input  = (*Pin)(nil)
	_ gpio.Output = (*Pin)(nil)
)

// NewPin returns an inactive line.
func NewPin() *Pin { return &Pin{edges: make(chan gpio.Edge, gpio.EdgeBuffer)} }

// Read returns the level, or the error of FailRead or Unplug.
func (p *Pin) Read() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil {
		return false, p.gone
	}
	return p.active, p.readErr
}

// Edges returns the changes made by Drive and its relatives, and by Set.
func (p *Pin) Edges() <-chan gpio.Edge { return p.edges }

// Set changes the level, unless FailSet says otherwise: then it stays.
func (p *Pin) Set(on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	if p.gone != nil {
		return p.gone
	}
	if p.setErr != nil {
		if err := p.setErr(on); err != nil {
			return err
		}
	}
	p.change(on)
	return nil
}

// Close makes the line inactive, as a real one falls to its rest, and ends
// Edges.
func (p *Pin) Close() error {
	p.lose(ErrClosed)
	return nil
}

// Drive changes the level from outside, as a finger on the button.
func (p *Pin) Drive(active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone == nil {
		p.change(active)
	}
}

// Press makes the line active.
func (p *Pin) Press() { p.Drive(true) }

// Release makes the line inactive.
func (p *Pin) Release() { p.Drive(false) }

// Bounce turns the level over once for each time given, and lets that time
// pass after it. Three times from rest, for example, end in a press.
func (p *Pin) Bounce(times ...time.Duration) {
	for _, d := range times {
		p.Drive(!p.Active())
		time.Sleep(d)
	}
}

// FailRead makes every Read return err; nil ends it.
func (p *Pin) FailRead(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readErr = err
}

// FailSet asks f before every Set; an error of f is returned and the level
// stays as it is. A nil f ends it. f must not call the Pin.
func (p *Pin) FailSet(f func(on bool) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setErr = f
}

// Unplug loses the line: Edges ends, and all calls return err.
func (p *Pin) Unplug(err error) { p.lose(err) }

// Active returns the level, also of a line that is lost (inactive).
func (p *Pin) Active() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active
}

// History returns all changes of the level so far, with their times.
func (p *Pin) History() []gpio.Edge {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]gpio.Edge(nil), p.history...)
}

// Writes returns how often Set was called, with or without effect.
func (p *Pin) Writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

func (p *Pin) lose(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil {
		return
	}
	if p.active {
		p.active = false
		p.remember(gpio.Edge{At: Now()})
	}
	p.gone = err
	close(p.edges)
}

// change takes the new level; p.mu is held.
func (p *Pin) change(active bool) {
	if active == p.active {
		return
	}
	p.active = active
	e := gpio.Edge{Active: active, At: Now()}
	p.remember(e)
	for {
		select {
		case p.edges <- e:
			return
		default:
		}
		select {
		case <-p.edges: // full: the oldest goes
		default:
		}
	}
}

func (p *Pin) remember(e gpio.Edge) {
	if len(p.history) == maxHistory {
		p.history = append(p.history[:0], p.history[maxHistory/2:]...)
	}
	p.history = append(p.history, e)
}
