package gpio

import "time"

// debounce decides what the edges of one button mean. It is pure: it has no
// clock, no goroutine and no I/O; time is what its caller says it is.
//
//	            active for filter                         inactive for filter
//	released ──────────────────────▶ pressed, locked ... ─────────────────────▶ released, locked
//	            (Press)              └ after hold: LongPress, after stuck: Stuck   (Release)
//
// While locked, levels are followed but not acted on; a level that differs at
// the end of the lock-out and has survived the filter counts then.
type debounce struct {
	filter, lockout, long, stuck time.Duration

	stable bool // the level that was accepted
	raw    bool // the level of the last edge

	since  time.Duration // time of the last edge
	first  time.Duration // first edge of the burst that leaves stable: the raw edge that is reported
	quiet  time.Duration // when raw last came back to stable
	locked time.Duration // no change is accepted before this
	bursts bool          // quiet is set

	pressed   bool          // stable was reached by a press, not held since before the start
	heldFrom  time.Duration // when stable became active
	saidLong  bool
	saidStuck bool

	health Health // Stuck is kept here too
}

// start sets the level found when the line was opened, at time 0.
func (d *debounce) start(active bool) { d.stable, d.raw = active, active }

// shift moves the zero of the clock, once, before the first edge.
func (d *debounce) shift(by time.Duration) {
	d.since += by
	d.heldFrom += by
	d.locked += by
}

// next returns the earliest time at which advance has something to do, and
// false if only an edge can change anything.
func (d *debounce) next() (time.Duration, bool) {
	switch {
	case d.raw != d.stable:
		return max(d.since+d.filter, d.locked), true
	case !d.stable:
		return 0, false
	case d.pressed && !d.saidLong:
		return d.heldFrom + d.long, true
	case !d.saidStuck:
		return d.heldFrom + d.stuck, true
	}
	return 0, false
}

// edge takes the next edge, after everything that was due before it.
func (d *debounce) edge(e Edge, emit func(Kind, time.Duration)) {
	// The channel's order is the truth; a stamp that goes back is held.
	at := max(e.At, d.since)
	// An edge at the very end of the filter still is in time to deny it.
	d.advance(at-1, emit)
	same := e.Active == d.raw
	if same && d.raw == d.stable {
		return // two edges were lost, the level is what it was
	}
	if d.raw == d.stable && (!d.bursts || at-d.quiet >= d.filter) {
		d.first = at
	}
	d.raw, d.since = e.Active, at
	if d.raw == d.stable || same {
		if at < d.locked {
			d.health.Bounces++
		} else {
			d.health.Glitches++
		}
		d.quiet, d.bursts = at, true
	}
}

// advance does all that is due up to now, in its order.
func (d *debounce) advance(now time.Duration, emit func(Kind, time.Duration)) {
	for {
		at, ok := d.next()
		if !ok || at > now {
			return
		}
		switch {
		case d.raw != d.stable:
			d.accept(at, emit)
		case d.pressed && !d.saidLong:
			d.saidLong = true
			emit(LongPress, at)
		default:
			d.saidStuck, d.health.Stuck = true, true
			emit(Stuck, at)
		}
	}
}

// accept makes the raw level the stable one.
func (d *debounce) accept(at time.Duration, emit func(Kind, time.Duration)) {
	d.stable, d.bursts = d.raw, false
	if d.stable {
		d.locked = at + d.lockout
		d.pressed, d.saidLong, d.saidStuck = true, false, false
		d.heldFrom = d.first
		d.health.Presses++
		emit(Press, d.first)
		return
	}
	// From its edge: a release that waited for a lock-out does not put off the
	// next press.
	d.locked = d.since + d.filter + d.lockout
	d.health.Stuck = false
	d.health.LongestHold = max(d.health.LongestHold, d.first-d.heldFrom)
	if d.pressed {
		d.pressed = false
		emit(Release, d.first)
	}
}
