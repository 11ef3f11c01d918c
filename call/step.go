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

func (m *machine) do(a action)                        { m.acts = append(m.acts, a) }
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
// where the event was refused or ignored; the state then stays as it was.
func step(s state, e any) (next state, acts []action, ok bool) {
	m := machine{state: s}
	m.legs = slices.Clone(s.legs)
	before, listened := m.gates(), m.listens()
	chosen := m.chosen
	ok = m.event(e)
	if after := m.gates(); after != before || m.chosen != chosen {
		if chosen != "" && chosen != m.chosen {
			m.do(actGate{nonce: chosen})
		}
		if m.chosen != "" {
			m.do(actGate{m.chosen, after.send, after.receive})
		}
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
func (s *state) active() bool { return s.live() && !s.held && !s.ending }

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
		return m.answerOpen(e.opened, e.why)
	}
	return false
}

// --- the start of each side ---

func (m *machine) make() bool {
	if m.phase != StateIdle {
		return false
	}
	m.phase = StateTrying
	m.do(actPush{})
	m.timer(timerPush, pushInterval)
	m.timer(timerReply, replyTime)
	m.timer(timerUnreach, m.opt.unreachAfter)
	m.timer(timerReach, m.opt.reachTime)
	m.timer(timerRing, m.opt.ringTime)
	return true
}

func (m *machine) verify(e evVerify) bool {
	if m.phase != StateIdle {
		return false
	}
	nonce := e.nonce
	m.replaces, m.quiet = e.replaces, e.quiet
	m.phase = StateTrying
	m.legs[0].nonce = nonce
	m.chosen = nonce
	m.do(actSession{nonce, opOffer, ""})
	m.do(actChoose{nonce})
	m.timer(timerLease, leaseTime)
	return true
}

// --- time ---

func (m *machine) expired(k timerKind) bool {
	switch k {
	case timerPush:
		var ringing []string
		for _, l := range m.legs {
			if l.over {
				continue
			}
			if l.ringing {
				ringing = append(ringing, l.addr.Device+"/"+l.addr.Session)
			}
			if l.up {
				m.send(l, TypeLease, pathData, nil)
			}
		}
		m.do(actPush{ringing})
		m.timer(timerPush, pushInterval)
	case timerReply:
		m.late = true
		m.allOut()
	case timerUnreach: // devices that replied, if only as busy, were reached
		if !m.acked && (len(m.legs) == 0 || m.anyIn()) {
			m.tell(notice{kind: noticeUnreachable})
		}
	case timerReach:
		m.unreached()
	case timerRing:
		if m.role == RoleCaller && !m.acked {
			m.unreached()
		} else {
			m.finish(EndBody{Reason: ReasonNoAnswer, Source: SourceCaller})
		}
	case timerTalk:
		m.finish(EndBody{Reason: ReasonMaxCallTimeExceeded, Source: SourceTransport})
	case timerVerify:
		m.sendVerify()
	case timerLease:
		m.finish(EndBody{Reason: ReasonReleasedCall, Source: SourceTransport})
	case timerAccept:
		m.send(m.legs[0], TypeAccept, pathBoth, &AcceptBody{ResponderPreparation: m.prep})
		m.timer(timerAccept, acceptInterval)
	case timerAcceptLimit:
		m.fail(EndBody{Reason: ReasonUnavailableNetwork, Source: SourceTransport})
	case timerMedia:
		if !m.peerLeg().up {
			m.pathLost()
		}
	case timerGrace:
		m.finish(EndBody{Reason: ReasonNetworkUnstable, Source: SourceTransport})
	case timerRestart:
		m.restart()
		m.timer(timerRestart, restartInterval)
	case timerPrep:
		m.finish(EndBody{Reason: ReasonInternalError, Source: SourceCallee})
	case timerAsk:
		m.send(m.legs[0], TypeEnd, pathBoth, &m.wish)
		m.timer(timerAsk, askInterval)
	case timerEnd:
		if m.role == RoleCaller { // devices that were not chosen
			return m.repeatEnd()
		}
		m.fail(m.wish) // the caller's word did not come
	case timerOpen:
		m.openAgain()
	case timerShortData:
		m.shortDataAgain()
	case timerShortRate:
		m.shortWait = false
	case timerOpenValid:
		m.answerOpen(false, whyTooLate)
	default:
		return false
	}
	return true
}

