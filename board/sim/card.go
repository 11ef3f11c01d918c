package sim

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"intercom/alsa"
)

// bufferPeriods is how many periods each direction of the card holds, as a
// common ALSA buffer: one in the device's hands and one in the program's.
const bufferPeriods = 2

var (
	errXrun    = fmt.Errorf("sim: simulated card: xrun: %w", syscall.EPIPE)
	errGone    = fmt.Errorf("sim: simulated card is unplugged: %w", syscall.ENODEV)
	errStopped = fmt.Errorf("sim: simulated card is not started: %w", os.ErrClosed)
)

// Card is a simulated sound card: mono, 16 bit, capture and playback on one
// clock of their own.
//
//	           Start                   Unplug
//	stopped ─────────▶ running ───────────────────▶ unplugged
//	   ▲  ▲               │ Close                       │ Replug
//	   │  └───────────────┘                             │
//	   └────────────────────────────────────────────────┘
//
// One goroutine may call Capture while one other (or the same) calls Play; the
// other methods are for any goroutine. Neither allocates.
type Card struct {
	clock  clock
	rate   int
	period int           // samples
	length time.Duration // of a period, nominal
	ppm    float64

	mic      mic
	lost     []int16 // where periods go that nobody takes
	speaker  speaker
	counters cardCounters

	run atomic.Pointer[run] // the latest; nil before the first Start

	mu        sync.Mutex // guards the rest: starting and stopping
	unplugged bool
	ended     bool // the board is closed
}

type cardCounters struct {
	ticks, overruns, underruns, drops atomic.Uint64
	late                              atomic.Int64
}

// run is the card between a Start and whatever ends it.
type run struct {
	start time.Duration // tick 0
	stop  chan struct{} // closed to end it, after err was set
	done  chan struct{} // closed when its goroutine is gone
	err   error         // what calls return from then on

	full, free chan *captured // bufferPeriods of them
	overrun    atomic.Bool    // and not yet told by Capture

	ring     *alsa.Ring
	entered  [2 * bufferPeriods]time.Duration // when period n came into the ring, at n % len
	written  int                              // periods ever put into the ring: Play's
	taken    int                              // and taken: the device's
	played   atomic.Bool                      // there was a Play: from now on an empty ring is an underrun
	underrun atomic.Bool                      // and not yet told by Play
}

// captured is one period on its way to Capture.
type captured struct {
	samples []int16
	end     time.Duration
}

func newCard(cfg Config, clock clock) *Card {
	c := &Card{
		clock:  clock,
		rate:   cfg.Rate,
		period: int(time.Duration(cfg.Rate) * cfg.Period / time.Second),
		length: cfg.Period,
		ppm:    cfg.RatePPM,
	}
	c.lost = make([]int16, c.period)
	c.mic.init(c.rate)
	c.speaker.init(c)
	return c
}

// Rate returns the nominal samples per second.
func (c *Card) Rate() int { return c.rate }

// Period returns the samples of a period.
func (c *Card) Period() int { return c.period }

// at returns the time of tick k after start: the nominal time in whole ns, and
// the clock's error on top, so that no rounding adds up.
func (c *Card) at(start time.Duration, k int) time.Duration {
	nominal := time.Duration(k) * c.length
	return start + nominal + time.Duration(float64(nominal)*c.ppm*1e-6)
}

// after returns the first tick that is not before now.
func (c *Card) after(start, now time.Duration) int {
	k := int(float64(now-start)/(float64(c.length)*(1+c.ppm*1e-6))) - 1 // rounding is less than 1
	for c.at(start, k) < now {
		k++
	}
	return max(k, 0)
}

// offset returns how long n samples last.
func (c *Card) offset(n int) time.Duration {
	return time.Duration(float64(n) * float64(time.Second) / float64(c.rate) * (1 + c.ppm*1e-6))
}

// Start starts capture and playback together, with empty buffers, also after
// Close and Replug, as opening the card anew would. Its errors are EBUSY while
// it runs, ENODEV while it is unplugged, and os.ErrClosed once the board is
// closed.
func (c *Card) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return fmt.Errorf("sim: start simulated card: board: %w", os.ErrClosed)
	case c.unplugged:
		return errGone
	case c.running() != nil:
		return fmt.Errorf("sim: start simulated card: %w", syscall.EBUSY)
	}
	ring, err := alsa.NewRing(bufferPeriods * c.period)
	if err != nil {
		return fmt.Errorf("sim: start simulated card: %w", err)
	}
	r := &run{
		start: c.clock.now(),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
		full:  make(chan *captured, bufferPeriods),
		free:  make(chan *captured, bufferPeriods),
		ring:  ring,
	}
	for range bufferPeriods {
		r.free <- &captured{samples: make([]int16, c.period)}
	}
	c.mic.begin()
	c.speaker.begin()
	c.run.Store(r)
	go c.tickTock(r)
	return nil
}

