package station

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"intercom/audio"
	"intercom/call"
	"intercom/gpio"
)

// Card is a sound card, mono and 16 bit, whose capture and playback start
// together. It is pulled: Capture waits for the next period, and Play never
// waits. One goroutine calls Capture and Play; Close may come from any, ends a
// waiting Capture, and Start may follow it.
//
// Errors carry an errno: EPIPE after an xrun (calling again goes on), ENODEV
// when the card is gone (Close and Start, once it is back).
type Card interface {
	Rate() int   // samples per second
	Period() int // samples, 5 to 20 ms of them
	Start() error
	Capture(dst []int16) (at time.Duration, err error) // at: when the period ended
	Play(src []int16) error
	Close() error
}

const (
	cardRetry = time.Second // between two tries to start a card
	minPeriod = 5 * time.Millisecond
	maxPeriod = 20 * time.Millisecond
)

// heard is what the sound goroutine tells the station.
type heard struct {
	at     time.Duration // on gpio.Monotonic
	ring   uint64        // the source of this id in audio.LayerTone has begun
	voice  *call.Call    // the peer's first sound in this call
	card   bool          // the card was started or lost
	reason error         // with card: why it was lost
}

// sound is the goroutine between the card and everything that sounds. It runs
// always, so that a ring and a voice find it ready, and allocates nothing per
// period.
type sound struct {
	card   Card
	engine *audio.Engine
	log    *slog.Logger
	tell   func(heard) // never waits
	retry  time.Duration
	settle int // periods after a start in which the amplifier is not awake yet

	call  atomic.Pointer[call.Call] // whose voice is sent and played
	fault atomic.Pointer[cardFault] // nil: the card runs
	count soundCounters
	turns atomic.Uint64 // moves while the goroutine lives: periods, and tries to start the card
	quit  chan struct{}
	done  chan struct{}
}

type cardFault struct{ err error }

type soundCounters struct {
	periods, absent, captureXruns, playXruns, starts, faults, codecErrors atomic.Uint64
}

// openSound starts the card, once before it returns, and again for as long as
// it has to. settle is how long after a start nothing is heard yet.
func openSound(card Card, settle time.Duration, cfg audio.EngineConfig, log *slog.Logger, tell func(heard)) (*sound, error) {
	period := periodOf(card)
	if card.Rate() != audio.SampleRate || period < minPeriod || period > maxPeriod {
		return nil, fmt.Errorf("station: sound card: %d Hz with periods of %v: this program needs %d Hz and %v to %v; correct [sound] in the board's profile",
			card.Rate(), period, audio.SampleRate, minPeriod, maxPeriod)
	}
	s := &sound{card: card, log: log, tell: tell, retry: cardRetry, quit: make(chan struct{}), done: make(chan struct{})}
	s.settle = int((settle + period - 1) / period)
	cfg.Send = func(payload []byte, samples int) {
		if c := s.call.Load(); c != nil {
			c.WriteFrame(payload, uint32(samples))
		}
	}
	var err error
	if s.engine, err = audio.NewEngine(cfg); err != nil {
		return nil, fmt.Errorf("station: sound: %w", err)
	}
	started := s.start()
	go s.run(started)
	return s, nil
}

// Microphone is call.Config.Microphone.
func (s *sound) Microphone() error {
	if f := s.fault.Load(); f != nil {
		return f.err
	}
	return nil
}

// Close stops the card and waits for the goroutine.
func (s *sound) Close() error {
	close(s.quit)
	err := s.card.Close()
	<-s.done
	return err
}

func (s *sound) stopping() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

func (s *sound) start() bool {
	if err := s.card.Start(); err != nil {
		s.lost(err)
		return false
	}
	s.count.starts.Add(1)
	if s.fault.Swap(nil) != nil {
		s.log.Warn("sound card works again")
	}
	return true
}

// lost notes why there is no card, and says so once.
func (s *sound) lost(err error) {
	err = fmt.Errorf("station: sound card: %w; check that it is plugged in, it is tried again each second", err)
	if s.fault.Swap(&cardFault{err}) == nil {
		s.count.faults.Add(1)
		s.log.Error("no sound: a call can not be made without a microphone", "err", err)
	}
}

func (s *sound) run(started bool) {
	defer close(s.done)
	p := newPeriods(s.card)
	for {
		if started {
			err := s.pull(p)
			_ = s.card.Close() // it is gone, or we are
			if s.stopping() {
				return
			}
			s.lost(err)
			s.tell(heard{card: true, reason: err})
		}
		if !s.absent(p) {
			return
		}
		started = s.start()
		s.catchUp(p, time.Now()) // a start takes its time
	}
}

// pull moves periods until the card is lost or closed. The card counts as
// there once it can be heard.
func (s *sound) pull(p *periods) error {
	p.surplus, p.settling = false, s.settle
	if p.settling == 0 {
		s.tell(heard{card: true})
	}
	for !s.stopping() {
		if err := s.step(p); err != nil {
			return err
		}
	}
	return nil
}

// absent goes on without a card until it is time to try it again; false when
// the sound is closed meanwhile. A clock takes the card's place.
func (s *sound) absent(p *periods) bool {
	clock := time.NewTicker(periodOf(s.card))
	defer clock.Stop()
	again := time.After(s.retry)
	for {
		select {
		case <-s.quit:
			return false
		case <-again:
			return true
		case <-clock.C:
		}
		s.catchUp(p, time.Now().Add(-periodOf(s.card)))
		s.turns.Add(1)
		clear(p.in)
		captured, played := s.exchange(p)
		p.unheard(&played)
		p.due = time.Now().Add(periodOf(s.card))
		s.count.absent.Add(1)
		s.report(captured, played)
	}
}

