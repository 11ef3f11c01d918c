package audio

import "sync"

const (
	// MaxPlayoutDelay in samples (200 ms) bounds what waits in the jitter
	// buffer: what comes earlier than that makes it skip ahead.
	MaxPlayoutDelay = 9600
	// jitterSlots bounds the packets held: 20 of 10 ms fill MaxPlayoutDelay,
	// the rest is room for those not yet thrown out.
	jitterSlots = 32
	// maxConcealed in samples (120 ms) without a packet: libopus has faded
	// out by then, so plain silence follows.
	maxConcealed = 5760
	// maxSeqAhead and maxSeqBehind, in packets, are MAX_DROPOUT and
	// MAX_MISORDER of RFC 3550 appendix A.1: beyond them a second packet in
	// sequence says that the sender restarted.
	maxSeqAhead, maxSeqBehind = 3000, 100
	// maxClockStep in samples (1 s): a timestamp further back than this on a
	// newer packet is a restarted sender clock.
	maxClockStep = 48000
	// lateTicks: when for so long (50 ms) every packet came too late, the
	// path has changed and playout starts afresh.
	lateTicks = 5
)

// FrameKind says what a pulled frame is made of.
type FrameKind uint8

const (
	FrameNone      FrameKind = iota // no stream yet: zeros
	FrameVoice                      // decoded
	FrameFEC                        // lost, restored from the copy in the next packet
	FrameConcealed                  // missing: a plausible continuation
	FrameComfort                    // the sender is silent (DTX): the decoder's noise
	FrameSilence                    // missing for more than 120 ms: zeros
	frameKinds
)

func (k FrameKind) String() string {
	return [...]string{"none", "voice", "FEC", "concealed", "comfort", "silence", "invalid"}[min(k, frameKinds)]
}

// Step is one thing to do to get on with playout, see JitterBuffer.Next.
type Step struct {
	Kind    FrameKind
	Payload []byte // FrameVoice: what to decode; FrameFEC: the packet after the lost frame
	Samples int    // sound that this step makes
	Skip    int    // samples at its beginning that are not to be played
}

// JitterStats counts since New or Reset.
type JitterStats struct {
	Received  uint64 `json:"received"`  // packets pushed
	Malformed uint64 `json:"malformed"` // refused by ParsePacket
	Lost      uint64 `json:"lost"`      // packets that never came
	Late      uint64 `json:"late"`      // came after their time, dropped
	Duplicate uint64 `json:"duplicate"` // came before
	Overflow  uint64 `json:"overflow"`  // dropped to keep the delay within its bound
	Resync    uint64 `json:"resync"`    // playout started afresh: sender restarted, path changed, burst
	Raised    uint64 `json:"raised"`    // the delay was raised
	Lowered   uint64 `json:"lowered"`   // the delay was lowered by one tick

	Ticks [frameKinds]uint64 `json:"ticks"` // pulled, by FrameKind, 10 ms each
}

// ConcealedShare is the part of all sound since the first packet, 0 to 1, that
// was neither voice nor the sender's own silence. Frames restored by FEC are
// not counted.
func (s JitterStats) ConcealedShare() float64 {
	bad := s.Ticks[FrameConcealed] + s.Ticks[FrameSilence]
	all := bad + s.Ticks[FrameVoice] + s.Ticks[FrameFEC] + s.Ticks[FrameComfort]
	if all == 0 {
		return 0
	}
	return float64(bad) / float64(all)
}

