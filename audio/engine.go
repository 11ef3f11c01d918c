package audio

import (
	"fmt"
	"sync/atomic"
)

// Layer is one of the voices, besides the peer's, that Playback mixes.
type Layer uint8

const (
	LayerTone   Layer = iota // ring, ringback, busy: what the station's state sounds like
	LayerNotice              // open, call waiting, recorded messages: over all else
	layers
)

// EngineConfig says how an Engine sends.
type EngineConfig struct {
	// FrameSamples is the codec frame: 480 (10 ms, the default) or 960.
	FrameSamples int
	// Bitrate in bit/s; 0 means DefaultBitrate.
	Bitrate int
	// Send takes each encoded payload and the sound in it, in samples: what
	// the RTP timestamp grows by. It runs inside Capture, must not block, and
	// must not keep payload. nil: nothing is ever sent.
	Send func(payload []byte, samples int)
}

// Captured reports on one period of the microphone.
type Captured struct {
	Level int // 0 to 100, of what the peer hears: 0 while muted
	Sent  int // payloads handed to Send
}

// Played reports on one period of the loudspeaker.
type Played struct {
	Voice      FrameKind // of the frames begun in this period: the highest kind, so trouble shows
	VoiceLevel int       // 0 to 100, of the peer's voice before the volume
	FirstVoice bool      // the peer's first sound since SetVoice is in this period
	// Started holds for each Layer the id that Play returned, if the first
	// sample of that source is in this period: at sample 0. Else 0.
	Started [layers]uint64
	// Ended holds the id of a source that came to its own end, else 0.
	Ended [layers]uint64
}

// Engine is the sound of one station. Its owner calls Capture and Playback
// once for each period of the devices, which may be of any length. The other
// methods may be called from any goroutine at any time; they take effect with
// the next period.
type Engine struct {
	send  func(payload []byte, samples int)
	muted atomic.Bool
	open  atomic.Bool
	ids   atomic.Uint64

	voice  atomic.Pointer[Receiver]
	volume atomic.Int32
	orders [layers]atomic.Pointer[order]

	mic    micPath
	ear    earPath
	sounds [layers]sound
}

// micPath is owned by the goroutine that calls Capture.
type micPath struct {
	enc     *Encoder
	sending bool
	gain    Gain
	fifo    []int16 // less than one codec frame waits here
	fill    int
	payload [MaxPayload]byte
}

// earPath is owned by the goroutine that calls Playback.
type earPath struct {
	from   *Receiver
	heard  bool
	gain   Gain
	fifo   [TickSamples]int16
	rest   []int16 // of fifo, not yet played
	buffer [TickSamples]int16
}

// order is what the control side wants in a layer: source nil means silence.
type order struct {
	id     uint64
	source Source
	volume int
}

// sound is what a layer plays, and what it is fading out.
type sound struct {
	now, old       order
	gain, fadeGain Gain
	started        uint64
	ended          uint64
}

// NewEngine makes an engine that is silent in both directions: not
// transmitting, no voice, volume 100.
func NewEngine(c EngineConfig) (*Engine, error) {
	if c.FrameSamples == 0 {
		c.FrameSamples = TickSamples
	}
	if c.FrameSamples != 480 && c.FrameSamples != 960 {
		return nil, fmt.Errorf("audio: codec frame of %d samples: want 480 or 960", c.FrameSamples)
	}
	enc, err := NewEncoder(c.Bitrate)
	if err != nil {
		return nil, err
	}
	if c.Send == nil {
		c.Send = func([]byte, int) {}
	}
	e := &Engine{send: c.Send}
	e.mic = micPath{enc: enc, fifo: make([]int16, c.FrameSamples)}
	e.volume.Store(100)
	return e, nil
}

// SetMute silences the microphone, in a ramp; silence is still sent.
func (e *Engine) SetMute(muted bool) { e.muted.Store(muted) }

// SetTransmit opens or shuts the gate of the microphone: shut, nothing leaves.
func (e *Engine) SetTransmit(on bool) { e.open.Store(on) }

// SetVoice plays the stream of r, and no other; nil plays none.
func (e *Engine) SetVoice(r *Receiver) { e.voice.Store(r) }

// SetVolume of the peer's voice, 0 to 100, see VolumeGain.
func (e *Engine) SetVolume(volume int) { e.volume.Store(int32(min(max(volume, 0), 100))) }

