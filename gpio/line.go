package gpio

import "time"

// EdgeBuffer is how many edges an [Input] keeps for a reader that is late:
// the bounces of several presses.
const EdgeBuffer = 64

// Edge is a change of a line's logical level.
type Edge struct {
	Active bool          // the level after the change
	At     time.Duration // when, on the clock of Monotonic: the kernel's stamp, or the simulation's
}

// Input is a line that is read. Its methods may be called from any goroutine.
type Input interface {
	// Read returns the level now. After the line was lost it returns why.
	Read() (active bool, err error)

	// Edges returns the line's changes in their order: always the same
	// channel, open from the moment the line was, and with room for
	// EdgeBuffer edges. When it is full the oldest edge is dropped, so that
	// the last one always tells the true level. It is closed when the line
	// is closed or lost (an expander unplugged, a driver unbound).
	Edges() <-chan Edge

	// Close releases the line. Closing twice does nothing.
	Close() error
}

// Output is a line that is driven. Its methods may be called from any
// goroutine.
type Output interface {
	// Set drives the line. When it returns an error the level is unknown.
	Set(on bool) error

	// Close switches the line off and releases it. Closing twice does nothing.
	Close() error
}