// running returns the run that has not ended, or nil.
func (c *Card) running() *run {
	r := c.run.Load()
	if r == nil {
		return nil
	}
	select {
	case <-r.stop:
		return nil
	default:
		return r
	}
}

// Close stops the card; a waiting Capture returns os.ErrClosed. Closing twice
// does nothing.
func (c *Card) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halt(errStopped)
	return nil
}

// halt ends the run, if there is one, and waits for it; c.mu is held.
func (c *Card) halt(why error) {
	if r := c.running(); r != nil {
		r.err = why
		close(r.stop)
		<-r.done
	}
}

// end stops the card for good.
func (c *Card) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.halt(errStopped)
}

func (c *Card) unplug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unplugged = true
	c.halt(errGone)
}

func (c *Card) replug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unplugged = false
}

// tickTock is the device: it lives from a Start to the end of the run. When
// the process was late it does what the hardware would have done meanwhile.
func (c *Card) tickTock(r *run) {
	defer close(r.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := 1; ; k++ {
		due := c.at(r.start, k)
		timer.Reset(due - c.clock.now())
		select {
		case <-r.stop:
			return
		case <-timer.C:
		}
		if late := int64(c.clock.now() - due); late > c.counters.late.Load() {
			c.counters.late.Store(late) // the only writer
		}
		c.tick(r, k)
	}
}

// tick ends period k-1 and begins period k. Playback comes first: what a
// program makes of the captured period is in time for the next tick.
func (c *Card) tick(r *run, k int) {
	begin := c.at(r.start, k)
	c.takePlayback(r, begin)

	select {
	case p := <-r.free:
		c.mic.record(k-1, p.samples)
		p.end = begin
		r.full <- p
	default: // nobody took the periods before: this one is lost
		c.mic.record(k-1, c.lost)
		c.counters.overruns.Add(1)
		r.overrun.Store(true)
	}
	c.counters.ticks.Add(1)
}

// takePlayback moves a period from the ring into the speaker.
func (c *Card) takePlayback(r *run, begin time.Duration) {
	c.speaker.mu.Lock()
	defer c.speaker.mu.Unlock()
	dst, info := c.speaker.next()
	info.left, info.entered = begin, begin
	if r.ring.Len() < c.period {
		clear(dst)
		if r.played.Load() {
			c.counters.underruns.Add(1)
			r.underrun.Store(true)
		}
	} else {
		r.ring.Read(dst)
		info.entered = r.entered[r.taken%len(r.entered)]
		r.taken++
	}
	c.speaker.level.add(dst)
}

// Capture waits until a whole period was captured, copies it into dst, which
// has Period samples, and returns when it ended: the time of its last sample.
//
// Its errors: EPIPE when periods were lost because Capture was not called in
// time (what had piled up is gone too; calling again goes on with the present),
// ENODEV when the card is unplugged, os.ErrClosed when it is not running, and
// EINVAL for another length of dst.
func (c *Card) Capture(dst []int16) (at time.Duration, err error) {
	if len(dst) != c.period {
		return 0, fmt.Errorf("sim: capture %d samples, a period is %d: %w", len(dst), c.period, syscall.EINVAL)
	}
	r := c.run.Load()
	if r == nil {
		return 0, errStopped
	}
	if r.overrun.Swap(false) {
		r.drain()
		return 0, errXrun
	}
	select {
	case <-r.stop:
		return 0, r.err
	default:
	}
	select {
	case <-r.stop:
		return 0, r.err
	case p := <-r.full:
		at = p.end
		copy(dst, p.samples)
		r.free <- p
	}
	if r.overrun.Swap(false) {
		r.drain()
		return 0, errXrun
	}
	return at, nil
}

// drain gives the captured periods back unread.
func (r *run) drain() {
	for {
		select {
		case p := <-r.full:
			r.free <- p
		default:
			return
		}
	}
}

// Play puts one period, Period samples, into the playback ring, which holds 2.
// It never waits.
//
// Its errors: EPIPE when the schedule was missed, either because the device
// found the ring empty since the last Play (src is queued nevertheless), or
// because the ring is full (src is dropped); Counters tells which, and calling
// again goes on. ENODEV when the card is unplugged, os.ErrClosed when it is not
// running, and EINVAL for another length of src.
func (c *Card) Play(src []int16) error {
	if len(src) != c.period {
		return fmt.Errorf("sim: play %d samples, a period is %d: %w", len(src), c.period, syscall.EINVAL)
	}
	r := c.run.Load()
	if r == nil {
		return errStopped
	}
	select {
	case <-r.stop:
		return r.err
	default:
	}
	if r.ring.Len()+len(src) > bufferPeriods*c.period {
		c.counters.drops.Add(1)
		return errXrun
	}
	r.entered[r.written%len(r.entered)] = c.clock.now()
	r.written++
	r.ring.Write(src)
	r.played.Store(true)
	if r.underrun.Swap(false) {
		return errXrun
	}
	return nil
}