// JitterBuffer orders the packets of one stream, and decides for each 10 ms
// what is played: a packet, the FEC copy in the one after it, or concealment.
// Its storage is fixed, and what waits in it never exceeds MaxPlayoutDelay.
// Push may be called from any goroutine; Tick and Next from one.
//
// It knows no clock but its ticks. Positions are timestamps without wrap:
//
//	  played          decoded ahead     held packets             newest
//	─────────────────┬─────────────────┬────────────────────────▶
//	                play            decoded
//	                 └── slack of a packet = its timestamp - play, when it comes
//
// A packet from before `decoded` is late. The playout delay adapts by moving
// both positions; jitter_delay.go says when.
type JitterBuffer struct {
	mu    sync.Mutex
	slots [jitterSlots]packet
	held  int

	primed  bool // a packet has come: the references below are set
	started bool // playout has begun: play and decoded are set
	play    int64
	decoded int64

	newestTS  int64
	newestSeq int64
	seen      uint64 // bit i: newestSeq-i has come
	badSeq    int64  // RFC 3550 A.1: the sequence number that would prove a restart

	lastSeq   int64 // sequence number decoded last
	dtx       bool  // and it was the sender's last word before going silent
	concealed int64 // samples concealed without a break
	kind      FrameKind
	lateRun   bool // all packets since the tick lateSince were late
	lateSince uint64
	ticks     uint64

	delay delayControl
	stats JitterStats
}

// header is what is known of a packet besides its bytes.
type header struct {
	seq  int64 // without wrap
	ts   int64 // without wrap, samples
	info PacketInfo
}

func (p *header) end() int64 { return p.ts + int64(p.info.Samples) }

type packet struct {
	header
	used bool
	n    int
	data [MaxPayload]byte
}

// NewJitterBuffer makes an empty buffer.
func NewJitterBuffer() *JitterBuffer {
	j := &JitterBuffer{}
	j.Reset()
	return j
}

// Reset forgets the stream and the counters, for a new call.
func (j *JitterBuffer) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flush()
	j.primed, j.dtx, j.concealed, j.kind, j.ticks = false, false, 0, FrameNone, 0
	j.delay = newDelayControl()
	j.stats = JitterStats{}
}

// flush drops all packets and stops playout until the next one.
func (j *JitterBuffer) flush() {
	for i := range j.slots {
		j.slots[i].used = false
	}
	j.held, j.started, j.lateRun = 0, false, false
}

// Push takes one packet: its RTP sequence number, RTP timestamp (48 kHz) and
// payload, which is copied. The only error wraps ErrPacket; packets that are
// late or double are counted, not reported.
func (j *JitterBuffer) Push(seq uint16, ts uint32, payload []byte) error {
	info, err := ParsePacket(payload)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Received++
	if err != nil {
		j.stats.Malformed++
		return err
	}
	xseq, xts, ok := j.place(seq, ts)
	if !ok {
		return nil
	}
	h := header{seq: xseq, ts: xts, info: info}
	if j.started && !j.inTime(&h) {
		return nil
	}
	j.insert(&h, payload)
	return nil
}

// place unwraps seq and ts, and keeps count of what came. ok is false for a
// packet that is to be dropped.
func (j *JitterBuffer) place(seq uint16, ts uint32) (xseq, xts int64, ok bool) {
	if !j.primed {
		return j.restart(seq, ts)
	}
	ahead := int64(int16(seq - uint16(j.newestSeq)))
	xseq = j.newestSeq + ahead
	step := int64(int32(ts - uint32(j.newestTS)))
	xts = j.newestTS + step
	switch {
	case ahead > maxSeqAhead || ahead < -maxSeqBehind:
		if int64(seq) != j.badSeq {
			j.badSeq = int64(seq + 1)
			j.stats.Late++
			return 0, 0, false
		}
		j.stats.Resync++
		return j.restart(seq, ts)
	case ahead > 0 && step < -maxClockStep:
		j.stats.Resync++
		return j.restart(seq, ts)
	case ahead > 0:
		j.stats.Lost += uint64(ahead - 1)
		j.seen = j.seen<<min(ahead, 64) | 1
		j.newestSeq = xseq
		j.newestTS = max(j.newestTS, xts)
	case ahead > -64:
		bit := uint64(1) << -ahead
		if j.seen&bit != 0 {
			j.stats.Duplicate++
			return 0, 0, false
		}
		j.seen |= bit
		j.stats.Lost -= min(1, j.stats.Lost)
	default:
		j.stats.Late++
		return 0, 0, false
	}
	j.badSeq = -1
	return xseq, xts, true
}

