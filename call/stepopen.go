package call

import "time"

// Opening the peer's door. A request may arrive late: a data channel keeps what
// it carries while the path is gone, for ten seconds and more. A door must not
// open for one of which the asker was told that it failed, and can not see how
// old it is; so it asks back:
//
//	asker                               door
//	open, each openInterval ──────────▶
//	          ◀──────── openResult{confirm}, the question
//	open{confirmed} ──────────────────▶ within openConfirm of the first question:
//	                                    OnOpenRequest; then ClaimOpen within openValid
//	          ◀──────────────── openResult
//
// The asker only confirms what it still waits for. It gives up openFor after
// the press or, if it has confirmed, openGrace after the last moment at which
// the door can open, which the door's question, older than the confirmation,
// bounds. It is told even of an opening whose answer comes later than that.

const (
	openFor      = 2 * time.Second // for the question
	openConfirm  = time.Second     // for the confirmation
	openValid    = time.Second     // for ClaimOpen
	openGrace    = time.Second     // for the answer
	openInterval = 500 * time.Millisecond
)

const (
	whyNoAnswer = "no answer from the door"
	whyTooLate  = "the door did not answer in time"
)

// open asks.
func (m *machine) open() bool {
	if m.phase != StateConnected || m.ending || m.openTries != 0 {
		return false
	}
	m.openSeq++
	m.openConfirmed = false
	m.sendOpen(pathAny)
	return true
}

func (m *machine) sendOpen(p path) {
	m.openTries++
	m.send(m.peerLeg(), TypeOpen, p, &OpenBody{Request: m.openSeq, Confirmed: m.openConfirmed})
	m.timer(timerOpen, openInterval)
}

// openAgain repeats the request, or gives up.
func (m *machine) openAgain() {
	limit := openFor
	if m.openConfirmed {
		limit = openConfirm + openValid + openGrace
	}
	if time.Duration(m.openTries)*openInterval < limit {
		m.sendOpen(pathBoth)
		return
	}
	m.openTries = 0
	m.tell(notice{kind: noticeOpenResult, text: whyNoAnswer})
}

// openResult takes the door's question, and its answer, once for each request.
func (m *machine) openResult(b *OpenResultBody) bool {
	waiting := b.Request == m.openSeq && m.openTries != 0
	if b.Confirm {
		if !waiting || m.openConfirmed {
			return false
		}
		m.openConfirmed, m.openTries = true, 0
		m.sendOpen(pathAny)
		return true
	}
	if b.Request > m.openSeq || b.Request <= m.openTold || !waiting && !b.Opened {
		return false
	}
	m.openTold = b.Request
	if waiting {
		m.openTries = 0
		m.stop(timerOpen)
	}
	m.tell(notice{kind: noticeOpenResult, on: b.Opened, text: b.Why})
	return true
}

// openAsked is the door's side of a request. One that is sent again gets the
// same answer, and never opens twice. While the door is being opened for one,
// no other is heard.
func (m *machine) openAsked(b *OpenBody) bool {
	switch {
	case b.Request < m.peerOpen || b.Request <= 0:
		return false
	case b.Request > m.peerOpen:
		if m.openClaimed && m.opened == nil {
			return false
		}
		m.peerOpen, m.opened, m.openValid, m.openClaimed = b.Request, nil, false, false
		m.timer(timerOpenValid, openConfirm)
		m.askOpen(pathAny)
	case m.opened != nil:
		m.send(m.peerLeg(), TypeOpenResult, pathBoth, m.opened)
	case m.openValid:
		return false
	case b.Confirmed:
		m.openValid = true
		m.timer(timerOpenValid, openValid)
		m.tell(notice{kind: noticeOpenRequest})
	default:
		m.askOpen(pathBoth)
	}
	return true
}

func (m *machine) askOpen(p path) {
	m.send(m.peerLeg(), TypeOpenResult, p, &OpenResultBody{Request: m.peerOpen, Confirm: true})
}

// claimOpen: the door is about to open; the request does not expire any more.
func (m *machine) claimOpen() bool {
	if m.ending || !m.openValid || m.opened != nil || m.openClaimed {
		return false
	}
	m.openClaimed = true
	m.stop(timerOpenValid)
	return true
}

func (m *machine) answerOpen(opened bool, why string) bool {
	if m.opened != nil {
		return false
	}
	m.stop(timerOpenValid)
	m.opened = &OpenResultBody{Request: m.peerOpen, Opened: opened, Why: why}
	m.send(m.peerLeg(), TypeOpenResult, pathAny, m.opened)
	return true
}