func (m *machine) unreached() {
	r := ReasonUnavailableNetwork
	if m.confirmed {
		r = ReasonPushError
	}
	m.finish(EndBody{Reason: r, Source: SourceTransport})
}

// anyIn: a device that replied is not out.
func (m *machine) anyIn() bool {
	return slices.ContainsFunc(m.legs, func(l leg) bool { return !l.over })
}

// allOut ends the call if every device that replied is out: as busy, or for
// the last one's reason. It gives the devices 2 s to reply.
func (m *machine) allOut() bool {
	if !m.late || len(m.legs) == 0 || m.anyIn() {
		return false
	}
	end := m.legs[len(m.legs)-1].end
	if slices.ContainsFunc(m.legs, func(l leg) bool { return l.busy }) {
		end = EndBody{Reason: ReasonBusy, Source: SourceCallee}
	}
	m.finish(end)
	return true
}

// pushed takes the transport's word on the push.
func (m *machine) pushed(err error) bool {
	if m.role != RoleCaller || err != nil {
		return false
	}
	m.confirm()
	return true
}

// confirm: the push is known to have left, by the transport or by an answer.
func (m *machine) confirm() {
	m.confirmed = true
	if m.phase == StateTrying {
		m.phase = StateWaitAnswer
		m.tell(notice{kind: noticeWaitConnected})
	}
}

// --- the application's wishes ---

func (m *machine) accept(preparation bool) bool {
	if m.early() {
		return m.acceptEarly(preparation)
	}
	if m.role != RoleCallee || m.phase != StateVerified || m.accepting || m.ending {
		return false
	}
	m.accepting = true
	m.prep = preparation && m.offersPrep
	m.stop(timerLease, timerRing)
	m.send(m.legs[0], TypeAccept, pathBoth, &AcceptBody{ResponderPreparation: m.prep})
	m.timer(timerAccept, acceptInterval)
	m.timer(timerAcceptLimit, acceptLimit)
	return true
}

// end is what the application, or the Kit, asks for. The caller decides; so
// the callee asks, and waits for the caller's word as long as it may take.
func (m *machine) end(wish EndBody) bool {
	if m.ending || m.phase == StateIdle {
		return false
	}
	wish.Source = m.role.source()
	if wish.Reason == ReasonUnknown {
		switch {
		case m.phase == StateConnected && wish.UserCode != "":
			wish.Reason = ReasonUserError
		case m.phase == StateConnected:
			wish.Reason = ReasonNormal
		case m.role == RoleCaller:
			wish.Reason = ReasonCancel
		default:
			wish.Reason = ReasonDecline
		}
	}
	if m.role == RoleCaller {
		m.finish(wish)
		return true
	}
	m.ending, m.wish = true, wish
	m.do(actStopAll{})
	m.send(m.legs[0], TypeEnd, pathBoth, &wish)
	m.timer(timerAsk, askInterval)
	m.timer(timerEnd, endWait)
	return true
}

func (m *machine) mute(on bool) bool {
	if m.muted == on {
		return false
	}
	m.muted = on
	m.muteSeq++
	m.tell(notice{kind: noticeMic, on: on})
	if m.phase == StateConnected {
		m.send(m.peerLeg(), TypeMute, pathAny, &MuteBody{Seq: m.muteSeq, On: on})
	}
	return true
}

// hold also takes a call that has asked to be accepted: the peer is told once
// it is connected.
func (m *machine) hold(on bool, reason string) bool {
	if !m.live() || m.held == on || m.ending {
		return false
	}
	m.held, m.holdReason = on, reason
	m.holdSeq++
	if m.phase == StateConnected {
		m.sayHold(m.peerLeg())
	}
	return true
}

func (m *machine) sayHold(l leg) {
	m.send(l, TypeHold, pathAny, &HoldBody{Seq: m.holdSeq, On: m.held, Reason: m.holdReason})
}

func (m *machine) prepared() {
	m.prep = false
	m.stop(timerPrep)
	m.tell(notice{kind: noticePrepared})
}

// --- the end ---

// peerLeg is the device that the voice goes to.
func (m *machine) peerLeg() leg {
	if i := m.find(m.chosen); i >= 0 {
		return m.legs[i]
	}
	return leg{}
}

