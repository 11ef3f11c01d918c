package call

import "slices"

// How step ends a call, and what an ended call still says.

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
	asked := m.asked(end)
	m.legs[0].end = asked
	m.send(m.legs[0], TypeEnd, pathBoth, &asked)
	m.finish(end)
}

// finish ends the call here, tells whoever does not know, and the application.
func (m *machine) finish(end EndBody) {
	others := end
	switch {
	case end.Reason == ReasonPushError || end.Reason == ReasonUnavailableNetwork:
		others = EndBody{Reason: ReasonReleasedCall, Source: SourceTransport}
	case end.Reason == ReasonDecline:
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
	if m.tries == endTries || !m.unheard() {
		return false
	}
	m.tries++
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
