package rtc

import (
	"net"
	"strconv"
	"time"

	"github.com/pion/webrtc/v4"

	"intercom/call"
)

// pairStats is what was last known of the path in use.
type pairStats struct {
	local, remote             string
	roundTrip                 time.Duration
	sentBitrate, recvdBitrate int
}

// rates remembers the counters of the last measurement.
type rates struct {
	at          time.Time
	sent, recvd uint64
}

// measure runs each second or so: reports to the peer, bit rates, the path.
func (s *Session) measure() {
	now := s.media.now()
	if s.path == pathUp {
		s.sendReport(now)
		s.measurePair()
	}
	s.out.mu.Lock()
	sent := s.out.sent.Bytes
	s.out.mu.Unlock()
	s.in.mu.Lock()
	recvd := s.in.received.Bytes
	s.in.mu.Unlock()
	if elapsed := now.Sub(s.rate.at).Seconds(); !s.rate.at.IsZero() && elapsed > 0 {
		s.statsMu.Lock()
		s.pair.sentBitrate = int(float64(sent-s.rate.sent) * 8 / elapsed)
		s.pair.recvdBitrate = int(float64(recvd-s.rate.recvd) * 8 / elapsed)
		s.statsMu.Unlock()
	}
	s.rate = rates{now, sent, recvd}
}

// measurePair takes addresses and round trip from ICE, whose checks go on
// while the gates are closed.
func (s *Session) measurePair() {
	pair, err := s.ice.GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return
	}
	stats, _ := s.ice.GetSelectedCandidatePairStats()
	s.statsMu.Lock()
	defer s.statsMu.Unlock()
	s.pair.local, s.pair.remote = candidateText(pair.Local), candidateText(pair.Remote)
	s.pair.roundTrip = time.Duration(stats.CurrentRoundTripTime * float64(time.Second))
}

// Stats returns what was measured so far; also after Close. Bit rates, round
// trip and addresses are at most a second old.
func (s *Session) Stats() call.MediaStats {
	var m call.MediaStats
	s.out.mu.Lock()
	m.Sent = s.out.sent
	s.out.mu.Unlock()
	s.in.mu.Lock()
	m.Received = s.in.received
	m.Received.Lost = uint64(s.in.lost())
	m.Received.Jitter = samples(s.in.jitter >> 4)
	s.in.mu.Unlock()
	s.statsMu.Lock()
	p := s.pair
	s.statsMu.Unlock()
	m.RoundTrip = p.roundTrip
	m.LocalCandidate, m.RemoteCandidate = p.local, p.remote
	m.Sent.Bitrate, m.Received.Bitrate = p.sentBitrate, p.recvdBitrate
	return m
}

// candidateText is "host 192.168.1.7:4711".
func candidateText(c *webrtc.ICECandidate) string {
	if c == nil {
		return ""
	}
	return c.Typ.String() + " " + net.JoinHostPort(c.Address, strconv.Itoa(int(c.Port)))
}
