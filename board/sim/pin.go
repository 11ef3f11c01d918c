package sim

import (
	"fmt"
	"os"
	"time"

	"intercom/gpio"
)

// pin is one line of a Board, open or not. Its board's mu guards it.
type pin struct {
	board  *Board
	name   string
	output bool

	active bool
	at     time.Duration // of the last change; 0: none
	tap    *time.Timer   // the release that a Tap still owes
	in     *input        // set while open
	out    *output       // set while open
}

// set takes the new level and returns when the pin took it. board.mu is held.
func (p *pin) set(active bool) time.Duration {
	if active == p.active {
		return p.at
	}
	p.active, p.at = active, p.board.clock.now()
	if p.in != nil {
		p.in.push(gpio.Edge{Active: active, At: p.at})
	}
	if p.output {
		p.board.changed(Change{Name: p.name, Active: active, At: p.at})
	}
	return p.at
}

func (p *pin) stopTap() {
	if p.tap != nil && p.tap.Stop() {
		p.board.wg.Done()
	}
	p.tap = nil
}

// input is an open input.
type input struct {
	pin    *pin
	edges  chan gpio.Edge
	closed bool
}

func (in *input) Read() (bool, error) {
	in.pin.board.mu.Lock()
	defer in.pin.board.mu.Unlock()
	if in.closed {
		return false, fmt.Errorf("sim: read simulated input %q: %w", in.pin.name, os.ErrClosed)
	}
	return in.pin.active, nil
}

func (in *input) Edges() <-chan gpio.Edge { return in.edges }

func (in *input) Close() error {
	in.pin.board.mu.Lock()
	defer in.pin.board.mu.Unlock()
	in.close()
	return nil
}

func (in *input) close() {
	if in.closed {
		return
	}
	in.closed = true
	in.pin.in = nil
	close(in.edges)
}

// push queues an edge, if need be in the place of the oldest. board.mu is held,
// so this is the only sender.
func (in *input) push(e gpio.Edge) {
	for {
		select {
		case in.edges <- e:
			return
		default:
		}
		select {
		case <-in.edges:
		default:
		}
	}
}

// output is an open output.
type output struct {
	pin    *pin
	closed bool
}

func (out *output) Set(on bool) error {
	out.pin.board.mu.Lock()
	defer out.pin.board.mu.Unlock()
	if out.closed {
		return fmt.Errorf("sim: set simulated output %q: %w", out.pin.name, os.ErrClosed)
	}
	out.pin.set(on)
	return nil
}

func (out *output) Close() error {
	out.pin.board.mu.Lock()
	defer out.pin.board.mu.Unlock()
	out.close()
	return nil
}

func (out *output) close() {
	if out.closed {
		return
	}
	out.pin.set(false)
	out.closed = true
	out.pin.out = nil
}
