package call

// What step makes of time: a timer that has run out.

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
		if len(m.legs) == 0 || m.anyIn() {
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