// restart takes seq and ts as the beginning of a stream.
func (j *JitterBuffer) restart(seq uint16, ts uint32) (xseq, xts int64, ok bool) {
	j.flush()
	j.primed, j.badSeq = true, -1
	j.newestSeq, j.newestTS = int64(seq)+1<<16, int64(ts)+1<<32
	j.seen = 1
	j.lastSeq = j.newestSeq - 1
	return j.newestSeq, j.newestTS, true
}

// inTime tells whether p can still be played, and lets the delay learn from
// its arrival.
func (j *JitterBuffer) inTime(p *header) bool {
	if slack := p.ts - j.play; slack+int64(p.info.Samples) > MaxPlayoutDelay {
		// A burst, a pull that stalled, or a jump of the sender's clock:
		// begin again near the newest, rather than lag behind.
		j.startAfresh()
		return true
	}
	if late := j.decoded - p.ts; late > 0 {
		if j.starved() && p.seq == j.newestSeq {
			j.startAfresh()
			return true
		}
		// Only what was concealed is worth playing over again.
		rescued := j.concealed > 0 && j.delay.raiseForLate(j, late)
		if !rescued && p.end() <= j.decoded {
			return j.tooLate()
		}
	} else if j.justMissed(p) {
		j.delay.raiseForFEC(j, p)
	}
	j.lateRun = false
	j.delay.arrived(p.ts - j.play)
	return true
}

// tooLate drops a late packet, unless nothing else has come for a while.
func (j *JitterBuffer) tooLate() (keep bool) {
	if !j.lateRun {
		j.lateRun, j.lateSince = true, j.ticks
	}
	if j.ticks-j.lateSince < lateTicks {
		j.stats.Late++
		return false
	}
	j.startAfresh()
	return true
}

// startAfresh makes the next Tick choose a new playout position.
func (j *JitterBuffer) startAfresh() {
	j.started, j.lateRun = false, false
	j.stats.Resync++
}

func (j *JitterBuffer) starved() bool { return j.concealed >= maxConcealed }

// justMissed tells that the frame before p was lost and has just been
// concealed: one packet earlier, p's FEC copy would have restored it.
func (j *JitterBuffer) justMissed(p *header) bool {
	return p.info.FEC && p.ts == j.decoded && j.concealed > 0 && p.seq-j.lastSeq > 1
}

func (j *JitterBuffer) insert(h *header, payload []byte) {
	var free, oldest *packet
	for i := range j.slots {
		switch s := &j.slots[i]; {
		case !s.used:
			free = s
		case s.ts == h.ts: // a new number on an old timestamp
			j.stats.Duplicate++
			return
		case oldest == nil || s.ts < oldest.ts:
			oldest = s
		}
	}
	if free == nil {
		j.stats.Overflow++
		free = oldest
		j.held--
	}
	free.header, free.used = *h, true
	free.n = copy(free.data[:], payload)
	j.held++
}

// Tick begins a step of 10 ms. Next is then called until it returns false.
// fresh means that playout begins anew: what was decoded but not yet played
// belongs to another time and is to be dropped.
func (j *JitterBuffer) Tick() (fresh bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ticks++
	if !j.started && j.held > 0 {
		j.start()
		fresh = true
	}
	if j.started {
		j.play += TickSamples
		j.delay.tick()
	}
	return fresh
}

// Lower takes one tick out of the playout delay, if there has long been more
// of it than needed. It is called after Next returned false; true means: call
// Next until it returns false once more, and make one frame out of the two.
// quiet says that the current frame is one where nobody hears it.
func (j *JitterBuffer) Lower(quiet bool) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.started || !j.delay.lowerNow(quiet) {
		return false
	}
	j.play += TickSamples
	j.stats.Lowered++
	return true
}

