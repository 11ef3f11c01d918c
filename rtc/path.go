package rtc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pion/webrtc/v4"

	"intercom/call"
)

// path is what a session knows of the way to its peer.
//
//	         ICE + DTLS + channel             silent 1.4 s
//	pathNew ──────────────────────▶ pathUp ───────────────▶ pathLost
//	                                 │  ▲                    ▲   │
//	                     ICE restart ▼  │ new pair       2 s │   │ heard again,
//	                             pathRestarting ─────────────┘   │ or new pair
//	                                    ▲                        │
//	                            pathUp ◀┼────────────────────────┘
//
// SessionUp is sent on each way into pathUp, SessionLost into pathLost.
type path int

const (
	pathNew path = iota
	pathUp
	pathRestarting
	pathLost
)

func (s *Session) fail(kind call.SessionEventKind, err error) {
	if s.failed {
		return
	}
	s.failed = true
	s.up.Store(false)
	s.lost.Stop()
	s.event(call.SessionEvent{Kind: kind, Err: fmt.Errorf("rtc: session with %v: %w", s.cfg.Peer, err)})
}

// look compares pion's state with what was told, and tells the difference.
func (s *Session) look() {
	if s.netChanged.CompareAndSwap(true, false) && !s.failed {
		s.event(call.SessionEvent{Kind: call.SessionNetworkChanged})
	}
	if s.failed {
		return
	}
	if s.overflow.Load() {
		s.fail(call.SessionFailed, fmt.Errorf("%d commands are waiting: Event blocks", maxCommands))
		return
	}
	s.describe()
	if s.dtls.State() == webrtc.DTLSTransportStateFailed {
		s.failDTLS()
		return
	}
	channel := s.channel.ReadyState()
	if channel == webrtc.DataChannelStateClosed {
		s.drain()
		s.closedByPeer()
		return
	}
	s.lookAtPath(channel == webrtc.DataChannelStateOpen)
}

// drain tells the messages that arrived before the channel closed.
func (s *Session) drain() {
	for {
		select {
		case data := <-s.inbox:
			s.event(call.SessionEvent{Kind: call.SessionMessage, Data: data})
		default:
			return
		}
	}
}

// closedByPeer: the peer let go of its session. Its end comes by another way,
// if it was not in what was drained; until then, as far as this side knows, it
// has vanished.
func (s *Session) closedByPeer() {
	s.setPath(pathLost)
	s.failed = true // nothing comes of it any more
}

func (s *Session) failDTLS() {
	if cert := s.dtls.GetRemoteCertificate(); len(cert) > 0 {
		sum := sha256.Sum256(cert)
		if hex.EncodeToString(sum[:]) != s.fingerprint {
			s.fail(call.SessionAuthFailed, errors.New("the peer's certificate is not the one in its SDP: somebody is in between"))
			return
		}
	}
	s.fail(call.SessionFailed, errors.New("the DTLS handshake failed; the peer may have refused our certificate"))
}

func (s *Session) lookAtPath(channelOpen bool) {
	ice := s.pc.ICEConnectionState()
	switch ice {
	case webrtc.ICEConnectionStateNew:
		return // pion's transport may not be asked for a pair while it starts
	case webrtc.ICEConnectionStateDisconnected, webrtc.ICEConnectionStateFailed:
		if s.path == pathUp {
			s.setPath(pathLost)
		}
		return
	}
	// A restart drops the pair at once; its new state is heard of later.
	if pair, _ := s.ice.GetSelectedCandidatePair(); pair == nil {
		if s.path == pathUp {
			s.setPath(pathRestarting)
		}
		return
	}
	connected := ice == webrtc.ICEConnectionStateConnected || ice == webrtc.ICEConnectionStateCompleted
	if connected && channelOpen && s.dtls.State() == webrtc.DTLSTransportStateConnected {
		s.setPath(pathUp)
	}
}

func (s *Session) setPath(p path) {
	if s.failed || s.path == p {
		return
	}
	s.path = p
	s.up.Store(p == pathUp)
	s.lost.Stop()
	switch p {
	case pathUp:
		s.measurePair()
		if s.log.Enabled(context.Background(), slog.LevelDebug) {
			s.log.Debug("rtc: up", "local", s.pair.local, "remote", s.pair.remote)
		}
		s.event(call.SessionEvent{Kind: call.SessionUp})
	case pathRestarting:
		s.lost.Reset(s.media.timing.restart)
	case pathLost:
		s.event(call.SessionEvent{Kind: call.SessionLost})
	}
}
