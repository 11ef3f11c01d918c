package call

import "slices"

// What step makes of what a callee hears.

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
			m.inCall(e)
			return true
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

func (m *machine) sendVerify() {
	if m.ending {
		return
	}
	m.send(m.legs[0], TypeVerify, pathMQTT, &VerifyBody{Nonce: m.legs[0].nonce, Offer: m.offer, Replaces: m.replaces})
	m.timer(timerVerify, verifyInterval)
}