// mostMissed bounds what is made up for at once: a machine that slept has
// missed more than anybody wants.
const mostMissed = 2 * time.Second

// catchUp drops what was to be heard in the periods that were due until now and
// have passed without one: else the peer's voice would be later by as much from
// then on. Nothing is sent for them: to come late, and all at once, would only
// make the peer's buffer longer.
func (s *sound) catchUp(p *periods, until time.Time) {
	if p.due.IsZero() || until.Sub(p.due) > mostMissed {
		p.due = until
	}
	for ; !p.due.After(until); p.due = p.due.Add(periodOf(s.card)) {
		played, err := s.engine.Playback(p.out)
		if err != nil {
			s.count.codecErrors.Add(1)
		}
		if id := played.Started[audio.LayerTone]; id != 0 {
			p.lateRing = id
		}
		p.unheard(&played)
		s.count.absent.Add(1)
	}
}

// periods are what one turn of the goroutine has in hand.
type periods struct {
	in, out   []int16
	due       time.Time // when the next one is
	surplus   bool      // the ring holds a period too many
	settling  int       // periods until the amplifier is awake
	lateVoice bool      // the peer's voice began while nobody could hear it
	lateRing  uint64    // so did this source in audio.LayerTone; 0: none
}

func newPeriods(c Card) *periods {
	return &periods{in: make([]int16, c.Period()), out: make([]int16, c.Period())}
}

func periodOf(c Card) time.Duration {
	return time.Duration(c.Period()) * time.Second / time.Duration(max(c.Rate(), 1))
}

// step moves one period each way.
func (s *sound) step(p *periods) error {
	s.turns.Add(1)
	_, err := s.card.Capture(p.in)
	if errors.Is(err, syscall.EPIPE) {
		s.count.captureXruns.Add(1)
		s.catchUp(p, time.Now().Add(-periodOf(s.card))) // the next one is there, or nearly
		return nil
	}
	if err != nil {
		return err
	}
	p.due = time.Now().Add(periodOf(s.card))
	captured, played := s.exchange(p)
	woke := p.wake(&played)
	// An xrun of playback means that one period came late: what it left in
	// the ring would delay all that follows, so the next one is not played.
	if p.surplus {
		p.surplus = false
	} else if err := s.card.Play(p.out); errors.Is(err, syscall.EPIPE) {
		s.count.playXruns.Add(1)
		p.surplus = true
	} else if err != nil {
		return err
	}
	s.count.periods.Add(1)
	s.report(captured, played)
	if woke {
		s.tell(heard{card: true})
	}
	return nil
}

// exchange gives the engine p.in and takes p.out from it.
func (s *sound) exchange(p *periods) (captured audio.Captured, played audio.Played) {
	captured, err := s.engine.Capture(p.in)
	if err != nil {
		s.count.codecErrors.Add(1)
	}
	if played, err = s.engine.Playback(p.out); err != nil {
		s.count.codecErrors.Add(1)
	}
	return captured, played
}

// unheard takes out what began in a period that nobody hears.
func (p *periods) unheard(played *audio.Played) {
	p.lateVoice = p.lateVoice || played.FirstVoice
	played.FirstVoice, played.Started = false, [len(played.Started)]uint64{}
}

// wake plays silence until the amplifier is awake, and reports when it is.
// Then a voice that had begun before begins, and so does a ring that began in an
// xrun: the caller waits to hear that it rings.
func (p *periods) wake(played *audio.Played) (woke bool) {
	if p.settling > 0 {
		clear(p.out)
		p.unheard(played)
		p.settling--
		return p.settling == 0
	}
	if p.lateVoice && played.Voice == audio.FrameVoice {
		p.lateVoice, played.FirstVoice = false, true
	}
	if p.lateRing != 0 && played.Started[audio.LayerTone] == 0 {
		played.Started[audio.LayerTone] = p.lateRing
	}
	p.lateRing = 0
	return false
}

// report tells what the period just played began, and how loud both sides were.
func (s *sound) report(captured audio.Captured, played audio.Played) {
	c := s.call.Load()
	if id := played.Started[audio.LayerTone]; id != 0 {
		s.tell(heard{at: gpio.Monotonic(), ring: id})
	}
	if c == nil {
		return
	}
	if played.FirstVoice {
		s.tell(heard{at: gpio.Monotonic(), voice: c})
	}
	if captured.Sent > 0 {
		c.ReportLevel(captured.Level)
	}
	if played.Voice != audio.FrameNone {
		c.ReportPeerLevel(played.VoiceLevel)
	}
}

// voice is the receiving end of one call: call.Voice on an audio.Receiver.
type voice struct{ *audio.Receiver }

// ReceiveFrame counts what is no packet, and drops it.
func (v voice) ReceiveFrame(seq uint16, timestamp uint32, payload []byte) {
	_ = v.Receiver.ReceiveFrame(seq, timestamp, payload) // counted in its Stats
}

// PlayoutStats implements call.Voice.
func (v voice) PlayoutStats() call.PlayoutStats {
	s := v.Stats()
	concealed := s.Ticks[audio.FrameConcealed] + s.Ticks[audio.FrameSilence]
	return call.PlayoutStats{
		Delay:     time.Duration(s.PlayoutDelayMS * float64(time.Millisecond)),
		Frames:    concealed + s.Ticks[audio.FrameVoice] + s.Ticks[audio.FrameFEC] + s.Ticks[audio.FrameComfort],
		Concealed: concealed,
	}
}
