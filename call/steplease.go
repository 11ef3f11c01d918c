package call

import "time"

// The ring's lease: a ring sounds for as long as its caller is heard, and 5 s
// more. What a stalled link held back and lets go in a burst may be of a caller
// that is dead by now, so a push counts from when it was sent. No clocks are
// compared for that: each push says how old its call is, and the one that took
// the least time is the measure of the others.

// callerTime is what the callee knows of its caller's time.
type callerTime struct {
	any   bool
	began time.Duration // of the call, on this side's clock; at the latest
	at    time.Duration // when the last thing that counts was sent
}

// sent says when a message that arrived at a time, of a call of that age then,
// was sent; later by no more than what the fastest one took.
func (m *machine) sent(at, age time.Duration) time.Duration {
	began := at - age
	if !m.caller.any {
		m.caller.any, m.caller.began = true, began
	}
	m.caller.began = min(m.caller.began, began)
	return m.caller.began + age
}

// lease: the caller was heard, in words that were sent then; the ring may go on
// for 5 s from then.
func (m *machine) lease(at, sent time.Duration) {
	left := leaseTime - (at - sent)
	if m.ending || m.accepting || m.phase != StateVerified || sent <= m.caller.at || left <= 0 {
		return
	}
	m.caller.at = sent
	m.timer(timerLease, left)
}
