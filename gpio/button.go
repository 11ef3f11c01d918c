package gpio

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Defaults of ButtonOptions.
const (
	DefaultFilter  = 4 * time.Millisecond  // longer than the bounces of a tact switch or a spike on a bell wire
	DefaultLockout = 50 * time.Millisecond // shorter than two presses by hand, longer than a worn contact's bounces
	DefaultLong    = time.Second
	DefaultStuck   = time.Minute // nobody holds a bell that long: water, dirt, or a jammed key
)

// ButtonOptions are the times of a button. A zero means the default; a
// negative one is refused by NewButton.
type ButtonOptions struct {
	Filter  time.Duration // a level counts once it has survived this long; default DefaultFilter
	Lockout time.Duration // after an accepted change, no other for this long; default DefaultLockout
	Long    time.Duration // held this long from the raw edge: LongPress, shorter than Stuck; default DefaultLong
	Stuck   time.Duration // held this long from the raw edge: Stuck; default DefaultStuck
}

// Kind says what happened to a button.
type Kind uint8

// What a button reports. LongPress only adds to its Press.
const (
	Press Kind = iota + 1
	Release
	LongPress
	Stuck
	Failed // the line was lost; the last event of this button
)

func (k Kind) String() string {
	switch k {
	case Press:
		return "press"
	case Release:
		return "release"
	case LongPress:
		return "long press"
	case Stuck:
		return "stuck"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ButtonEvent is one thing that happened to a button.
type ButtonEvent struct {
	Button string
	Kind   Kind

	// At is the time on the clock of Monotonic. For Press and Release it is
	// the raw edge that began it: the first of the bounces that led to the
	// level, not the end of the filter. For LongPress and Stuck it is when
	// the time was over, for Failed 0.
	At time.Duration

	Err error // with Failed only
}

// Health is what a button has lived through.
type Health struct {
	Presses     uint64
	Glitches    uint64        // changes that did not survive the filter, the bounces before a press among them
	Bounces     uint64        // changes taken back during a lock-out
	LongestHold time.Duration // of those that ended
	Stuck       bool          // held longer than ButtonOptions.Stuck, and still is
	Err         error         // why the line was lost
}

var errLineClosed = errors.New("its edges ended")

// Button reports presses of one input. A press is acted on when its level has
// survived the glitch filter, not when the contact has come to rest. A button
// that is held when it is opened has to be released before it counts.
type Button struct {
	name string
	in   Input
	out  chan<- ButtonEvent
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu     sync.Mutex
	health Health // a copy of the goroutine's own, for Health
}

// NewButton watches an input and sends what happens to out, in order, until
// Close. Many buttons may share one channel. A receiver that is late delays
// only this button's events: the line keeps its last EdgeBuffer edges.
//
// A line that is lost is told once, with Failed; other buttons go on.
func NewButton(name string, in Input, opts ButtonOptions, out chan<- ButtonEvent) (*Button, error) {
	for _, t := range []struct {
		name string
		d    *time.Duration
		def  time.Duration
	}{
		{"filter", &opts.Filter, DefaultFilter},
		{"lockout", &opts.Lockout, DefaultLockout},
		{"long", &opts.Long, DefaultLong},
		{"stuck", &opts.Stuck, DefaultStuck},
	} {
		if *t.d < 0 {
			return nil, fmt.Errorf("gpio: button %s: %s time %v is negative; give a positive time, or 0 for %v", name, t.name, *t.d, t.def)
		}
		if *t.d == 0 {
			*t.d = t.def
		}
	}
	if opts.Stuck <= opts.Long {
		return nil, fmt.Errorf("gpio: button %s: stuck time %v is not longer than that of a long press, %v", name, opts.Stuck, opts.Long)
	}
	forget(in.Edges())
	active, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("gpio: button %s: read level: %w", name, err)
	}
	b := &Button{
		name: name, in: in, out: out,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go b.run(active, opts)
	return b, nil
}

// forget takes the edges that came before anybody watched: the level read after
// them has them all in it.
func forget(edges <-chan Edge) {
	for {
		select {
		case _, ok := <-edges:
			if ok {
				continue
			}
		default:
		}
		return
	}
}

// Health returns the counters now.
func (b *Button) Health() Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health
}

// Close stops the button and waits for its goroutine. It leaves the input
// open. It may be called from the goroutine that receives the events.
func (b *Button) Close() error {
	b.once.Do(func() { close(b.stop) })
	<-b.done
	return nil
}

// run follows the edges. The clock of the edges is never read, as a simulation
// has its own: when this machine's clock showed heard, the edges' one showed
// shown, and from there only differences count. Up to the first edge the
// edges' clock is unknown, and counts from the start of the button.
func (b *Button) run(active bool, opts ButtonOptions) {
	defer close(b.done)
	d := debounce{filter: opts.Filter, lockout: opts.Lockout, long: opts.Long, stuck: opts.Stuck}
	d.start(active)
	emit := func(k Kind, at time.Duration) {
		b.publish(d.health) // who has the event finds it counted
		b.send(ButtonEvent{Button: b.name, Kind: k, At: at})
	}
	shown, heard, known := time.Duration(0), time.Now(), false

	timer := time.NewTimer(0)
	defer timer.Stop()
	edges := b.in.Edges()
	for {
		var due <-chan time.Time
		next, waiting := d.next()
		if waiting {
			timer.Reset(time.Until(heard.Add(next - shown)))
			due = timer.C
		}
		select {
		case <-b.stop:
			return
		case e, ok := <-edges:
			if !ok {
				b.lost()
				return
			}
			now := time.Now()
			if !known {
				d.shift(e.At - now.Sub(heard))
				known = true
			}
			shown, heard = e.At, now
			d.edge(e, emit)
		case <-due:
			if len(edges) > 0 {
				continue // edges that came before the timer are heard first
			}
			d.advance(next, emit)
		}
		b.publish(d.health)
	}
}

// send sends one event, unless the button is being closed.
func (b *Button) send(e ButtonEvent) {
	select {
	case b.out <- e:
	case <-b.stop:
	}
}

// lost tells that the line is gone, with the reason that the line gives.
func (b *Button) lost() {
	_, err := b.in.Read()
	if err == nil {
		err = errLineClosed
	}
	err = fmt.Errorf("gpio: button %s: line lost: %w", b.name, err)
	b.mu.Lock()
	b.health.Err = err
	b.mu.Unlock()
	b.send(ButtonEvent{Button: b.name, Kind: Failed, Err: err})
}

func (b *Button) publish(h Health) {
	b.mu.Lock()
	b.health = h
	b.mu.Unlock()
}
