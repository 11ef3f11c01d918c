package call

import (
	"cmp"
	"slices"
	"time"
)

// MaxGroup bounds the users of a ring group.
const MaxGroup = 16

// GroupMember is one user of a ring group. It rings After the group's start,
// or at once when nobody of the group rings any more.
type GroupMember struct {
	UserID string        // a ValidID, each once
	After  time.Duration // 0 to 1 h
}

// GroupHandler is told what happens to a group. The functions of Handler get
// the events of each of its calls (Call.Group tells them apart from others);
// those of different calls may run at the same time.
type GroupHandler struct {
	Handler
	// OnCall is each call's first event: the place for SetVoice.
	OnCall func(*Call)
	// OnOver is the group's last event, after the OnDisconnected of each of
	// its calls; d is how the group ended.
	OnOver func(g *Group, d Disconnected)
}

// Group is several users rung by one press. Each has a Call of its own; they
// count as one. The first answer ends the others: cancel, with AnsweredBy. A
// decline or busy ends only its own.
type Group struct {
	kit     *Kit
	param   MakeCallParam
	handler GroupHandler

	// guarded by kit.mu
	waiting  []GroupMember // those who have yet to ring, in order
	calls    []*Call
	made     time.Duration
	timer    *time.Timer
	ended    bool  // no more members are rung
	answered *Call // the first to connect
	left     int   // calls whose last event is yet to be delivered
}

// MakeGroupCall rings several users of p.PeerServiceID, 1 to MaxGroup;
// p.PeerUserID is not used. The error is a *StartError as of MakeCall, with
// invalidParam for what is wrong with members, and nobody is rung then.
func (k *Kit) MakeGroupCall(p MakeCallParam, members []GroupMember, h GroupHandler) (*Group, error) {
	if n := len(members); n == 0 || n > MaxGroup {
		return nil, startError(StartInvalidParam, "%d group members, 1 to %d allowed", n, MaxGroup)
	}
	p.AppData = slices.Clone(p.AppData)
	seen := map[string]bool{}
	for _, m := range members {
		p.PeerUserID = m.UserID
		if err := k.check(p, p.MyUserID, p.MyServiceID); err != nil {
			return nil, err
		}
		if seen[m.UserID] {
			return nil, startError(StartInvalidParam, "group member %q is there twice", m.UserID)
		}
		if seen[m.UserID] = true; m.After < 0 || m.After > maxLimit {
			return nil, startError(StartInvalidParam, "group member %q rings after %v, 0 to %v allowed", m.UserID, m.After, maxLimit)
		}
	}
	if err := k.mayMake(p); err != nil {
		return nil, err
	}
	g := &Group{kit: k, param: p, handler: h, waiting: slices.Clone(members), made: k.cfg.Now()}
	slices.SortStableFunc(g.waiting, func(a, b GroupMember) int { return cmp.Compare(a.After, b.After) })
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.free(); err != nil {
		return nil, err
	}
	g.ring()
	return g, nil
}

// Calls are the group's so far, in the order in which they rang.
func (g *Group) Calls() []*Call {
	g.kit.mu.Lock()
	defer g.kit.mu.Unlock()
	return slices.Clone(g.calls)
}

// Answered is the call that was answered, nil before.
func (g *Group) Answered() *Call {
	g.kit.mu.Lock()
	defer g.kit.mu.Unlock()
	return g.answered
}

// End ends all of it; true once, as Call.End.
func (g *Group) End() (ended bool) {
	g.kit.mu.Lock()
	defer g.kit.mu.Unlock()
	g.stop()
	for _, c := range g.calls {
		ended = g.kit.apply(c, evEnd{}) || ended
	}
	return ended
}

// --- kit.mu is held from here on ---

// ring rings whoever is due, and the next one where nobody rings.
func (g *Group) ring() {
	for !g.ended && len(g.waiting) > 0 { // each pass rings one
		next := g.waiting[0]
		wait := next.After - (g.kit.cfg.Now() - g.made)
		if wait > 0 && slices.ContainsFunc(g.calls, func(c *Call) bool { return c.s.phase != StateDisconnected }) {
			if g.timer == nil {
				g.timer = time.AfterFunc(wait, func() {
					g.kit.mu.Lock()
					defer g.kit.mu.Unlock()
					g.timer = nil
					g.ring()
				})
			}
			return
		}
		g.waiting = g.waiting[1:]
		p := g.param
		p.PeerUserID = next.UserID
		g.left++
		g.kit.startCall(p, g.handler.Handler, g)
	}
}

// stop rings no further members.
func (g *Group) stop() {
	g.ended = true
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// answer: by ("user/device") took c, or a call of its own in c's place; the
// others are over.
func (g *Group) answer(c *Call, by string) {
	g.stop()
	if g.answered == nil {
		g.answered = c
	}
	for _, o := range g.calls {
		if o != c {
			g.kit.apply(o, evEnd{EndBody{Reason: ReasonCancel, AnsweredBy: by}})
		}
	}
}

// over is told of each call's end. While others go on, so does the group.
func (g *Group) over() {
	if g.kit.closed {
		g.stop()
	}
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	g.ring()
}

// delivered: a call's last event was. The second result is the group's end,
// if that was the last of all.
func (g *Group) delivered() (Disconnected, bool) {
	g.left--
	if g.left > 0 || !g.ended && len(g.waiting) > 0 {
		return Disconnected{}, false
	}
	if g.answered != nil {
		return *g.answered.over, true
	}
	best := *g.calls[0].over
	for _, c := range g.calls[1:] {
		if told(c.over.Reason) >= told(best.Reason) {
			best = *c.over
		}
	}
	return best, true
}

// told ranks how much an end says of a group that nobody answered; of equals
// the last member's counts.
func told(r Reason) int {
	switch r {
	case ReasonUnavailableNetwork:
		return 0
	case ReasonPushError:
		return 1
	case ReasonBusy:
		return 2
	case ReasonDecline:
		return 3
	case ReasonNoAnswer:
		return 4
	}
	return 5 // ended here, or a fault
}
