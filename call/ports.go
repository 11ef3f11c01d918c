package call

import "time"

// The ports of this package: what a Kit needs from the world, declared here
// because it is used here. mqttpush implements Transport and Sealer, rtc
// implements Media.

// Transport carries sealed messages between devices. It may lose, repeat and
// reorder them; the Kit copes. No method blocks: what can't be queued is an
// error, and counted by the transport.
type Transport interface {
	// Send queues data for one process of a device, or, where to has no
	// device, for every device of the user (a push, never stored). done, if
	// not nil, is called once, from another goroutine than the caller's, when
	// the transport confirmed or gave up.
	Send(to Address, data []byte, done func(error))
	// Listen sets who gets each message for this device and for its user. It
	// is called once, before anything is expected; receive is called from one
	// goroutine of the transport at a time, may not keep data, and returns
	// soon. Listen(nil) waits until no call of receive is running.
	Listen(receive func(data []byte))
	// Connected reports whether the transport believes in its link now.
	Connected() bool
}

// Sealer turns messages into signed envelopes and back. Open returns an error
// for anything that is not proved to be from Message.From; an error with a
// method Kind() string is counted under that name. CheckToken reports why the
// access token does not fit this device, or nil.
type Sealer interface {
	Seal(Message) ([]byte, error)
	Open(data []byte) (Message, error)
	CheckToken(token string) error
}

// Media makes the sessions that carry voice and in-call messages.
type Media interface {
	// NewSession makes a session; it does not block on the network.
	NewSession(SessionConfig) (Session, error)
}

// SessionConfig is one peer to talk to.
type SessionConfig struct {
	CallID string
	Role   Role    // of this side; the callee offers, the caller answers
	Peer   Address // for logs
	// Event is called from the session's goroutines, never from inside one of
	// its methods, and never after Close returned. It may call any method but
	// Close.
	Event func(SessionEvent)
	// Frame gets each Opus payload that arrives while the receive gate is
	// open: RTP sequence number, RTP time stamp at 48 kHz, the payload (not to
	// be kept). Called from one goroutine.
	Frame func(seq uint16, timestamp uint32, payload []byte)
}

// SessionEventKind says what happened to a session.
type SessionEventKind int

// What happens to sessions.
const (
	// SessionOffer and SessionAnswer carry SDP to be sent to the peer.
	SessionOffer SessionEventKind = iota + 1
	SessionAnswer
	// SessionCandidate carries one more ICE candidate (SDP a= value).
	SessionCandidate
	// SessionUp: ICE and DTLS are complete and the data channel is open; also
	// after a lost path came back.
	SessionUp
	// SessionLost: nothing was heard from the peer for 2 s, or it let go of its
	// session without an end that arrived.
	SessionLost
	// SessionMessage carries a message of the data channel.
	SessionMessage
	// SessionNetworkChanged: an interface or address of this machine changed;
	// an ICE restart is due.
	SessionNetworkChanged
	// SessionAuthFailed: the peer's DTLS certificate is not the one whose
	// fingerprint was in its signed SDP.
	SessionAuthFailed
	// SessionFailed: the session can't go on (bad SDP, internal error).
	SessionFailed
)

// SessionEvent is one thing that happened to a session.
type SessionEvent struct {
	Kind SessionEventKind
	SDP  string // SessionOffer, SessionAnswer, SessionCandidate
	Data []byte // SessionMessage; may be kept
	Err  error  // SessionFailed, SessionAuthFailed
}

// Session is one peer connection. Its methods do not block; work that takes
// time ends in an event. All may be called from any goroutine.
type Session interface {
	Offer()                         // make an offer: SessionOffer follows
	AcceptOffer(sdp string)         // answer an offer (a first, or of an ICE restart): SessionAnswer follows
	AcceptAnswer(sdp string)        // complete an own offer
	AddCandidate(string)            // a late candidate of the peer
	Restart()                       // ICE restart by the offering side: SessionOffer follows
	Gate(send, receive bool)        // both closed at the start; what does not pass is dropped and counted
	Send(data []byte) bool          // over the data channel; false: not open, or its bounded queue is full
	WriteFrame([]byte, uint32) bool // one Opus payload and its length in samples at 48 kHz; no allocation, keeps nothing; false: gate closed or path not up
	Stats() MediaStats
	Close() error // idempotent, waits for the session's goroutines
}

// MediaStats is what a session measured, from its beginning.
type MediaStats struct {
	Sent            Direction     `json:"sent"`
	Received        Direction     `json:"received"`
	RoundTrip       time.Duration `json:"round_trip_ns"`   // 0: not measured yet
	LocalCandidate  string        `json:"local_candidate"` // type and address, of the pair in use
	RemoteCandidate string        `json:"remote_candidate"`
}

// Direction is one way of the voice.
type Direction struct {
	Packets uint64        `json:"packets"`
	Bytes   uint64        `json:"bytes"`
	Lost    uint64        `json:"lost"`        // as seen by the receiver of this direction
	Dropped uint64        `json:"dropped"`     // by a closed gate or a full queue
	Jitter  time.Duration `json:"jitter_ns"`   // RFC 3550 section 6.4.1, as seen by the receiver
	Bitrate int           `json:"bitrate_bps"` // over the last second or so, payload only
}

// PlayoutStats is what the sound path knows of the voice it plays.
type PlayoutStats struct {
	Delay     time.Duration `json:"delay_ns"`  // jitter buffer's present delay
	Frames    uint64        `json:"frames"`    // played since the call began
	Concealed uint64        `json:"concealed"` // of these, made up
}

// Voice is the receiving end of the sound path: what arrives is given to it,
// and it tells how playing goes.
type Voice interface {
	// ReceiveFrame takes one Opus payload (not to be kept) from the network's
	// goroutine, with its RTP sequence number and RTP time stamp at 48 kHz.
	ReceiveFrame(seq uint16, timestamp uint32, payload []byte)
	PlayoutStats() PlayoutStats
}
