package gpio

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// MaxRelayLimit is the longest hard limit that NewRelay takes: an opener
	// that has to stay open longer is not one for a coil under current.
	MaxRelayLimit = time.Minute

	relayRetry      = 50 * time.Millisecond // between two tries to switch off
	relayCloseTries = 5                     // then Close gives up, with an error
)

// Errors of Relay.Pulse.
var (
	ErrRelayTime   = errors.New("time is out of bounds")
	ErrRelayFault  = errors.New("relay could not be switched off and may be open; it is tried again, check its wiring")
	ErrRelayClosed = errors.New("relay is closed")
)

// RelayState is a relay at one moment.
type RelayState struct {
	On       bool      // it is on, or may be: it could not be switched off
	Until    time.Time // when it goes off; zero when not On
	Openings uint64    // from off to on, those that failed too
	Err      error     // why it could not be switched; nil once it was
}

// Relay switches an output on for a time, and has the last word on how long:
//
//   - it is off when it is made, at Close, and after every error;
//   - no opening lasts longer than the hard limit, counted from just before
//     the line was first switched on;
//   - a Pulse while it is on may move the end later, up to the limit of the
//     opening that it is in, and never earlier;
//   - as long as switching off fails it is tried again, every 50 ms, logged as
//     an error, and nothing switches it on.
//
// A process that dies leaves the line to the kernel: a stop action of the
// service and the watchdog are for that.
type Relay struct {
	name    string
	out     Output
	limit   time.Duration
	log     *slog.Logger
	changed chan struct{}
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once

	mu     sync.Mutex
	first  time.Time // start of this opening
	state  RelayState
	closed bool
}

// NewRelay switches the output off and returns. limit is the longest time that
// it is ever on, over 0 and up to MaxRelayLimit. The line stays the caller's.
// log may be nil.
func NewRelay(name string, out Output, limit time.Duration, log *slog.Logger) (*Relay, error) {
	if limit <= 0 || limit > MaxRelayLimit {
		return nil, fmt.Errorf("gpio: relay %s: hard limit %v: %w; give more than 0 and at most %v", name, limit, ErrRelayTime, MaxRelayLimit)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := out.Set(false); err != nil {
		return nil, fmt.Errorf("gpio: relay %s: switch off at start: %w", name, err)
	}
	r := &Relay{
		name: name, out: out, limit: limit, log: log.With("relay", name),
		changed: make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go r.run()
	return r, nil
}

// Limit returns the hard limit.
func (r *Relay) Limit() time.Duration { return r.limit }

// State returns the state now.
func (r *Relay) State() RelayState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Changed has a value after State changed. It holds one: changes that nobody
// has received are told once. It is never closed.
func (r *Relay) Changed() <-chan struct{} { return r.changed }

// Pulse switches on for d, or, if it is on, moves the end to d from now if
// that is later; both within the hard limit of the opening. A d of 0 or less,
// or over the limit, is refused with ErrRelayTime and changes nothing. An
// error from the line switches off at once.
func (r *Relay) Pulse(d time.Duration) error {
	if d <= 0 || d > r.limit {
		return fmt.Errorf("gpio: relay %s: open for %v: %w; give more than 0 and at most its hard limit of %v", r.name, d, ErrRelayTime, r.limit)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("gpio: relay %s: %w", r.name, ErrRelayClosed)
	}
	now := time.Now()
	if r.state.On && !r.state.Until.After(now) {
		r.off() // its end is here, and the goroutine is late
	}
	if r.state.Err != nil {
		return fmt.Errorf("gpio: relay %s: %w: %w", r.name, ErrRelayFault, r.state.Err)
	}
	if r.state.On {
		until := now.Add(d)
		if end := r.first.Add(r.limit); until.After(end) {
			until = end
		}
		if until.After(r.state.Until) {
			r.state.Until = until
			r.told()
		}
		return nil
	}
	now = time.Now()
	r.first = now
	r.state.On, r.state.Until = true, now.Add(d)
	r.state.Openings++
	if err := r.out.Set(true); err != nil {
		r.log.Error("relay can not be switched on", "err", err)
		r.off() // an error leaves the level unknown
		return fmt.Errorf("gpio: relay %s: switch on: %w", r.name, err)
	}
	r.told()
	return nil
}

// Close switches off, a few times if it has to, and waits for the goroutine.
// Its error says that the relay may still be on. The line stays open; closing
// it switches it off again.
func (r *Relay) Close() error {
	r.once.Do(func() {
		r.mu.Lock()
		r.closed = true
		r.off()
		r.mu.Unlock()
		close(r.stop)
	})
	<-r.done
	if err := r.State().Err; err != nil {
		return fmt.Errorf("gpio: relay %s: close: %w: %w", r.name, ErrRelayFault, err)
	}
	return nil
}

// run switches off when it is time, and again until that works.
func (r *Relay) run() {
	defer close(r.done)
	timer := time.NewTimer(r.limit)
	defer timer.Stop()
	stop, left := r.stop, relayCloseTries
	for {
		select {
		case <-stop:
			stop = nil
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
		r.mu.Lock()
		if r.state.On && !r.state.Until.After(time.Now()) {
			r.off()
		}
		on, until := r.state.On, r.state.Until
		r.mu.Unlock()
		if stop == nil {
			if left--; !on || left <= 0 {
				return
			}
		}
		if on {
			timer.Reset(time.Until(until))
		}
	}
}

// off tries to switch off; r.mu is held. If that fails it is due again after
// relayRetry.
func (r *Relay) off() {
	was := r.state
	err := r.out.Set(false)
	switch {
	case err != nil:
		r.state.On, r.state.Err, r.state.Until = true, err, time.Now().Add(relayRetry)
		if was.Err == nil {
			r.log.Error("relay can not be switched off and may be open: it is tried again", "err", err, "every", relayRetry)
		}
	default:
		r.state.On, r.state.Err, r.state.Until = false, nil, time.Time{}
		if was.Err != nil {
			r.log.Error("relay could be switched off at last", "open_for", time.Since(r.first))
		}
	}
	if was.On != r.state.On || (was.Err == nil) != (err == nil) {
		r.told()
	}
}

// told wakes the goroutine and the receiver of Changed.
func (r *Relay) told() {
	for _, c := range []chan struct{}{r.wake, r.changed} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
