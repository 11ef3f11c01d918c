package call

import "slices"

// What step makes of messages and of what happens to sessions.

func (m *machine) message(e evMessage) bool {
	if m.role == RoleCaller {
		return m.fromCallee(e)
	}
	return m.fromCaller(e)
}

// fromCallee handles what a device of the callee says to the caller, who is
// the only arbiter: the order of these calls decides.
func (m *machine) fromCallee(e evMessage) bool {
	if slices.Contains(m.retired, e.bind) {
		return false // late, of a live check that was replaced
	}
	i := slices.IndexFunc(m.legs, func(l leg) bool { return l.addr == e.from })
	if b, ok := e.body.(*VerifyBody); ok && e.typ == TypeVerify {
		return m.liveCheck(i, e.from, b)
	}
	if e.typ == TypeEnd {
		if b, ok := e.body.(*EndBody); ok {
			return m.legEnds(i, e, *b)
		}
		return false
	}
	if i < 0 || m.legs[i].nonce != e.bind {
		return false
	}
	l := &m.legs[i]
	if l.over {
		if e.typ == TypeAccept || e.typ == TypeRinging {
			m.send(*l, TypeEnd, pathBoth, &l.end) // it did not hear that it is out
			return true
		}
		if e.typ == TypeEnded {
			l.ack = true
			return true
		}
		return false
	}
	switch e.typ {
	case TypeRinging:
		if m.phase == StateConnected {
			return false
		}
		l.ringing = true
		m.acknowledge(*l)
		return true
	case TypeAccept:
		b, _ := e.body.(*AcceptBody)
		return m.accepted(i, b != nil && b.ResponderPreparation)
	}
	if m.phase != StateConnected || l.nonce != m.chosen {
		switch e.typ {
		case TypeCandidate:
			return m.candidate(l.nonce, e.body)
		case TypeOffer:
			return m.restartOffer(l.nonce, e.body)
		}
		return false
	}
	return m.inCall(e)
}

// liveCheck answers verify: the call stands.
func (m *machine) liveCheck(i int, from Address, b *VerifyBody) bool {
	if m.phase == StateConnected {
		// somebody else answered; a device that comes late learns it
		if i >= 0 && m.legs[i].nonce == m.chosen {
			return false
		}
		m.send(leg{addr: from, nonce: b.Nonce}, TypeEnd, pathMQTT, m.answered())
		return true
	}
	if i >= 0 && m.legs[i].nonce == b.Nonce {
		if m.legs[i].over { // it did not hear that it is out
			m.send(m.legs[i], TypeEnd, pathMQTT, &m.legs[i].end)
			return true
		}
		if m.legs[i].answer == "" {
			return false // the answer is being made
		}
		m.standing(m.legs[i])
		return true
	}
	if m.find(b.Nonce) >= 0 {
		return false // another device's
	}
	if len(b.Replaces) > 0 {
		j, done := m.replaced(i, from, b)
		if done {
			return true
		}
		i = j
	}
	if i < 0 {
		if len(m.legs) >= MaxDevices {
			m.send(leg{addr: from, nonce: b.Nonce}, TypeEnd, pathMQTT, &EndBody{Reason: ReasonReleasedCall, Source: SourceTransport})
			return false
		}
		m.legs = append(m.legs, leg{addr: from})
		i = len(m.legs) - 1
	} else if n := m.legs[i].nonce; n != "" {
		m.retire(n) // the device checks anew: adopted, or free again
	}
	m.legs[i] = leg{addr: from, nonce: b.Nonce}
	m.do(actSession{b.Nonce, opAcceptOffer, b.Offer})
	return true
}

func (m *machine) standing(l leg) {
	m.do(actSend{to: l.addr, bind: l.nonce, typ: TypeStanding, path: pathMQTT, body: &StandingBody{
		Nonce: l.nonce, Answer: l.answer, ResponderPreparation: m.opt.preparation,
		AppData: m.opt.appData, StartMessage: m.opt.startMessage,
	}})
}

// acknowledge: a device rings. That also proves that the push arrived.
func (m *machine) acknowledge(l leg) {
	m.confirm()
	if m.acked {
		return
	}
	m.acked = true
	m.stop(timerUnreach, timerReach)
	m.tell(notice{kind: noticeAcknowledged, device: l.addr})
}

