package rtc

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"intercom/call"
)

const (
	sampleRate = 48000 // Hz, Opus' RTP clock (RFC 7587 section 4.1)
	maxPayload = 1275  // bytes of the longest Opus frame (RFC 6716 section 3.4)
	receiveMTU = 1500
	// A writer that was silent for longer than this did pause: the time stamp
	// follows the clock. Less is a late thread, whose frames come in a burst.
	pauseAfter = 500 * time.Millisecond
)

// outbound is the sending half of the voice.
type outbound struct {
	track *webrtc.TrackLocalStaticRTP
	gate  atomic.Bool

	mu       sync.Mutex
	packet   rtp.Packet // reused
	next     uint32     // time stamp of the next frame, 48 kHz
	lastCall time.Time  // of WriteFrame
	gap      bool       // the next packet is the first after a pause
	sent     call.Direction
}

func newOutbound() (*outbound, error) {
	track, err := webrtc.NewTrackLocalStaticRTP(opus(), "voice", "intercom")
	if err != nil {
		return nil, err
	}
	return &outbound{
		track:  track,
		gap:    true,
		next:   rand.Uint32(), // random starts: RFC 3550 section 5.1
		packet: rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(rand.Uint32())}},
	}, nil
}

// write sends one frame, if pass. Each call moves the time stamp on, sent or
// not, so a closed gate is a jump of the time stamp between two packets with
// adjacent sequence numbers: silence, not loss.
func (o *outbound) write(payload []byte, samples uint32, now time.Time, pass bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if idle := now.Sub(o.lastCall); !o.lastCall.IsZero() && idle > pauseAfter && samples > 0 {
		missed := uint32(ticks(idle)) / samples // whole frames
		o.next += (max(missed, 1) - 1) * samples
		o.gap = true
	}
	o.lastCall = now
	timestamp := o.next
	o.next += samples
	if !pass || len(payload) == 0 || len(payload) > maxPayload {
		o.gap = true
		o.sent.Dropped++
		return false
	}
	o.packet.Marker = o.gap // RFC 7587 section 4.1: first packet after a silence
	o.packet.SequenceNumber++
	o.packet.Timestamp = timestamp
	o.packet.Payload = payload
	err := o.track.WriteRTP(&o.packet)
	o.packet.Payload = nil
	if err != nil {
		o.gap = true
		o.sent.Dropped++
		return false
	}
	o.gap = false
	o.sent.Packets++
	o.sent.Bytes += uint64(len(payload))
	return true
}

// inbound is the receiving half of the voice.
type inbound struct {
	frame func(seq uint16, timestamp uint32, payload []byte)
	gate  atomic.Bool

	mu       sync.Mutex
	received call.Direction // Lost and Jitter are filled in by Stats
	reception
}

// receive takes one RTP packet as it was sent by an authenticated peer, which
// may still be wrong. packet is scratch.
func (i *inbound) receive(raw []byte, packet *rtp.Packet, now time.Time) {
	err := packet.Unmarshal(raw)
	size := len(packet.Payload)
	valid := err == nil && size > 0 && size <= maxPayload
	pass := valid && i.gate.Load()

	i.mu.Lock()
	if valid {
		i.received.Packets++
		i.received.Bytes += uint64(size)
		i.observe(packet.SSRC, packet.SequenceNumber, packet.Timestamp, now)
	}
	if !pass {
		i.received.Dropped++
	}
	i.mu.Unlock()

	if pass {
		i.frame(packet.SequenceNumber, packet.Timestamp, packet.Payload)
	}
}

// readFrames runs until the session closes.
func (s *Session) readFrames(track *webrtc.TrackRemote) {
	var packet rtp.Packet
	buf := make([]byte, receiveMTU)
	for {
		n, _, err := track.Read(buf)
		if n == 0 && err != nil {
			return
		}
		if err != nil { // a payload type that was not agreed on
			n = 0
		}
		s.in.receive(buf[:n], &packet, s.media.now())
	}
}

// ticks is a duration in samples at 48 kHz.
func ticks(d time.Duration) int64 {
	return int64(d) / 1000 * (sampleRate / 1000) / 1000
}