// Play starts s in a layer at volume 0 to 100, in place of what was there: its
// first sample is the first of the next Playback. The engine owns s from now
// on. The id identifies it in Played and is never 0.
func (e *Engine) Play(layer Layer, s Source, volume int) (id uint64) {
	id = e.ids.Add(1)
	e.orders[layer].Store(&order{id, s, volume})
	return id
}

// Stop silences a layer, in a ramp.
func (e *Engine) Stop(layer Layer) { e.orders[layer].Store(&order{}) }

// Capture takes one period from the microphone, of any length, which it does
// not change, and sends what fills a codec frame. An error means that a frame
// could not be encoded; the next call goes on.
func (e *Engine) Capture(period []int16) (c Captured, err error) {
	m := &e.mic
	open := e.open.Load()
	if open != m.sending {
		m.sending, m.fill = open, 0
		m.gain.Jump(0) // opens in a ramp
		if open {
			err = m.enc.Reset()
		}
	}
	m.gain.Set(1)
	if e.muted.Load() {
		m.gain.Set(0)
	}
	if !open {
		return c, err
	}
	for len(period) > 0 {
		n := copy(m.fifo[m.fill:], period)
		block := m.fifo[m.fill : m.fill+n]
		period = period[n:]
		m.gain.Apply(block)
		c.Level = max(c.Level, Level(block))
		if m.fill += n; m.fill < len(m.fifo) {
			break
		}
		m.fill = 0
		size, encErr := m.enc.Encode(m.fifo, m.payload[:])
		if encErr != nil {
			err = encErr
			continue
		}
		e.send(m.payload[:size], len(m.fifo))
		c.Sent++
	}
	return c, err
}

// Playback fills one period for the loudspeaker, of any length. An error comes
// from the decoder's side only; dst is filled nevertheless.
func (e *Engine) Playback(dst []int16) (p Played, err error) {
	clear(dst)
	err = e.playVoice(dst, &p)
	for l := range e.sounds {
		e.sounds[l].take(e.orders[l].Swap(nil))
		for rest := dst; len(rest) > 0; {
			n := min(len(rest), TickSamples)
			e.sounds[l].play(rest[:n], e.ear.buffer[:n])
			rest = rest[n:]
		}
		p.Started[l], p.Ended[l] = e.sounds[l].report()
	}
	return p, err
}

// playVoice writes the peer's voice to dst, which is silent.
func (e *Engine) playVoice(dst []int16, p *Played) error {
	v := &e.ear
	want := e.voice.Load()
	target := VolumeGain(int(e.volume.Load()))
	if want == nil {
		target = 0 // the old one fades out in this period, then is dropped
	} else if want != v.from {
		v.from, v.heard, v.rest = want, false, nil
		v.gain.Jump(0)
	}
	if v.from == nil {
		return nil
	}
	v.gain.Set(target)
	var err error
	for rest := dst; len(rest) > 0; {
		if len(v.rest) == 0 {
			kind, pullErr := v.from.Pull(v.fifo[:])
			if pullErr != nil {
				err = pullErr
			}
			v.rest = v.fifo[:]
			p.Voice = max(p.Voice, kind)
			if kind == FrameVoice && !v.heard && want != nil {
				v.heard, p.FirstVoice = true, true
			}
		}
		n := copy(rest, v.rest)
		v.rest = v.rest[n:]
		rest = rest[n:]
	}
	p.VoiceLevel = Level(dst)
	v.gain.Apply(dst)
	if want == nil && v.gain.Settled() {
		v.from, v.rest = nil, nil
	}
	return err
}

// take obeys an order: what plays fades out, the new source begins.
func (s *sound) take(o *order) {
	if o == nil {
		return
	}
	if s.now.source != nil {
		s.old, s.fadeGain = s.now, s.gain
		s.fadeGain.Set(0)
	}
	s.now = *o
	s.started = o.id
	s.gain.Jump(VolumeGain(o.volume))
}

// play adds the layer to dst; work is of the same length.
func (s *sound) play(dst, work []int16) {
	if s.old.source != nil {
		more := s.old.source.Next(work)
		s.fadeGain.Apply(work)
		Mix(dst, work)
		if !more || s.fadeGain.Settled() {
			s.old = order{}
		}
	}
	if s.now.source == nil {
		return
	}
	more := s.now.source.Next(work)
	s.gain.Apply(work)
	Mix(dst, work)
	if !more {
		s.ended, s.now = s.now.id, order{}
	}
}

func (s *sound) report() (started, ended uint64) {
	started, ended = s.started, s.ended
	s.started, s.ended = 0, 0
	return started, ended
}
