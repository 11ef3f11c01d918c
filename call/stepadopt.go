package call

import "slices"

// What step makes of a call that changes hands: from a background call to the
// one that adopts it, in this process or another one of the same device.
//
//	        owner                    caller                   adopter
//	verified, rings      ◀── nonce n1 ──▶
//	        │ evHandOver: silent, OnAdopted
//	        ▼                                                     │ evVerify
//	  disconnected           ◀─── verify {nonce n2, replaces n1} ─┤ trying
//	                         leg n1 becomes leg n2                │
//	                         ──── standing {n2} ─────────────────▶ verified

// evHandOver retires a background call: the caller is told nothing, since its
// adopter's live check tells it.
type evHandOver struct{}

const (
	maxReplaces = 4  // nonces that one live check may replace
	maxChecks   = 64 // live checks of one call that get a session: of each device several
	maxRetired  = 32 // live checks of one call that were replaced
)

func (m *machine) handOver() bool {
	if m.role != RoleCallee || m.ending || m.accepting || m.phase != StateTrying && m.phase != StateVerified {
		return false
	}
	m.phase = StateDisconnected
	m.final = EndBody{Reason: ReasonMultiDeviceAnswer, Source: SourceTransport}
	m.legs[0].over, m.legs[0].ack = true, true
	m.do(actStopAll{})
	m.do(actSession{m.legs[0].nonce, opClose, ""})
	m.tell(notice{kind: noticeAdopted})
	m.timer(timerForget, 2*DefaultRingTime)
	return true
}

// early reports whether a wish comes while the caller has yet to confirm an
// adopted call.
func (m *machine) early() bool { return m.quiet && m.phase == StateTrying && !m.ending }

func (m *machine) ring() bool {
	if m.early() {
		m.wantRing = true
		return true
	}
	if m.phase != StateVerified || m.accepting || m.ending {
		return false
	}
	m.ringing = true
	m.send(m.legs[0], TypeRinging, pathBoth, nil)
	return true
}

// acceptEarly notes an Accept that comes before the caller has confirmed.
func (m *machine) acceptEarly(preparation bool) bool {
	if m.wantAccept {
		return false
	}
	m.wantAccept, m.wantPrep = true, preparation
	return true
}

// sayEarly says what was wished for before the caller had confirmed.
func (m *machine) sayEarly() {
	if m.wantRing {
		m.ring()
	}
	if m.wantAccept {
		m.accept(m.wantPrep)
	}
}

// retire makes room for another live check of the same device.
func (m *machine) retire(nonce string) {
	m.ignore(nonce)
	m.do(actSession{nonce, opClose, ""})
}

// ignore: what still comes of a live check that was replaced counts no more.
func (m *machine) ignore(nonce string) {
	if len(m.retired) >= maxRetired {
		m.retired = m.retired[1:]
	}
	m.retired = append(slices.Clip(m.retired), nonce)
}

// forestall: a live check that was replaced before it has come here is ignored
// when it does; else a process that has let go of the call would get a leg.
func (m *machine) forestall(replaces []string) {
	for _, n := range replaces {
		if m.find(n) < 0 && !slices.Contains(m.retired, n) {
			m.ignore(n)
		}
	}
}

// predecessor is the leg of the same device that was checked with one of these
// nonces; -1: none. All legs are of the user that is called.
func (m *machine) predecessor(from Address, replaces []string) int {
	return slices.IndexFunc(m.legs, func(l leg) bool { return l.addr.Device == from.Device && slices.Contains(replaces, l.nonce) })
}

// inherit keeps leg j for the new process of its device, whose own leg is i (-1:
// none), and says where it is then.
func (m *machine) inherit(i, j int) int {
	if i >= 0 && i != j { // it was busy, say, before it adopted
		if n := m.legs[i].nonce; n != "" {
			m.retire(n)
		}
		m.legs = slices.Delete(m.legs, i, i+1)
		if i < j {
			j--
		}
	}
	return j
}

// replaced is the caller's part of an adoption: it finds the leg that a live
// check replaces and gives it to the new process, whose own leg is i (-1:
// none). done: the check was answered. Of two that replace the same one, the
// first counts.
func (m *machine) replaced(i int, from Address, b *VerifyBody) (its int, done bool) {
	j := m.predecessor(from, b.Replaces)
	end := EndBody{Reason: ReasonReleasedCall, Source: SourceTransport}
	switch {
	case j < 0 && !slices.ContainsFunc(b.Replaces, func(n string) bool { return slices.Contains(m.retired, n) }):
		m.forestall(b.Replaces)
		return i, false // the earlier one has not come here
	case j >= 0 && m.legs[j].over: // it was out before it changed hands
		end = m.legs[j].end
	case j >= 0:
		m.forestall(b.Replaces)
		return m.inherit(i, j), false
	}
	m.send(leg{addr: from, nonce: b.Nonce}, TypeEnd, pathMQTT, &end)
	return i, true
}

// endsForEarlier is for an end that overtook its device's live check, or whose
// check was lost: what it replaces ends with it, and does not ring on.
func (m *machine) endsForEarlier(i int, e evMessage, b EndBody) int {
	j := m.predecessor(e.from, b.Replaces)
	if j < 0 || m.legs[j].over {
		return i
	}
	i = m.inherit(i, j)
	m.retire(m.legs[i].nonce)
	m.legs[i] = leg{addr: e.from, nonce: e.bind}
	return i
}

// asked is an end that this side asks for. The caller may not have had the live
// check: so it says whose place that took.
func (m *machine) asked(end EndBody) EndBody {
	if m.phase == StateTrying {
		end.Replaces = m.replaces
	}
	return end
}
