package call

import "time"

// What a Kit remembers of messages and calls, and for how long.

// seen remembers the ids of recent messages; the oldest go first.
type seen struct {
	ids  map[string]struct{}
	ring [1024]string
	next int
}

func (s *seen) add(session, id string) bool {
	key := session + "/" + id
	if _, ok := s.ids[key]; ok {
		return false
	}
	if s.ids == nil {
		s.ids = map[string]struct{}{}
	}
	delete(s.ids, s.ring[s.next])
	s.ring[s.next] = key
	s.next = (s.next + 1) % len(s.ring)
	s.ids[key] = struct{}{}
	return true
}

const (
	maxRemembered = 1024
	maxCalls      = 64 // with those that are over and still answer late messages
)

// forget lets go of a call that is over. Its push may still be repeated, and
// must not ring again.
func (k *Kit) forget(c *Call) {
	for kind := range c.timers {
		c.stop(kind)
	}
	if k.calls[c.id] == c { // else its adopter has its place
		delete(k.calls, c.id)
	}
	if c.role == RoleCallee {
		if !c.handedOver() { // else another call or process has it
			k.disown(c.id)
		}
		remember(k.used, c.id, 2*DefaultRingTime)
	}
}

// makeRoom forgets the oldest of the calls that are over, where there are many.
func (k *Kit) makeRoom() {
	var oldest *Call
	for _, c := range k.calls {
		if c.s.phase == StateDisconnected && (oldest == nil || c.made < oldest.made) {
			oldest = c
		}
	}
	if oldest != nil && len(k.calls) >= maxCalls {
		k.forget(oldest)
	}
}

// remember notes an id for a while, and forgets what is old.
func remember(m map[string]time.Time, id string, d time.Duration) {
	now := time.Now()
	delete(m, id)
	for i, t := range m {
		if now.After(t) || len(m) >= maxRemembered {
			delete(m, i)
		}
	}
	m[id] = now.Add(d)
}
