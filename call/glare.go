package call

import "time"

// Glare: two users call each other before either is connected. Each side
// compares the two calls' ids when it hears of the other call, by its push or
// by VerifyCall; the lower one survives, so both sides decide the same
// whatever is lost or late. The survivor's caller ignores the other push. The
// loser ends its own call, and accepts the survivor by itself once the
// application has verified it: this user wanted to talk, now.
//
// A survivor that is verified in the background can not talk yet: it rings, and
// whoever adopts it accepts it by that. So it is, too, where this device called
// the caller of a background call that it has already.
//
// A call that is connected stays: if the other one was made before that (its
// push says how old it is), its caller is told alreadyGotACall.

type glare int

const (
	glareNone glare = iota
	glareLost       // the own call makes way
	glareWon        // the other call does
	glareLate       // so too: the own one is connected
)

// survivor is the call that an own call made way for, until the application
// has verified it or does not do so for a while. It counts as a call.
type survivor struct {
	id    string
	until time.Time
}

func (s survivor) awaited() bool { return s.id != "" && time.Now().Before(s.until) }

// glare compares an incoming call with the own calls to its user. k.mu is held.
func (k *Kit) glare(cc CCParam, age time.Duration) (own *Call, g glare) {
	for _, c := range k.calls {
		if c.role != RoleCaller || c.peer != cc.caller.UserAddress() {
			continue
		}
		switch {
		case c.s.phase == StateTrying || c.s.phase == StateWaitAnswer:
			if cc.callID < c.id {
				return c, glareLost
			}
			return c, glareWon
		case c.s.phase == StateConnected && age > k.cfg.Now()-c.began:
			own, g = c, glareLate
		}
	}
	return own, g
}

// giveWay ends the own call for the survivor, with whatever group it is of.
func (k *Kit) giveWay(own *Call, cc CCParam) {
	k.counters["glare"]++
	if b := k.calls[cc.callID]; b != nil {
		if b.acceptsItself = true; b.entered != entryNone {
			k.enter(b) // so that a process that finds it in the journal knows
		}
	} else {
		k.survivor = survivor{cc.callID, time.Now().Add(leaseTime)}
		delete(k.known, cc.callID) // the application gets its push, again if need be
	}
	if g := own.group; g != nil {
		g.answer(own, cc.caller.User+"/"+cc.caller.Device)
	}
	k.apply(own, evGlare{})
}

// backgroundInGlare is told of each further push of a call: this device may
// have called its caller since it was verified in the background. k.mu is held.
func (k *Kit) backgroundInGlare(c *Call) {
	if c.background == nil || c.s.phase == StateDisconnected {
		return
	}
	if own, g := k.glare(c.param.CCParam, 0); g == glareLost {
		k.giveWay(own, c.param.CCParam)
	}
}

// pushedInGlare handles a push of a call that meets an own one; true: that was all.
func (k *Kit) pushedInGlare(cc CCParam, age time.Duration) bool {
	own, g := k.glare(cc, age)
	switch g {
	case glareLost:
		k.giveWay(own, cc)
	case glareWon:
		k.counters["glare"]++
		return true
	case glareLate:
		k.counters["glare"]++
		k.transmit(nil, actSend{to: cc.caller, typ: TypeEnd, body: &EndBody{Reason: ReasonAlreadyGotACall, Source: SourceTransport}, path: pathMQTT}, cc.callID)
		return true
	}
	return false
}
