package rtc

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"intercom/call"
)

const (
	maxMessage  = 16 << 10 // bytes of one message over the data channel
	maxBuffered = 64 << 10 // bytes sent and not yet acknowledged
	maxInbox    = 64       // messages received and not yet handled; then SCTP holds the peer back
	maxCommands = 64       // calls of methods not yet handled
	maxEarly    = 32       // candidates that came before the SDP
	channelID   = 0        // the one data channel, agreed without a message (RFC 8831 section 6.5)
)

// Session is one peer connection: a call.Session.
type Session struct {
	media *Media
	cfg   call.SessionConfig
	log   *slog.Logger

	pc      *webrtc.PeerConnection
	channel *webrtc.DataChannel
	dtls    *webrtc.DTLSTransport
	ice     *webrtc.ICETransport
	ssrc    uint32 // of the voice that is sent
	out     *outbound
	in      inbound
	up      atomic.Bool // path == pathUp, for WriteFrame

	commands   chan command
	inbox      chan []byte   // messages of the data channel
	wake       chan struct{} // look at pion's state and the flags below
	overflow   atomic.Bool   // a command was lost
	netChanged atomic.Bool
	oversized  atomic.Uint64 // messages dropped for their size

	foundMu sync.Mutex
	found   []string // own candidates since the last description began

	quit    chan struct{} // closed by Close
	closed  chan struct{} // closed when Close is done
	once    sync.Once
	ran     chan struct{} // closed when run ended
	readMu  sync.Mutex    // guards readEnd, and readers.Go against readers.Wait
	readEnd bool
	readers sync.WaitGroup

	statsMu sync.Mutex
	pair    pairStats

	state // owned by run
}

// state belongs to the goroutine run.
type state struct {
	path        path
	failed      bool
	describing  call.SessionEventKind // SessionOffer, SessionAnswer or 0
	described   string                // the last own SDP that was told
	offered     string                // ice-ufrag of the last own offer that was told
	answering   string                // ice-ufrag of the peer's last offer
	seen        int                   // own candidates counted while describing
	settled     bool                  // no new one for a while
	settle      *time.Timer
	lost        *time.Timer // a restart that takes too long
	fingerprint string      // of the peer's certificate, from its SDP
	early       []string    // candidates of the peer from before its SDP
	rate        rates
}

type commandKind int

const (
	commandOffer commandKind = iota + 1
	commandRestart
	commandAcceptOffer
	commandAcceptAnswer
	commandCandidate
)

type command struct {
	kind commandKind
	text string
}

var _ call.Session = (*Session)(nil)

func newSession(m *Media, cfg call.SessionConfig) (*Session, error) {
	pc, err := m.api.NewPeerConnection(m.config)
	if err != nil {
		return nil, err
	}
	s := &Session{
		media:    m,
		cfg:      cfg,
		log:      m.log.With("call", cfg.CallID, "peer", cfg.Peer.String(), "stage", "media"),
		pc:       pc,
		commands: make(chan command, maxCommands),
		inbox:    make(chan []byte, maxInbox),
		wake:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
		closed:   make(chan struct{}),
		ran:      make(chan struct{}),
	}
	s.in.frame = cfg.Frame
	s.dtls = pc.SCTP().Transport()
	s.ice = s.dtls.ICETransport()
	if err := s.build(); err != nil {
		return nil, errors.Join(err, pc.GracefulClose())
	}
	go s.run()
	return s, nil
}

// build adds the voice, the data channel and the wake-ups.
func (s *Session) build() (err error) {
	if s.out, err = newOutbound(); err != nil {
		return fmt.Errorf("make the voice track: %w", err)
	}
	sender, err := s.pc.AddTrack(s.out.track)
	if err != nil {
		return fmt.Errorf("add the voice track: %w", err)
	}
	s.ssrc = uint32(sender.GetParameters().Encodings[0].SSRC)
	negotiated, ordered, id := true, true, uint16(channelID)
	s.channel, err = s.pc.CreateDataChannel("intercom", &webrtc.DataChannelInit{
		Negotiated: &negotiated, Ordered: &ordered, ID: &id,
	})
	if err != nil {
		return fmt.Errorf("make the data channel: %w", err)
	}

	// pion's callbacks only wake run, which looks at the state itself: their
	// order and number don't matter.
	s.pc.OnICEConnectionStateChange(func(webrtc.ICEConnectionState) { s.poke() })
	s.pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { s.poke() })
	s.dtls.OnStateChange(func(webrtc.DTLSTransportState) { s.poke() })
	s.channel.OnOpen(s.poke)
	s.channel.OnClose(s.poke)
	s.channel.OnBufferedAmountLow(s.poke)
	s.channel.OnMessage(s.takeMessage)
	s.pc.OnICECandidate(s.takeOwnCandidate)
	first := sync.Once{}
	s.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		first.Do(func() {
			s.read(func() { s.readFrames(track) })
			s.read(func() { s.readReports(receiver.Read) })
		})
	})
	s.read(func() { s.readReports(sender.Read) })
	return nil
}

