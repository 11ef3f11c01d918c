package audio

import "math"

// The playout delay starts at nothing but the wait for the next tick, and
// follows what it meets:
//
//	meets                                             does
//	a packet up to one tick late                      raise by just that, and play it
//	a packet later than that                          drop it, raise by one tick (every 100 ms at most)
//	repeated losses, and no time to wait for FEC      raise by one frame
//	for 5 s (up to 60 s) more slack than needed       lower by one tick, in a quiet frame
//	for 1 s two ticks more than needed                the same, sooner
//
// A lowering that is soon followed by a late packet doubles the wait before
// the next. All times are ticks of 10 ms.
const (
	raiseEvery    = 10
	lowerAfterMin = 500
	lowerAfterMax = 6000
	lowerSoon     = 100
	quietWait     = 100  // then lower in a loud frame too
	quietWaitSoon = 10   // with two ticks too much
	lossWindow    = 500  // two losses within it ask for FEC's delay,
	lossHold      = 1000 // which is kept for so long
	never         = math.MaxInt32
)

// delayControl is the state of the adaptation; the zero value is not usable.
type delayControl struct {
	meanSlack float64 // samples, smoothed over about 64 packets
	known     bool    // meanSlack is set

	minSlack int64 // of the packets of this window, samples
	window   int   // its length so far

	lowerAfter int
	lowering   bool
	lowerWait  int // ticks left to wait for a quiet frame

	fecFrame int64 // the frame length that FEC needs, samples; 0: no losses

	sinceRaise, sinceLower, sinceLoss int
}

func newDelayControl() delayControl {
	return delayControl{
		minSlack: math.MaxInt64, lowerAfter: lowerAfterMin,
		sinceRaise: never, sinceLower: never, sinceLoss: never,
	}
}

// arrived learns the slack of a packet, in samples.
func (d *delayControl) arrived(slack int64) {
	if !d.known {
		d.meanSlack, d.known = float64(slack), true
	}
	d.meanSlack += (float64(slack) - d.meanSlack) / 64
	d.minSlack = min(d.minSlack, slack)
}

// tick ages everything by 10 ms, and decides whether to lower.
func (d *delayControl) tick() {
	for _, since := range []*int{&d.sinceRaise, &d.sinceLower, &d.sinceLoss} {
		if *since < never {
			*since++
		}
	}
	if d.sinceLoss > lossHold {
		d.fecFrame = 0
	}
	if d.lowering {
		d.lowerWait--
		return
	}
	d.window++
	if d.minSlack != math.MaxInt64 {
		switch spare := d.minSlack - d.fecFrame; {
		case spare >= 2*TickSamples && d.window >= lowerSoon:
			d.lowering, d.lowerWait = true, quietWaitSoon
		case spare >= TickSamples && d.window >= d.lowerAfter:
			d.lowering, d.lowerWait = true, quietWait
		}
	}
	if d.window >= d.lowerAfter {
		d.newWindow()
	}
}

func (d *delayControl) newWindow() { d.window, d.minSlack = 0, math.MaxInt64 }

// lowerNow tells that this tick is the one to lower in.
func (d *delayControl) lowerNow(quiet bool) bool {
	if !d.lowering || !quiet && d.lowerWait > 0 {
		return false
	}
	if d.sinceRaise > d.lowerAfter {
		d.lowerAfter = max(d.lowerAfter/2, lowerAfterMin)
	}
	d.lowering, d.sinceLower = false, 0
	d.meanSlack -= TickSamples
	d.newWindow()
	return true
}

// raiseForLate answers a packet that came late by so many samples. It tells
// whether the packet is in time now.
func (d *delayControl) raiseForLate(j *JitterBuffer, late int64) bool {
	by := late
	if late > TickSamples {
		if d.sinceRaise < raiseEvery {
			return false
		}
		by = TickSamples
	}
	return d.raise(j, by) && by == late
}

// raiseForFEC answers a packet that came just after the frame before it was
// lost and concealed. It plays that frame over again, this time from the
// packet's copy, and so wins the delay that the next loss needs.
func (d *delayControl) raiseForFEC(j *JitterBuffer, p *header) {
	frame := int64(p.info.FrameSamples)
	if d.lost(frame) && d.minSlack < frame {
		d.raise(j, frame)
	}
}

// lost learns of a loss of one frame. It tells whether losses are frequent.
func (d *delayControl) lost(frame int64) bool {
	if d.sinceLoss < lossWindow {
		d.fecFrame = frame
	}
	d.sinceLoss = 0
	return d.fecFrame > 0
}

func (d *delayControl) raise(j *JitterBuffer, by int64) bool {
	if j.newestTS-j.play+by > MaxPlayoutDelay-maxPacketSamples {
		return false
	}
	j.play -= by
	j.decoded -= by
	j.stats.Raised++
	if d.sinceLower < d.lowerAfter {
		d.lowerAfter = min(2*d.lowerAfter, lowerAfterMax)
	}
	d.meanSlack += float64(by)
	d.sinceRaise, d.lowering = 0, false
	d.newWindow()
	return true
}

// atStart is the slack to begin with, in samples: that of before, in whole
// ticks.
func (d *delayControl) atStart() int64 {
	ticks := int64(d.meanSlack) / TickSamples
	return max(0, min(ticks*TickSamples, MaxPlayoutDelay/2))
}

// restarted forgets what was measured against the old position.
func (d *delayControl) restarted() {
	d.lowering = false
	d.newWindow()
}

// mean is the playout delay in ms.
func (d *delayControl) mean() float64 {
	if !d.known {
		return 0
	}
	return msOf(max(0, d.meanSlack) + TickSamples/2)
}
