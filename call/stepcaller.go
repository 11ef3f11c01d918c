package call

import "slices"

// What step makes of what a caller hears. The caller is the only arbiter: what
// it handles first counts.

// anyIn: a device that replied is not out.
func (m *machine) anyIn() bool {
	return slices.ContainsFunc(m.legs, func(l leg) bool { return !l.over })
}

// allOut ends the call if every device that replied is out: as busy, or for
// the last one's reason. It gives the devices 2 s to reply.
func (m *machine) allOut() {
	if !m.late || len(m.legs) == 0 || m.anyIn() {
		return
	}
	end := m.legs[len(m.legs)-1].end
	if slices.ContainsFunc(m.legs, func(l leg) bool { return l.busy }) {
		end = EndBody{Reason: ReasonBusy, Source: SourceCallee}
	}
	m.finish(end)
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

// fromCallee handles what a device of the callee says to the caller, who is
// the only arbiter: the order of these calls decides.
func (m *machine) fromCallee(e evMessage) bool {
	if slices.Contains(m.retired, e.bind) {
		return false // late, of a live check that was replaced
	}
	i := slices.IndexFunc(m.legs, func(l leg) bool { return l.addr == e.from })
	if b, ok := e.body.(*VerifyBody); ok {
		return m.liveCheck(i, e.from, b)
	}
	if b, ok := e.body.(*EndBody); ok && e.typ == TypeEnd {
		return m.legEnds(i, e, *b)
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
	if m.phase != StateConnected { // once it is, all but the chosen one are over
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
	i, done := m.replaced(i, from, b)
	if done {
		return true
	}
	if i < 0 && len(m.legs) >= MaxDevices || m.checks >= maxChecks {
		m.send(leg{addr: from, nonce: b.Nonce}, TypeEnd, pathMQTT, &EndBody{Reason: ReasonReleasedCall, Source: SourceTransport})
		return true
	}
	m.checks++
	if i < 0 {
		m.legs = append(m.legs, leg{})
		i = len(m.legs) - 1
	} else if n := m.legs[i].nonce; n != "" {
		m.retire(n) // the device checks anew: adopted, or free again
	}
	m.legs[i] = leg{addr: from, nonce: b.Nonce, rang: m.legs[i].ringing || m.legs[i].rang}
	m.do(actSession{b.Nonce, opAcceptOffer, b.Offer})
	return true
}

func (m *machine) standing(l leg) {
	m.do(actSend{to: l.addr, bind: l.nonce, typ: TypeStanding, path: pathMQTT, body: &StandingBody{
		Nonce: l.nonce, Answer: l.answer, ResponderPreparation: m.opt.preparation,
		AppData: m.opt.appData, StartMessage: m.opt.startMessage, Rang: l.rang,
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
	if !known {
		i = m.endsForEarlier(i, e, b)
		known = i >= 0 && m.legs[i].nonce == e.bind
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
	l := &m.legs[i]
	if l.busy && end.Reason != ReasonBusy && e.bind != "" && m.find(e.bind) < 0 {
		*l = leg{addr: e.from, nonce: e.bind} // busy at first, and free since: what its user wants counts
	}
	if l.over {
		if l.busy {
			return false
		}
		l.ack = true // it is out already, for another reason or for this one: it hears it again
		m.send(*l, TypeEnded, pathBoth, &l.end)
		return true
	}
	m.forestall(b.Replaces)
	m.confirm()
	if end.Reason == ReasonNormal || end.Reason == ReasonUserError { // there was no talk that it could have ended
		end.Reason = ReasonDecline
	}
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
