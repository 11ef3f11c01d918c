package call

import "time"

// Opening the peer's door. A request is worth openFor from when it was first
// sent; each copy carries what is left of that, so a door that hears only a
// late one has less time, and one that hears it too late refuses. The asker
// waits openGrace longer for the answer to travel, and is told even of an
// opening that it hears of later: never "not opened" of a door that was.

const (
	openFor      = 2 * time.Second
	openGrace    = time.Second
	openInterval = 500 * time.Millisecond
	openTries    = int((openFor + openGrace) / openInterval)
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
	m.sendOpen(pathAny)
	return true
}

func (m *machine) sendOpen(p path) {
	left := max(0, openFor-time.Duration(m.openTries)*openInterval)
	m.openTries++
	m.send(m.peerLeg(), TypeOpen, p, &OpenBody{Request: m.openSeq, Valid: left.Milliseconds()})
	m.timer(timerOpen, openInterval)
}

// openAgain repeats the request, or gives up.
func (m *machine) openAgain() {
	if m.openTries < openTries {
		m.sendOpen(pathBoth)
		return
	}
	m.openTries = 0
	m.tell(notice{kind: noticeOpenResult, text: whyNoAnswer})
}

// openResult takes the door's answer, once for each request.
func (m *machine) openResult(b *OpenResultBody) bool {
	waiting := b.Request == m.openSeq && m.openTries != 0
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
// same answer, and never opens twice.
func (m *machine) openAsked(b *OpenBody) bool {
	if b.Request < m.peerOpen || b.Request <= 0 {
		return false
	}
	if b.Request == m.peerOpen {
		if m.opened == nil {
			return false
		}
		m.send(m.peerLeg(), TypeOpenResult, pathBoth, m.opened)
		return true
	}
	m.peerOpen, m.opened, m.openClaimed = b.Request, nil, false
	if b.Valid <= 0 {
		return m.answerOpen(false, whyTooLate)
	}
	m.timer(timerOpenValid, min(millis(b.Valid), openFor))
	m.tell(notice{kind: noticeOpenRequest})
	return true
}

// claimOpen: the door is about to open; the request does not expire any more.
func (m *machine) claimOpen() bool {
	if m.phase != StateConnected || m.ending || m.peerOpen == 0 || m.opened != nil || m.openClaimed {
		return false
	}
	m.openClaimed = true
	m.stop(timerOpenValid)
	return true
}

func (m *machine) answerOpen(opened bool, why string) bool {
	if m.phase != StateConnected || m.peerOpen == 0 || m.opened != nil {
		return false
	}
	m.stop(timerOpenValid)
	m.opened = &OpenResultBody{Request: m.peerOpen, Opened: opened, Why: why}
	m.send(m.peerLeg(), TypeOpenResult, pathAny, m.opened)
	return true
}
