package call

// What step makes of the application's wishes.

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

func (m *machine) accept(preparation bool) bool {
	if m.early() {
		return m.acceptEarly(preparation)
	}
	if m.phase != StateVerified || m.accepting || m.ending {
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
	wish = m.asked(wish)
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
	if !m.engaged() || m.held == on || m.ending {
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
