package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"intercom/gpio"
)

const (
	maxLines   = 64   // pins of a board
	maxName    = 64   // bytes of a pin's name
	maxHistory = 1000 // remembered changes of outputs
	maxPPM     = 1000 // a crystal is within 100
)

// Config describes a simulated board.
type Config struct {
	Socket  string        // path of the control socket; empty: none
	RatePPM float64       // error of the card's clock, -1000 to 1000: above 0 its periods last longer (it is slow)
	Period  time.Duration // of the card, 1 to 100 ms, a whole number of samples; 0: 10 ms
	Rate    int           // samples per second, 8000 to 48000; 0: 48000
	Inputs  []string      // names of the pins that are read
	Outputs []string      // names of the pins that are driven
	Log     *slog.Logger  // nil: discard
}

// Board is a simulated board. Its methods may be called from any goroutine.
// Methods that play the world return os.ErrClosed after Close.
type Board struct {
	card  *Card
	log   *slog.Logger
	clock clock
	wg    sync.WaitGroup // taps, watches, clients

	mu       sync.Mutex // guards the rest, and all pins
	closed   bool
	pins     []*pin
	history  []Change
	watches  map[*Watch]struct{}
	clients  map[net.Conn]struct{}
	listener net.Listener
}

// Open returns a new simulated board, with all its pins inactive and its card
// plugged in. The caller closes it.
func Open(cfg Config) (*Board, error) {
	if cfg.Period == 0 {
		cfg.Period = 10 * time.Millisecond
	}
	if cfg.Rate == 0 {
		cfg.Rate = 48000
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("sim: open simulated board: %w", err)
	}
	b := &Board{
		log:     cfg.Log,
		clock:   newClock(),
		watches: map[*Watch]struct{}{},
		clients: map[net.Conn]struct{}{},
	}
	b.card = newCard(cfg, b.clock)
	for _, name := range cfg.Inputs {
		b.pins = append(b.pins, &pin{board: b, name: name})
	}
	for _, name := range cfg.Outputs {
		b.pins = append(b.pins, &pin{board: b, name: name, output: true})
	}
	if cfg.Socket != "" {
		if err := b.listen(cfg.Socket); err != nil {
			return nil, fmt.Errorf("sim: open simulated board: %w", err)
		}
	}
	return b, nil
}

func (c *Config) check() error {
	if c.Rate < 8000 || c.Rate > 48000 {
		return fmt.Errorf("rate %d Hz: want 8000 to 48000", c.Rate)
	}
	if c.Period < time.Millisecond || c.Period > 100*time.Millisecond {
		return fmt.Errorf("period %v: want 1 to 100 ms", c.Period)
	}
	if time.Duration(c.Rate)*c.Period%time.Second != 0 {
		return fmt.Errorf("period %v at %d Hz is not a whole number of samples", c.Period, c.Rate)
	}
	if !(math.Abs(c.RatePPM) <= maxPPM) { // also refuses NaN
		return fmt.Errorf("clock error %v ppm: want -%d to %d", c.RatePPM, maxPPM, maxPPM)
	}
	if n := len(c.Inputs) + len(c.Outputs); n > maxLines {
		return fmt.Errorf("%d pins: want at most %d", n, maxLines)
	}
	seen := map[string]bool{}
	for _, names := range [][]string{c.Inputs, c.Outputs} {
		for _, name := range names {
			if name == "" || len(name) > maxName {
				return fmt.Errorf("pin %q: want a name of 1 to %d bytes", name, maxName)
			}
			if seen[name] {
				return fmt.Errorf("pin %q is named twice", name)
			}
			seen[name] = true
		}
	}
	return nil
}

// Input opens the named input. Its error is ENOENT if there is none, EBUSY
// while it is open, and os.ErrClosed after Close.
func (b *Board) Input(name string) (gpio.Input, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.request(name, false)
	if err != nil {
		return nil, fmt.Errorf("sim: open simulated input %q: %w", name, err)
	}
	in := &input{pin: p, edges: make(chan gpio.Edge, gpio.EdgeBuffer)}
	p.in = in
	return in, nil
}

// Output opens the named output; its errors are those of Input. Opening does
// not change the level, closing switches it off.
func (b *Board) Output(name string) (gpio.Output, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.request(name, true)
	if err != nil {
		return nil, fmt.Errorf("sim: open simulated output %q: %w", name, err)
	}
	out := &output{pin: p}
	p.out = out
	return out, nil
}

// request finds a pin that nobody has open; b.mu is held.
func (b *Board) request(name string, output bool) (*pin, error) {
	p, err := b.find(name, output)
	if err == nil && (p.in != nil || p.out != nil) {
		return nil, syscall.EBUSY
	}
	return p, err
}

// find finds a pin of an open board; b.mu is held.
func (b *Board) find(name string, output bool) (*pin, error) {
	if b.closed {
		return nil, os.ErrClosed
	}
	for _, p := range b.pins {
		if p.name == name && p.output == output {
			return p, nil
		}
	}
	return nil, syscall.ENOENT
}

// Card returns the board's only sound card, always the same.
func (b *Board) Card() *Card { return b.card }

// Close ends the control socket, the card and all lines, and waits until they
// are gone. Closing twice does nothing.
func (b *Board) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		b.wg.Wait()
		return nil
	}
	for _, p := range b.pins {
		p.stopTap()
		if p.in != nil {
			p.in.close()
		}
		if p.out != nil {
			p.out.close()
		}
	}
	b.closed = true
	for w := range b.watches {
		b.drop(w, os.ErrClosed)
	}
	for c := range b.clients {
		c.Close()
	}
	var err error
	if b.listener != nil {
		err = b.listener.Close()
	}
	b.mu.Unlock()
	b.card.end()
	b.wg.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("sim: close control socket: %w", err)
	}
	return nil
}

// clock is CLOCK_MONOTONIC as seen through package time, so that it stands
// still with a synctest bubble. Both count the same nanoseconds.
type clock struct {
	start time.Time
	base  time.Duration // gpio.Monotonic at start
}

// newClock joins the two clocks within a few µs, if need be by trying again
// when the process was interrupted between reading them.
func newClock() clock {
	const tries, close = 10, 2 * time.Microsecond
	var best clock
	least := time.Duration(math.MaxInt64)
	for range tries {
		start := time.Now()
		base := gpio.Monotonic()
		if took := time.Since(start); took < least {
			best, least = clock{start: start, base: base}, took
		}
		if least <= close {
			break
		}
	}
	return best
}

func (c clock) now() time.Duration { return c.base + time.Since(c.start) }