func (m *machine) accepted(i int, preparation bool) bool {
	l := m.legs[i]
	body := &ConnectedBody{Preparation: preparation && m.opt.preparation}
	if m.phase == StateConnected { // only the chosen leg is not over: it did not hear
		body.Preparation = m.prep
		m.send(l, TypeConnected, pathBoth, body)
		return true
	}
	m.confirm()
	m.phase = StateConnected
	m.chosen = l.nonce
	m.prep = body.Preparation
	m.stop(timerPush, timerReply, timerUnreach, timerReach, timerRing)
	m.send(l, TypeConnected, pathBoth, body)
	m.do(actChoose{l.nonce})
	for j := range m.legs {
		if j != i && !m.legs[j].over {
			m.dismiss(j, *m.answered())
			m.timer(timerEnd, endInterval)
		}
	}
	m.connected(l)
	return true
}

// answered is what the devices that were not chosen are told.
func (m *machine) answered() *EndBody {
	a := m.peerLeg().addr
	return &EndBody{Reason: ReasonMultiDeviceAnswer, Source: SourceTransport, AnsweredBy: a.User + "/" + a.Device}
}

// connected is what both sides do when a call becomes one.
func (m *machine) connected(l leg) {
	m.tell(notice{kind: noticeConnected, on: m.prep, device: l.addr})
	if m.role == RoleCaller && m.opt.talkLimit > 0 {
		m.timer(timerTalk, m.opt.talkLimit)
	}
	if m.prep {
		m.timer(timerPrep, preparationLimit)
	}
	if m.muted {
		m.send(l, TypeMute, pathAny, &MuteBody{Seq: m.muteSeq, On: true})
	}
	if m.held {
		m.sayHold(l)
	}
	if !l.up {
		m.timer(timerMedia, mediaWait)
	}
}

// legEnds: a device of the callee declines, is busy, or ends the talk.
func (m *machine) legEnds(i int, e evMessage, b EndBody) bool {
	end := EndBody{Reason: b.Reason, Source: SourceCallee, UserCode: b.UserCode, Phrase: b.Phrase}
	if b.Source == SourceTransport {
		end.Source = SourceTransport
	}
	known := i >= 0 && m.legs[i].nonce == e.bind
	if m.phase == StateConnected {
		if !known || m.legs[i].nonce != m.chosen {
			m.send(leg{addr: e.from, nonce: e.bind}, TypeEnded, pathMQTT, m.answered())
			return true
		}
		if end.Reason == ReasonDecline { // it crossed our connected
			end.Reason = ReasonNormal
		}
		m.legEnded(i, end)
		m.finish(end)
		return true
	}
	if i >= 0 && !known && m.legs[i].nonce != "" {
		return false // of an earlier live check
	}
	if i < 0 {
		if len(m.legs) >= MaxDevices || m.find(e.bind) >= 0 {
			return false
		}
		m.legs = append(m.legs, leg{addr: e.from, nonce: e.bind})
		i = len(m.legs) - 1
	}
	if l := &m.legs[i]; l.over {
		if l.busy {
			return false
		}
		l.ack = true // it is out already, for another reason or for this one: it hears it again
		m.send(*l, TypeEnded, pathBoth, &l.end)
		return true
	}
	m.confirm()
	m.legEnded(i, end)
	switch {
	case end.Reason == ReasonAlreadyGotACall:
		m.finish(end) // it holds for the user, whichever device says so
	case end.Reason == ReasonBusy:
		m.legs[i].busy = true
		m.allOut()
	case end.Reason == ReasonDecline && !m.opt.declineDevice:
		m.finish(end)
	case !m.anyIn():
		m.finish(end)
	}
	return true
}

// legEnded marks a leg over at its own wish and confirms that.
func (m *machine) legEnded(i int, end EndBody) {
	l := &m.legs[i]
	l.over, l.ack, l.end = true, true, end
	m.send(*l, TypeEnded, pathBoth, &end)
	if l.nonce != "" {
		m.do(actSession{l.nonce, opClose, ""})
	}
}

