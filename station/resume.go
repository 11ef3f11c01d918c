package station

import (
	"path/filepath"
	"time"

	"intercom/call"
	"intercom/config"
)

func journalPath(cfg *config.Config) string { return filepath.Join(cfg.Station.StateDir, "calls") }

// resume lets the calls ring on that rang here when this station was killed:
// the journal has them, and the callers, if they are still there, never saw
// this device fall silent.
func (s *station) resume() {
	ids, err := s.kit.PendingBackgroundCalls()
	if err != nil {
		s.log.Warn("journal of calls", "err", err)
	}
	for _, id := range ids {
		t, err := newTalk(call.RoleCallee, nil, checking)
		if err == nil {
			t.c, err = s.kit.AdoptBackgroundCall(id, s.handler(t))
		}
		if err != nil { // it is over, or its push was here first
			s.log.Info("call not taken up again", "call", id, "err", err)
			continue
		}
		t.users, t.rangBefore = []string{t.c.Peer().User}, t.c.RangBefore()
		s.log.Warn("a call rang when this station was killed", "call", id, "peer", t.c.Peer())
		s.take(t)
		s.recheck(t)
	}
}

// recheckEvery is how often it is looked whether a call that was taken up again
// still stands: of that there is no second OnVerified.
const recheckEvery = 20 * time.Millisecond

// recheck rings as soon as the caller has confirmed it. Where nobody confirms,
// the Kit ends the call.
func (s *station) recheck(t *talk) {
	switch {
	case t.phase != checking:
	case t.c.State() == call.StateVerified:
		t.rangBefore = t.c.RangBefore() // the caller knows better than the journal
		s.verified(t)
	default:
		time.AfterFunc(recheckEvery, func() { s.post(func() { s.recheck(t) }) })
	}
}
