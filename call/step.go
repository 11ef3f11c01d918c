package call

import (
	"slices"
	"time"
)

// The life of a call. Left the caller, right the callee; every state also
// goes to disconnected, and nothing leaves that.
//
//	      MakeCall                              VerifyCall
//	         │                                      │
//	         ▼                                      ▼
//	      trying ── push, each second ─────────▶ trying ── verify, each 300 ms
//	         │ push confirmed                       │ standing
//	         ▼                                      ▼
//	    waitAnswer ◀──────────── ringing ────── verified
//	         │ accept: the caller decides           │ Accept: accept, each 250 ms
//	         │                                      │ connected
//	         ▼                                      ▼
//	     connected ◀── hold, mute, open ... ──▶ connected
//	         │                                      │
//	         └────────────▶ disconnected ◀──────────┘
//
// step is pure: no clock, no I/O, no goroutine. It takes the state by value
// and never writes through it, so a state can be kept, compared and replayed.

// state is all that a call remembers.
type state struct {
	role  Role
	phase State
	id    string
	self  Address
	opt   options
	legs  []leg // caller: a device each; callee: one, the caller
	// caller
	confirmed bool     // the transport confirmed a push
	late      bool     // replyTime is over
	acked     bool     // OnAcknowledged was given
	checks    int      // live checks that got a session
	retired   []string // nonces of live checks that were replaced
	// callee
	caller     callerTime
	offer      string // to be repeated in verify
	ringing    bool
	accepting  bool     // Accept was called
	replaces   []string // nonces of earlier live checks of this device: the call was adopted
	quiet      bool     // and OnVerified was given before that
	wantRing   bool     // Ringing and Accept were called before the caller confirmed it
	wantAccept bool
	wantPrep   bool
	offersPrep bool // the caller offered responder preparation
	// both
	chosen        string // nonce of the leg that the voice goes to
	ending        bool   // callee: End was asked for; the caller's word on it is awaited
	wish          EndBody
	prep          bool // in responder preparation
	activated     bool
	muted         bool
	silenced      bool
	held          bool
	holdReason    string
	peerMuted     bool
	peerHeld      bool
	lost          bool
	muteSeq       int64 // own, sent
	holdSeq       int64
	openSeq       int64
	openTries     int
	openConfirmed bool  // the door asked back
	openTold      int64 // the last request whose answer was told
	peerMute      int64 // the peer's, seen
	peerHold      int64
	peerOpen      int64
	opened        *OpenResultBody // answer to peerOpen, once given
	openValid     bool            // the asker has confirmed peerOpen
	openClaimed   bool            // ClaimOpen was called for peerOpen
	shortSeq      int64           // own, sent
	shortWait     bool            // the last was less than 1 s ago
	short         []shortSent     // not acknowledged
	peerShort     window          // the peer's, seen
	tries         int             // repetitions of end after the end
	final         EndBody
}

// options are the parameters that the machine acts on.
type options struct {
	ringTime, unreachAfter, reachTime, talkLimit, micTimeout time.Duration
	declineDevice                                            bool
	preparation                                              bool
	appData                                                  []byte
	startMessage                                             string
}

// leg is one device at the other end.
type leg struct {
	addr    Address
	nonce   string // of the live check: names the session and binds the messages
	answer  string // SDP, once made
	ringing bool
	rang    bool    // of an earlier live check that this one replaced
	up      bool    // its session's path works
	over    bool    // told, or told us, that it is out
	busy    bool    // replied busy
	end     EndBody // what it was told
	ack     bool    // it confirmed that
}

type timerKind int

const (
	timerPush timerKind = iota
	timerReply
	timerUnreach
	timerReach
	timerRing
	timerTalk
	timerVerify
	timerLease
	timerAccept
	timerAcceptLimit
	timerMedia
	timerGrace
	timerRestart
	timerPrep
	timerAsk
	timerEnd
	timerOpen
	timerOpenValid
	timerShortData
	timerShortRate
	timerMic
	timerForget
)

const (
	verifyInterval  = 300 * time.Millisecond
	acceptInterval  = 250 * time.Millisecond
	endInterval     = 500 * time.Millisecond
	endTries        = 4
	endWait         = time.Second // the callee's wait for the caller's word
	askInterval     = 250 * time.Millisecond
	mediaWait       = 2 * time.Second // connected without a path for this long is a lost path
	restartInterval = 2 * time.Second
)

// The events that drive step.
type (
	evMake  struct{}
	evGlare struct{} // another call between the two users survives
	// evVerify starts the live check. A call that is adopted replaces those
	// that this device has made of it, and is quiet where OnVerified was given
	// then: Ringing and Accept are taken at once, and said when the caller has
	// confirmed.
	evVerify struct {
		nonce    string
		replaces []string
		quiet    bool
	}
	evPushed  struct{ err error }
	evTimer   struct{ kind timerKind }
	evMessage struct {
		from Address
		bind string
		typ  MessageType
		body any
		at   time.Duration // when it arrived, on the Kit's clock
	}
	evSession struct {
		nonce string
		SessionEvent
	}
	evRinging struct{}
	evAccept  struct{ preparation bool }
	evEnd     struct{ EndBody } // Reason 0: whatever ending now means
	evMute    struct{ on bool }
	evSilence struct{ on bool }
	evHold    struct {
		on     bool
		reason string
	}
	evMuteRequest struct{}
	evFinishPrep  struct{}
	evActivate    struct{}
	evOpen        struct{}
	evOpenClaim   struct{}
	evShortData   struct {
		typ  string
		data []byte
	}
	// evMicSilent comes for timerMic: the last captured frame is so old
	evMicSilent  struct{ silent time.Duration }
	evOpenAnswer struct {
		opened bool
		why    string
	}
)

