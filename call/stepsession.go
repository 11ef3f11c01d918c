package call

// What step makes of what happens to sessions.

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
		if m.phase == StateConnected { // the others are over
			m.pathLost()
		} else if m.phase == StateVerified {
			m.restart()
		}
	case SessionNetworkChanged:
		if m.phase != StateTrying { // the live check has its own offer
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