// start chooses the playout position: the newest packet is played after the
// delay that the stream had, or at once where there was none.
func (j *JitterBuffer) start() {
	newest := int64(-1)
	for i := range j.slots {
		if j.slots[i].used {
			newest = max(newest, j.slots[i].ts)
		}
	}
	j.play = newest - j.delay.atStart()
	j.decoded = j.play
	for i := range j.slots { // never play backwards
		if s := &j.slots[i]; s.used && s.seq < j.lastSeq {
			j.drop(s, &j.stats.Late)
		}
	}
	j.dropBefore(j.play, &j.stats.Overflow)
	j.started = true
	j.delay.restarted()
}

// Next says what to do for the current tick, and is called until it returns
// false: then the decoder is far enough, and Step.Kind is the kind of the
// whole frame. A payload is copied into buf (MaxPayload bytes).
func (j *JitterBuffer) Next(buf []byte) (s Step, more bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.started {
		j.noStream()
		return Step{Kind: j.kind}, false
	}
	if j.decoded >= j.play {
		j.stats.Ticks[j.kind]++
		return Step{Kind: j.kind}, false
	}
	j.dropBefore(j.decoded, &j.stats.Late)
	p := j.earliest()
	switch {
	case p == nil:
		s = j.fill(j.play - j.decoded)
	case p.ts <= j.decoded:
		s = j.take(p, buf)
	case p.info.FEC && p.seq-j.lastSeq > 1 && p.ts-j.decoded == int64(p.info.FrameSamples):
		s = Step{Kind: FrameFEC, Payload: buf[:copy(buf, p.data[:p.n])], Samples: p.info.FrameSamples}
		j.concealed = 0
		j.delay.lost(int64(p.info.FrameSamples))
	default:
		s = j.fill(min(p.ts, j.play) - j.decoded)
	}
	j.decoded += int64(s.Samples - s.Skip)
	j.kind = s.Kind
	return s, true
}

// noStream counts a tick without playout: before the first packet, or for the
// one tick of a fresh start.
func (j *JitterBuffer) noStream() {
	if j.kind != FrameNone {
		j.kind = FrameSilence
	}
	j.stats.Ticks[j.kind]++
}

// take hands out p, which begins at or before the position of the decoder.
func (j *JitterBuffer) take(p *packet, buf []byte) Step {
	s := Step{
		Kind:    FrameVoice,
		Payload: buf[:copy(buf, p.data[:p.n])],
		Samples: p.info.Samples,
		Skip:    int(j.decoded - p.ts),
	}
	if p.info.DTX {
		s.Kind = FrameComfort
	}
	j.dtx, j.lastSeq, j.concealed = p.info.DTX, p.seq, 0
	p.used = false
	j.held--
	return s
}

// fill makes up for want samples that are not there.
func (j *JitterBuffer) fill(want int64) Step {
	n := int(min(want, TickSamples)+concealUnit-1) / concealUnit * concealUnit
	switch {
	case j.dtx:
		return Step{Kind: FrameComfort, Samples: n}
	case j.starved():
		return Step{Kind: FrameSilence, Samples: n}
	}
	j.concealed += int64(n)
	return Step{Kind: FrameConcealed, Samples: n}
}

// dropBefore drops the packets that end by pos, and counts them.
func (j *JitterBuffer) dropBefore(pos int64, count *uint64) {
	for i := range j.slots {
		if s := &j.slots[i]; s.used && s.end() <= pos {
			j.drop(s, count)
		}
	}
}

func (j *JitterBuffer) drop(p *packet, count *uint64) {
	p.used = false
	j.held--
	*count++
}

func (j *JitterBuffer) earliest() (first *packet) {
	for i := range j.slots {
		if s := &j.slots[i]; s.used && (first == nil || s.ts < first.ts) {
			first = s
		}
	}
	return first
}

// Stats returns a copy of the counters. Any goroutine.
func (j *JitterBuffer) Stats() JitterStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

// PlayoutDelay is how long packets have lately waited from their arrival until
// their first sample was pulled, in milliseconds: the smoothed slack, and half
// a tick for the wait until the tick itself. Any goroutine.
func (j *JitterBuffer) PlayoutDelay() float64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.delay.mean()
}
