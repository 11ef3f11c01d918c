package audio

import (
	"fmt"
	"sync/atomic"
)

// quietPeak is the sample value (-41 dBFS) below which a frame may be
// shortened without anybody hearing it.
const quietPeak = 300

// Receiver makes sound of the packets of one stream: a JitterBuffer and a
// Decoder.
type Receiver struct {
	jitter *JitterBuffer
	fresh  atomic.Pointer[Decoder] // from Reset, for the next Pull

	// Owned by the goroutine that pulls.
	dec     *Decoder
	pcm     [maxPacketSamples + TickSamples]int16 // decoded, not yet played
	pending int
	bad     atomic.Uint64
	payload [MaxPayload]byte
	overlap [TickSamples]int16
}

// NewReceiver makes a Receiver for a stream that has not begun.
func NewReceiver() (*Receiver, error) {
	dec, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	return &Receiver{jitter: NewJitterBuffer(), dec: dec}, nil
}

// Reset makes it ready for a new call. Any goroutine.
func (r *Receiver) Reset() error {
	dec, err := NewDecoder()
	if err != nil {
		return err
	}
	r.bad.Store(0)
	r.fresh.Store(dec)
	r.jitter.Reset()
	return nil
}

// ReceiveFrame takes one packet from the network: RTP sequence number,
// timestamp and payload. payload is copied. Any goroutine. The error wraps
// ErrPacket and is for counting, not for ending a call; a late or double
// packet is no error.
func (r *Receiver) ReceiveFrame(seq uint16, ts uint32, payload []byte) error {
	return r.jitter.Push(seq, ts, payload)
}

// Pull writes the next 10 ms into dst (480 samples) and says what they are.
// The first FrameVoice is the first sound of the peer. Engine goroutine only.
func (r *Receiver) Pull(dst []int16) (FrameKind, error) {
	if len(dst) != TickSamples {
		return FrameNone, fmt.Errorf("audio: pull %d samples: want %d", len(dst), TickSamples)
	}
	dec := r.fresh.Swap(nil)
	if dec != nil {
		r.dec, r.pending = dec, 0
	}
	if r.jitter.Tick() {
		r.pending = 0
	}
	kind := r.frame(dst)
	if r.jitter.Lower(kind != FrameVoice || quiet(dst)) {
		r.frame(r.overlap[:])
		crossFade(dst, r.overlap[:])
	}
	return kind, nil
}

// frame does what the jitter buffer says, then takes one frame off.
func (r *Receiver) frame(dst []int16) FrameKind {
	for {
		s, more := r.jitter.Next(r.payload[:])
		if !more {
			n := copy(dst, r.pcm[:r.pending])
			clear(dst[n:])
			r.pending = copy(r.pcm[:], r.pcm[n:r.pending])
			return s.Kind
		}
		r.do(s)
	}
}

func (r *Receiver) do(s Step) {
	if r.pending+s.Samples > len(r.pcm) { // only after a Reset between two steps
		r.pending = 0
	}
	out := r.pcm[r.pending : r.pending+s.Samples]
	var err error
	switch {
	case s.Kind == FrameSilence:
		clear(out)
	case s.Kind == FrameFEC:
		err = r.dec.DecodeFEC(s.Payload, out)
	case s.Payload != nil:
		_, err = r.dec.Decode(s.Payload, out)
	default:
		err = r.dec.Conceal(out)
	}
	if err != nil {
		r.bad.Add(1)
		if r.dec.Conceal(out) != nil {
			clear(out)
		}
	}
	r.pending += copy(out, out[s.Skip:])
}

// quiet tells that no sample of frame is above quietPeak.
func quiet(frame []int16) bool {
	for _, v := range frame {
		if v > quietPeak || v < -quietPeak {
			return false
		}
	}
	return true
}

// crossFade turns a into a frame that begins as a and ends as b.
func crossFade(a, b []int16) {
	n := int32(len(a))
	for i := range a {
		w := int32(i)
		a[i] = int16((int32(a[i])*(n-w) + int32(b[i])*w) / n)
	}
}

// ReceiverStats are the counters of the jitter buffer, and what the decoder
// adds to them.
type ReceiverStats struct {
	JitterStats
	Undecodable    uint64  `json:"undecodable"`      // payloads that passed ParsePacket but not libopus
	PlayoutDelayMS float64 `json:"playout_delay_ms"` // see JitterBuffer.PlayoutDelay
}

// Stats since New or Reset. Any goroutine.
func (r *Receiver) Stats() ReceiverStats {
	return ReceiverStats{r.jitter.Stats(), r.bad.Load(), r.jitter.PlayoutDelay()}
}