// The actions that step asks for.
type (
	actPush struct{ ringing []string }
	actSend struct {
		to   Address
		bind string
		typ  MessageType
		body any
		path path
	}
	actTimer struct {
		kind timerKind
		d    time.Duration
	}
	actStop    struct{ kind timerKind }
	actStopAll struct{}
	actSession struct {
		nonce string
		op    sessionOp
		sdp   string
	}
	actGate struct {
		nonce         string
		send, receive bool
	}
	actChoose struct{ nonce string }
	actEvent  struct{ notice }
	actForget struct{}
)

// path is the way a message takes.
type path int

const (
	pathAny  path = iota // the data channel if it is open, else the transport
	pathBoth             // both: the first to arrive counts
	pathData             // the data channel only
	pathMQTT             // the transport only
)

type sessionOp int

const (
	opOffer sessionOp = iota
	opAcceptOffer
	opAcceptAnswer
	opCandidate
	opRestart
	opClose
)

// machine collects what one step does.
type machine struct {
	state
	acts []action
}

type action any

func (m *machine) do(a action) { m.acts = append(m.acts, a) }

func (m *machine) timer(k timerKind, d time.Duration) { m.do(actTimer{k, d}) }

func (m *machine) stop(ks ...timerKind) {
	for _, k := range ks {
		m.do(actStop{k})
	}
}

func (m *machine) tell(n notice) { m.do(actEvent{n}) }

func (m *machine) send(l leg, t MessageType, p path, body any) {
	m.do(actSend{to: l.addr, bind: l.nonce, typ: t, body: body, path: p})
}

// step is the whole call model: what a state makes of an event. ok is false
// where the event was refused or ignored; the state then stays as it was, but
// for the lease: whatever the caller says prolongs it.
func step(s state, e any) (next state, acts []action, ok bool) {
	m := machine{state: s}
	m.legs = slices.Clone(s.legs)
	before, listened := m.gates(), m.listens()
	chosen := m.chosen
	ok = m.event(e)
	// a leg that was chosen once stays it
	if after := m.gates(); m.chosen != "" && (after != before || m.chosen != chosen) {
		m.do(actGate{m.chosen, after.send, after.receive})
	}
	m.watchMic(listened)
	return m.state, m.acts, ok
}

type gates struct{ send, receive bool }

// gates says which way voice may pass on the chosen leg. No microphone leaves
// before connected, except that of the callee who accepted.
func (m *machine) gates() gates {
	if !m.live() || m.ending || m.prep || m.held || m.peerHeld || !m.activated {
		return gates{}
	}
	return gates{send: !m.muted, receive: !m.silenced}
}

// live: connected, or about to be.
func (s *state) live() bool {
	return s.phase == StateConnected || s.role == RoleCallee && s.phase == StateVerified && s.accepting
}

// active: its voice may pass, as far as hold goes.
func (s *state) active() bool { return s.engaged() && !s.held && !s.ending }

// engaged: live, or an adopted call that was accepted before the caller confirmed it.
func (s *state) engaged() bool { return s.live() || s.phase == StateTrying && s.wantAccept }

func (m *machine) event(e any) bool {
	if m.phase == StateDisconnected {
		return m.afterEnd(e)
	}
	switch e := e.(type) {
	case evMake:
		return m.make()
	case evGlare:
		if m.role != RoleCaller || m.phase == StateConnected || m.phase == StateIdle {
			return false
		}
		m.finish(EndBody{Reason: ReasonAlreadyGotACall, Source: SourceTransport})
		return true
	case evVerify:
		return m.verify(e)
	case evPushed:
		return m.pushed(e.err)
	case evTimer:
		return m.expired(e.kind)
	case evMessage:
		return m.message(e)
	case evSession:
		return m.session(e)
	case evEnd:
		return m.end(e.EndBody)
	case evHandOver:
		return m.handOver()
	case evRinging:
		return m.ring()
	case evAccept:
		return m.accept(e.preparation)
	case evMute:
		return m.mute(e.on)
	case evSilence:
		if m.silenced == e.on {
			return false
		}
		m.silenced = e.on
		return true
	case evHold:
		return m.hold(e.on, e.reason)
	case evMuteRequest:
		if m.phase != StateConnected || m.ending {
			return false
		}
		m.send(m.peerLeg(), TypeMuteRequest, pathAny, nil)
		return true
	case evFinishPrep:
		if m.phase != StateConnected || !m.prep || m.role != RoleCallee || m.ending {
			return false
		}
		m.send(m.peerLeg(), TypePrepared, pathBoth, nil)
		m.prepared()
		return true
	case evActivate:
		m.activated = true
		return true
	case evOpen:
		return m.open()
	case evShortData:
		return m.sendShortData(e.typ, e.data)
	case evMicSilent:
		return m.micSilent(e)
	case evOpenClaim:
		return m.claimOpen()
	case evOpenAnswer:
		return m.openValid && m.answerOpen(e.opened, e.why) // what was not asked yet is not answered
	}
	return false
}

func (m *machine) message(e evMessage) bool {
	if m.role == RoleCaller {
		return m.fromCallee(e)
	}
	return m.fromCaller(e)
}