func (m *machine) find(nonce string) int {
	if nonce == "" {
		return -1
	}
	return slices.IndexFunc(m.legs, func(l leg) bool { return l.nonce == nonce })
}

// dismiss tells a leg that it is out, and closes its session.
func (m *machine) dismiss(i int, why EndBody) {
	l := &m.legs[i]
	if !l.over {
		l.end = why
		m.send(*l, TypeEnd, pathBoth, &why)
	}
	l.over = true
	if l.nonce != "" {
		m.do(actSession{l.nonce, opClose, ""})
	}
}

// fail ends the call without the caller's word, and tells the caller until it
// answers.
func (m *machine) fail(end EndBody) {
	m.legs[0].end = end
	m.send(m.legs[0], TypeEnd, pathBoth, &end)
	m.finish(end)
}

// finish ends the call here, tells whoever does not know, and the application.
func (m *machine) finish(end EndBody) {
	others := end
	switch {
	case end.Reason == ReasonPushError || end.Reason == ReasonUnavailableNetwork:
		others = EndBody{Reason: ReasonReleasedCall, Source: SourceTransport}
	case end.Reason == ReasonDecline && m.role == RoleCaller:
		others = EndBody{Reason: ReasonMultiDeviceDecline, Source: SourceTransport}
	}
	m.phase = StateDisconnected
	m.final, m.tries = end, 0
	m.do(actStopAll{})
	for i := range m.legs {
		l := &m.legs[i]
		if l.over {
			continue
		}
		if m.role == RoleCallee {
			// only the caller speaks for the call; but see fail
			l.over, l.ack = true, l.end.Reason == ReasonUnknown
			m.do(actSession{l.nonce, opClose, ""})
			continue
		}
		m.dismiss(i, others)
	}
	m.shortDataOver()
	m.tell(notice{kind: noticeDisconnected, end: Disconnected{
		Reason: end.Reason, Source: end.Source, ByRemote: end.Source == m.role.Peer().source(),
		UserCode: end.UserCode, Phrase: end.Phrase, AnsweredBy: end.AnsweredBy,
	}})
	m.timer(timerForget, max(2*m.opt.ringTime, 2*DefaultRingTime))
	if m.unheard() {
		m.timer(timerEnd, endInterval)
	}
}

// unheard reports whether a device has yet to confirm that it is over.
func (m *machine) unheard() bool {
	return slices.ContainsFunc(m.legs, func(l leg) bool { return !l.ack && l.end.Reason != ReasonUnknown })
}

// repeatEnd tells those again that have yet to confirm.
func (m *machine) repeatEnd() bool {
	if m.tries++; m.tries > endTries || !m.unheard() {
		return false
	}
	for _, l := range m.legs {
		if !l.ack && l.end.Reason != ReasonUnknown {
			m.send(l, TypeEnd, pathMQTT, &l.end)
		}
	}
	m.timer(timerEnd, endInterval<<min(m.tries, 3))
	return true
}

// afterEnd is all that an ended call does: it answers, and repeats its end
// until it was heard or enough has been tried.
func (m *machine) afterEnd(e any) bool {
	switch e := e.(type) {
	case evTimer:
		switch e.kind {
		case timerForget:
			m.do(actForget{})
			return true
		case timerEnd:
			return m.repeatEnd()
		}
	case evMessage:
		l := leg{addr: e.from, nonce: e.bind, end: m.final}
		if i := m.find(e.bind); i >= 0 && m.legs[i].addr == e.from {
			l = m.legs[i]
			if l.end.Reason == ReasonUnknown {
				l.end = m.final
			}
			if e.typ == TypeEnded || e.typ == TypeEnd {
				m.legs[i].ack = true
			}
		}
		switch e.typ {
		case TypeVerify:
			if b, _ := e.body.(*VerifyBody); b != nil {
				l.nonce = b.Nonce
			}
			m.send(l, TypeEnd, pathMQTT, &l.end)
			return true
		case TypeEnd:
			m.send(l, TypeEnded, pathMQTT, &l.end)
			return true
		case TypeAccept, TypeRinging, TypeOpen:
			if m.role == RoleCaller {
				m.send(l, TypeEnd, pathMQTT, &l.end)
				return true
			}
		case TypeEnded:
			return true
		}
	}
	return false
}
