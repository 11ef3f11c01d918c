// Package periphpin offers an opened line as gpio.PinIO of periph.io, to
// whoever has drivers for that: a display, a sensor.
//
// Levels are logical, as everywhere in package gpio: High is active. A line is
// opened as an input or as an output, and stays what it is: In of an output and
// Out of an input are errors. Beyond what PinIO can carry, the line itself
// tells the direction and the time of an edge.
package periphpin

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"

	lines "intercom/gpio"
)

var (
	errDirection = errors.New("the line is open the other way")
	errPull      = errors.New("the resistor of a line is set when it is opened")
	errPWM       = errors.New("lines of the character device have no PWM")
)

// Pin is a line as a gpio.PinIO. Close of the line ends it; Halt does not.
type Pin struct {
	name string
	in   lines.Input  // nil: an output
	out  lines.Output // nil: an input
	edge atomic.Int32 // gpio.Edge that WaitForEdge waits for
	last atomic.Bool  // level last driven, of an output
}

var _ gpio.PinIO = (*Pin)(nil)

// Input offers an input. From then on its edges are the Pin's.
func Input(name string, in lines.Input) *Pin { return &Pin{name: name, in: in} }

// Output offers an output.
func Output(name string, out lines.Output) *Pin { return &Pin{name: name, out: out} }

// String returns the name.
func (p *Pin) String() string { return p.name }

// Name returns the name.
func (p *Pin) Name() string { return p.name }

// Number returns -1: lines have no global numbers that last.
func (p *Pin) Number() int { return -1 }

// Function returns "In" or "Out".
func (p *Pin) Function() string {
	if p.in != nil {
		return "In"
	}
	return "Out"
}

// Halt does nothing.
func (p *Pin) Halt() error { return nil }

// In chooses the edges to wait for and forgets those that came before. pull
// has to be PullNoChange.
func (p *Pin) In(pull gpio.Pull, edge gpio.Edge) error {
	switch {
	case p.in == nil:
		return fmt.Errorf("periphpin: %s: in: %w", p.name, errDirection)
	case pull != gpio.PullNoChange:
		return fmt.Errorf("periphpin: %s: in: %w", p.name, errPull)
	}
	p.edge.Store(int32(edge))
	for {
		select {
		case _, ok := <-p.in.Edges():
			if ok {
				continue
			}
		default:
		}
		return nil
	}
}

// Read returns the level; Low if it can not be read, as PinIO has no error.
// Of an output it is what was driven last.
func (p *Pin) Read() gpio.Level {
	if p.in == nil {
		return gpio.Level(p.last.Load())
	}
	active, err := p.in.Read()
	return gpio.Level(active && err == nil)
}

// WaitForEdge waits for an edge of In's kind, up to timeout; below 0 for ever.
// It returns false at the timeout, if In has chosen none, and when the line is
// closed or lost.
func (p *Pin) WaitForEdge(timeout time.Duration) bool {
	want := gpio.Edge(p.edge.Load())
	if p.in == nil || want == gpio.NoEdge {
		return false
	}
	var late <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		late = timer.C
	}
	for {
		e, ok := p.next(late)
		if !ok || want == gpio.BothEdges || (want == gpio.RisingEdge) == e.Active {
			return ok
		}
	}
}

// next returns the next edge. One that is there already comes before the
// timeout.
func (p *Pin) next(late <-chan time.Time) (e lines.Edge, ok bool) {
	select {
	case e, ok = <-p.in.Edges():
		return e, ok
	default:
	}
	select {
	case e, ok = <-p.in.Edges():
	case <-late:
	}
	return e, ok
}

// Pull returns PullNoChange: it is not known here.
func (p *Pin) Pull() gpio.Pull { return gpio.PullNoChange }

// DefaultPull returns PullNoChange: it is not known here.
func (p *Pin) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// Out drives an output.
func (p *Pin) Out(l gpio.Level) error {
	if p.out == nil {
		return fmt.Errorf("periphpin: %s: out: %w", p.name, errDirection)
	}
	if err := p.out.Set(bool(l)); err != nil {
		return fmt.Errorf("periphpin: %w", err)
	}
	p.last.Store(bool(l))
	return nil
}

// PWM is an error.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("periphpin: %s: %w", p.name, errPWM)
}