// fromCaller handles what the caller says to the callee.
func (m *machine) fromCaller(e evMessage) bool {
	l := &m.legs[0]
	if e.from != l.addr {
		return false
	}
	if e.typ == TypePush {
		b, ok := e.body.(*PushBody)
		if ok {
			m.lease(e.at, m.sent(e.at, millis(b.Age)))
		}
		if m.ringing && !m.accepting && ok && !slices.Contains(b.Ringing, m.self.Device+"/"+m.self.Session) {
			m.send(*l, TypeRinging, pathBoth, nil) // ours was lost
		}
		return true
	}
	if e.bind != l.nonce {
		return false
	}
	m.lease(e.at, e.at)
	switch e.typ {
	case TypeLease:
		return true
	case TypeStanding:
		b, ok := e.body.(*StandingBody)
		if !ok || m.phase != StateTrying || m.ending || b.Nonce != l.nonce {
			return false
		}
		m.phase = StateVerified
		m.offersPrep = b.ResponderPreparation
		m.opt.ringTime = millis(b.RingRemaining) // for how long the call is remembered
		m.offer = ""
		m.stop(timerVerify)
		m.do(actSession{l.nonce, opAcceptAnswer, b.Answer})
		m.timer(timerRing, millis(b.RingRemaining)+ringGrace)
		m.lease(e.at, m.sent(e.at, millis(b.Age)))
		m.tell(notice{kind: noticeVerified, on: b.ResponderPreparation, standing: b, quiet: m.quiet})
		m.sayEarly()
		return true
	case TypeConnected:
		if m.ending { // the caller had connected when we ended: so it is the end of a talk
			if m.wish.Reason == ReasonDecline {
				m.wish.Reason = ReasonNormal
			}
			return true
		}
		if m.phase != StateVerified || !m.accepting {
			return false
		}
		b, _ := e.body.(*ConnectedBody)
		m.prep = m.prep && b != nil && b.Preparation
		m.chosenByCaller(*l)
		return true
	case TypeMute, TypeHold, TypeMuteRequest, TypeOpen, TypeShortData:
		if m.phase == StateVerified && m.accepting && !m.ending { // it overtook connected
			m.chosenByCaller(*l)
		}
	case TypeEnd, TypeEnded:
		b, ok := e.body.(*EndBody)
		if !ok || e.typ == TypeEnded && !m.ending {
			return false
		}
		if e.typ == TypeEnd {
			m.send(*l, TypeEnded, pathBoth, b)
		}
		end := *b
		if m.phase == StateTrying && !m.ending { // it was over before the live check
			end = EndBody{Reason: ReasonReleasedCall, Source: SourceTransport}
		}
		m.finish(end)
		return true
	}
	if m.phase != StateConnected {
		switch e.typ {
		case TypeCandidate:
			return m.candidate(l.nonce, e.body)
		case TypeAnswer:
			return m.restartAnswer(e.body)
		}
		return false
	}
	return m.inCall(e)
}

func (m *machine) chosenByCaller(l leg) {
	m.phase = StateConnected
	m.stop(timerAccept, timerAcceptLimit)
	m.connected(l)
}

// inCall handles what either side says to the other while connected.
func (m *machine) inCall(e evMessage) bool {
	l := m.peerLeg()
	switch b := e.body.(type) {
	case *MuteBody:
		if b.Seq <= m.peerMute {
			return false
		}
		m.peerMute = b.Seq
		if b.On != m.peerMuted {
			m.peerMuted = b.On
			m.tell(notice{kind: noticePeerMic, on: b.On})
		}
	case *HoldBody:
		if b.Seq <= m.peerHold {
			return false
		}
		m.peerHold = b.Seq
		if b.On != m.peerHeld {
			m.peerHeld = b.On
			m.tell(notice{kind: noticePeerHold, on: b.On, text: b.Reason})
		}
	case *ShortDataBody:
		return m.shortDataCame(b)
	case *ShortDataAckBody:
		return m.shortDataAcked(b)
	case *OpenBody:
		return m.openAsked(b)
	case *OpenResultBody:
		return m.openResult(b)
	case *SDPBody:
		switch e.typ {
		case TypeCandidate:
			return m.candidate(l.nonce, b)
		case TypeOffer:
			return m.restartOffer(l.nonce, b)
		case TypeAnswer:
			return m.restartAnswer(b)
		}
	default:
		switch e.typ {
		case TypePrepared:
			if !m.prep || m.role != RoleCaller {
				return false
			}
			m.prepared()
		case TypeMuteRequest:
			m.tell(notice{kind: noticeMuteRequest})
		case TypeRestart:
			if m.role != RoleCallee {
				return false
			}
			m.do(actSession{l.nonce, opRestart, ""})
		default:
			return false
		}
	}
	return true
}