// read starts a goroutine that ends when the peer connection closes.
func (s *Session) read(f func()) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if !s.readEnd {
		s.readers.Go(f)
	}
}

func (s *Session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Session) takeMessage(m webrtc.DataChannelMessage) {
	if len(m.Data) > maxMessage {
		s.log.Warn("rtc: message dropped", "bytes", len(m.Data), "limit", maxMessage,
			"dropped", s.oversized.Add(1))
		return
	}
	select {
	case s.inbox <- m.Data:
	case <-s.quit:
	}
}

func (s *Session) do(kind commandKind, text string) {
	select {
	case s.commands <- command{kind, text}:
	default:
		if kind != commandCandidate { // another path may be found without it
			s.overflow.Store(true)
			s.poke()
		}
	}
}

// Offer makes an offer: SessionOffer follows.
func (s *Session) Offer() { s.do(commandOffer, "") }

// Restart makes an offer with new ICE credentials: SessionOffer follows. The
// path in use is given up at once; SessionUp follows when there is a new one,
// SessionLost if there is none for 2 s.
func (s *Session) Restart() { s.do(commandRestart, "") }

// AcceptOffer answers an offer: SessionAnswer follows, or SessionFailed if the
// SDP can't be used. An offer with new ICE credentials restarts ICE.
func (s *Session) AcceptOffer(sdp string) { s.do(commandAcceptOffer, bounded(sdp, maxSDP)) }

// AcceptAnswer completes an own offer. Without an open offer it does nothing,
// and with the answer to an earlier one, if the peer tells (ours does).
func (s *Session) AcceptAnswer(sdp string) { s.do(commandAcceptAnswer, bounded(sdp, maxSDP)) }

// AddCandidate adds a candidate of the peer (SDP a= value); one that can't be
// used is ignored.
func (s *Session) AddCandidate(candidate string) {
	if candidate != "" && len(candidate) <= maxCandidate {
		s.do(commandCandidate, candidate)
	}
}

// bounded keeps a too long text just long enough to be refused.
func bounded(text string, limit int) string {
	if len(text) > limit {
		return text[:limit+1]
	}
	return text
}

// Gate opens or closes the way out and the way in of the voice.
func (s *Session) Gate(send, receive bool) {
	s.out.gate.Store(send)
	s.in.gate.Store(receive)
}

// Send queues one message of 1 to 16384 bytes for the peer.
func (s *Session) Send(data []byte) bool {
	if len(data) == 0 || len(data) > maxMessage || s.channel.ReadyState() != webrtc.DataChannelStateOpen ||
		s.channel.BufferedAmount()+uint64(len(data)) > maxBuffered {
		return false
	}
	return s.channel.Send(data) == nil
}

// WriteFrame sends one Opus payload of 1 to 1275 bytes that lasts samples at
// 48 kHz. Call it for each frame, also while the gate is closed, so that time
// goes on for the peer.
func (s *Session) WriteFrame(payload []byte, samples uint32) bool {
	return s.out.write(payload, samples, s.media.now(), s.up.Load() && s.out.gate.Load())
}

// Close ends the session and waits for its goroutines; messages already sent
// get 200 ms to arrive, and where the peer closed first pion's SCTP takes
// 400 ms to notice that nobody listens. Not to be called from inside Event.
func (s *Session) Close() error {
	s.once.Do(func() {
		defer close(s.closed)
		close(s.quit)
		<-s.ran
		s.readMu.Lock()
		s.readEnd = true
		s.readMu.Unlock()
		if err := s.pc.GracefulClose(); err != nil {
			s.log.Debug("rtc: close", "err", err)
		}
		s.readers.Wait()
		s.media.forget(s)
	})
	<-s.closed
	return nil
}

// run owns the session's state and is the only caller of Event.
func (s *Session) run() {
	defer close(s.ran)
	s.settle = stoppedTimer()
	defer s.settle.Stop()
	s.lost = stoppedTimer()
	defer s.lost.Stop()
	report := time.NewTicker(s.media.timing.report)
	defer report.Stop()
	for {
		select {
		case <-s.quit:
			s.flush()
			return
		case c := <-s.commands:
			s.handle(c)
		case data := <-s.inbox:
			s.event(call.SessionEvent{Kind: call.SessionMessage, Data: data})
		case <-s.wake:
		case <-s.settle.C:
			s.settled = true
		case <-s.lost.C:
			s.setPath(pathLost)
		case <-report.C:
			s.measure()
		}
		s.look()
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (s *Session) event(e call.SessionEvent) {
	select {
	case <-s.quit:
	default:
		s.cfg.Event(e)
	}
}

// flush waits a little for messages that were sent, such as the call's end.
func (s *Session) flush() {
	s.up.Store(false)
	if s.path != pathUp {
		return
	}
	timeout := time.NewTimer(s.media.timing.flush)
	defer timeout.Stop()
	for s.channel.ReadyState() == webrtc.DataChannelStateOpen && s.channel.BufferedAmount() > 0 {
		select {
		case <-s.wake:
		case <-s.inbox:
		case <-timeout.C:
			return
		}
	}
}
