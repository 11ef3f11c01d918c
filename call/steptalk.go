package call

// What step makes of what either side says to the other while connected.

// connected is what both sides do when a call becomes one.
func (m *machine) connected(l leg) {
	m.tell(notice{kind: noticeConnected, on: m.prep, device: l.addr})
	if m.opt.talkLimit > 0 { // the caller's
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
	if m.offersPrep && !m.prep { // the callee's
		m.send(l, TypePrepared, pathAny, nil)
	}
}