func (m *machine) candidate(nonce string, body any) bool {
	b, ok := body.(*SDPBody)
	if ok {
		m.do(actSession{nonce, opCandidate, b.SDP})
	}
	return ok
}

func (m *machine) restartOffer(nonce string, body any) bool {
	b, ok := body.(*SDPBody)
	if !ok || m.role != RoleCaller {
		return false
	}
	m.do(actSession{nonce, opAcceptOffer, b.SDP})
	return true
}

func (m *machine) restartAnswer(body any) bool {
	b, ok := body.(*SDPBody)
	if !ok || m.role != RoleCallee {
		return false
	}
	m.do(actSession{m.chosen, opAcceptAnswer, b.SDP})
	return true
}

// --- sessions ---

func (m *machine) session(e evSession) bool {
	i := m.find(e.nonce)
	if i < 0 {
		return false
	}
	l := &m.legs[i]
	if l.over {
		return false
	}
	switch e.Kind {
	case SessionOffer:
		if m.phase == StateTrying && m.role == RoleCallee {
			m.offer = e.SDP
			m.sendVerify()
			return true
		}
		m.send(*l, TypeOffer, pathMQTT, &SDPBody{SDP: e.SDP})
	case SessionAnswer:
		if l.answer != "" {
			m.send(*l, TypeAnswer, pathMQTT, &SDPBody{SDP: e.SDP})
			return true
		}
		l.answer = e.SDP
		m.standing(*l)
	case SessionCandidate:
		m.send(*l, TypeCandidate, pathMQTT, &SDPBody{SDP: e.SDP})
	case SessionUp:
		l.up = true
		m.stop(timerRestart)
		if l.nonce == m.chosen {
			m.stop(timerMedia, timerGrace)
			if m.lost {
				m.lost = false
				m.tell(notice{kind: noticeNetworkBack})
			}
			m.sayAgain(*l)
		}
	case SessionLost:
		l.up = false
		if m.phase == StateConnected && l.nonce == m.chosen {
			m.pathLost()
		} else if m.role == RoleCallee && m.phase == StateVerified {
			m.restart()
		}
	case SessionNetworkChanged:
		if l.nonce == m.chosen && m.phase != StateTrying { // the live check has its own offer
			m.restart()
		}
	case SessionAuthFailed, SessionFailed:
		end := EndBody{Reason: ReasonAuthError, Source: SourceTransport}
		if e.Kind == SessionFailed {
			end = EndBody{Reason: ReasonInternalError, Source: m.role.source()}
		}
		if m.role == RoleCaller && m.phase != StateConnected {
			// one bad device must not end the call for the others
			m.dismiss(i, end)
			m.allOut()
			return true
		}
		switch {
		case m.ending: // the caller's word is awaited
		case m.role == RoleCallee:
			m.fail(end)
		default:
			m.finish(end)
		}
	default:
		return false
	}
	return true
}

// sayAgain repeats, over a path that has come up, what may have been lost
// before; the peer ignores what it knows.
func (m *machine) sayAgain(l leg) {
	if m.phase != StateConnected || m.ending {
		return
	}
	if m.muteSeq > 0 {
		m.send(l, TypeMute, pathAny, &MuteBody{Seq: m.muteSeq, On: m.muted})
	}
	if m.holdSeq > 0 {
		m.sayHold(l)
	}
	if m.role == RoleCallee && m.offersPrep && !m.prep {
		m.send(l, TypePrepared, pathAny, nil)
	}
}

func (m *machine) sendVerify() {
	if m.offer == "" || m.ending {
		return
	}
	m.send(m.legs[0], TypeVerify, pathMQTT, &VerifyBody{Nonce: m.legs[0].nonce, Offer: m.offer, Replaces: m.replaces})
	m.timer(timerVerify, verifyInterval)
}

// pathLost: the voice's path is gone; for the grace time it may come back.
func (m *machine) pathLost() {
	if m.lost || m.ending {
		return
	}
	m.lost = true
	m.tell(notice{kind: noticeNetworkLost, d: graceTime})
	m.timer(timerGrace, graceTime)
	m.timer(timerRestart, restartInterval)
	m.restart()
}

// restart gets an ICE restart under way: the callee offers, the caller asks.
func (m *machine) restart() {
	l := m.peerLeg()
	if m.role == RoleCallee {
		m.do(actSession{l.nonce, opRestart, ""})
	} else if m.phase == StateConnected {
		m.send(l, TypeRestart, pathBoth, nil)
	}
}
