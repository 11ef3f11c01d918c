package call

import (
	"slices"
	"time"
)

// The ways into a call, and what they ask first.

// check is what both ways into a call ask first: is there a Kit, is the param
// good, is it for this Kit?
func (k *Kit) check(p interface{ Validate() error }, user, service string) error {
	if k == nil || k.calls == nil {
		return startError(StartNotInitialized, "the Kit was not made by NewKit")
	}
	if err := p.Validate(); err != nil {
		return err
	}
	return k.mine(user, service)
}

// MakeCall calls a user: all devices of p.PeerUserID. It does not wait for the
// network; what becomes of the call is told to h, from now on, also before
// MakeCall has returned.
//
// The error is a *StartError with a reason of MakeCallParam.Validate (invalidParam,
// invalidUserId, invalidServiceId, invalidAccessToken, tooLongAppServerData,
// idConflict), or with invalidUserId or invalidServiceId (not this Kit's),
// invalidAccessToken (Sealer.CheckToken says why), noPermissionMic, alreadyExist
// (this device is in a call) or notInitialized (the zero Kit, or a closed one).
func (k *Kit) MakeCall(p MakeCallParam, h Handler) (*Call, error) {
	if err := k.check(p, p.MyUserID, p.MyServiceID); err != nil {
		return nil, err
	}
	if err := k.mayMake(p); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.free(); err != nil {
		return nil, err
	}
	return k.startCall(p, h, nil), nil
}

// mayMake asks what a call made here needs of this device.
func (k *Kit) mayMake(p MakeCallParam) error {
	if err := k.cfg.Sealer.CheckToken(p.AccessToken); err != nil {
		return &StartError{Reason: StartInvalidAccessToken, Err: err}
	}
	return k.microphone(p.AllowCallWithoutMic)
}

// free reports why no call can be made now. k.mu is held.
func (k *Kit) free() error {
	if k.closed {
		return startError(StartNotInitialized, "the Kit is closed")
	}
	if live, _ := k.live(); live > 0 || k.survivor.awaited() {
		return startError(StartAlreadyExist, "this device is in a call")
	}
	return nil
}

// startCall makes the call, of g if that is set. k.mu is held.
func (k *Kit) startCall(p MakeCallParam, h Handler, g *Group) *Call {
	c := k.newCall(k.callID(), RoleCaller, Address{Service: p.PeerServiceID, User: p.PeerUserID}, h)
	if c.group = g; g != nil {
		g.calls = append(g.calls, c)
		c.queue.put(notice{kind: noticeMade})
	}
	c.s.opt = options{
		ringTime: orDefault(p.RingTime, DefaultRingTime), unreachAfter: orDefault(p.UnreachableAfter, DefaultUnreach), reachTime: orDefault(p.UnreachableLimit, DefaultReachTime),
		talkLimit: p.TalkLimit, micTimeout: micTimeout(p.MicNoSourceTimeout, p.AllowCallWithoutMic), declineDevice: p.DeclineOnlyDevice, preparation: p.UseResponderPreparation,
		appData: slices.Clone(p.AppData), startMessage: p.StartMessage,
	}
	c.s.activated = !p.AudioActivationByUser
	c.appData, c.startMessage = c.s.opt.appData, p.StartMessage
	c.mark("make")
	k.apply(c, evMake{})
	return c
}

// VerifyCall asks the caller of a push whether the call still stands, for at most
// 5 s. It does not wait for the answer: that is OnVerified. A call that is over
// by now starts, too, and ends with releasedCall. A background call of this Kit
// is taken over.
//
// The error is a *StartError with a reason of VerifyCallParam.Validate
// (invalidParam, invalidUserId, invalidServiceId, decodeCallParam), or with
// invalidUserId or invalidServiceId (not this Kit's), idConflict (the caller is
// this user), noPermissionMic, reuse, alreadyExist (this device is busy; the caller
// was told), invalidState (another process of this device has the call, or it is
// on its way between two) or notInitialized (the zero Kit, or a closed one). After
// alreadyExist and invalidState OnPush gets the call again if it is repeated and
// can be taken.
func (k *Kit) VerifyCall(p VerifyCallParam, h Handler) (*Call, error) {
	if err := k.check(p, p.MyUserID, p.MyServiceID); err != nil {
		return nil, err
	}
	if c := p.CCParam.caller; c.Service == p.MyServiceID && c.User == p.MyUserID {
		return nil, startError(StartIDConflict, "the caller is this user, %q", c.User)
	}
	if err := k.microphone(p.AllowCallWithoutMic); err != nil {
		return nil, err
	}
	id := p.CCParam.callID
	left, err := k.left(id)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, startError(StartNotInitialized, "the Kit is closed")
	}
	b := k.calls[id]
	again := b != nil && b.background != nil && !b.granted && b.s.phase != StateDisconnected // no reuse: it takes over
	if !again {
		if err := k.fresh(id); err != nil {
			return nil, err
		}
	}
	switch own, g := k.glare(p.CCParam, 0); {
	case g == glareLost:
		k.giveWay(own, p.CCParam)
	case g == glareWon:
		delete(k.known, id)
		return nil, startError(StartAlreadyExist, "this device calls user %q, and that call survives", p.CCParam.caller.User)
	case k.busy(id):
		if !again {
			k.replyBusy(id, p.CCParam.caller)
			delete(k.known, id) // it may ring when this device is free
		}
		return nil, startError(StartAlreadyExist, "this device is in a call")
	}
	if again {
		return k.replace(b, p, h, false)
	}
	return k.verifyPushed(p, h, nil, left)
}

// fresh reports why a call can not be verified: it was, or is in no state for
// it. k.mu is held.
func (k *Kit) fresh(id string) error {
	c := k.calls[id]
	if k.adopting[id] || c != nil && (c.granted || c.handedOver()) {
		delete(k.known, id) // it may ring here yet
		return startError(StartInvalidState, "the call is on its way from one process of this device to another")
	}
	if _, ok := k.used[id]; ok || c != nil {
		return startError(StartReuse, "this cc_param was used before")
	}
	return nil
}

// verifyPushed starts the live check of a call whose push came, unless another
// process of this device has it. One may have been killed that had it: this one
// goes on with what the journal says of that. k.mu is held.
func (k *Kit) verifyPushed(p VerifyCallParam, h Handler, b *BackgroundCall, left entry) (*Call, error) {
	id := p.CCParam.callID
	if !k.own(id, false) {
		if k.survivor.id != id {
			delete(k.known, id) // it may ring here yet
			return nil, startError(StartInvalidState, "another process of this device has the call")
		}
		k.own(id, true)
		left = entry{} // that one lives
	}
	c := k.verify(p, h, b, evVerify{replaces: left.Nonces})
	c.acceptsItself = c.acceptsItself || left.Survived
	return c, nil
}

// verify starts the live check of an incoming call. k.mu is held.
func (k *Kit) verify(p VerifyCallParam, h Handler, b *BackgroundCall, e evVerify) *Call {
	id := p.CCParam.callID
	remember(k.used, id, 2*DefaultRingTime)
	k.takeUp(id)
	c := k.newCall(id, RoleCallee, p.CCParam.caller, h)
	c.background, c.param = b, p
	if k.survivor.id == id {
		c.acceptsItself, k.survivor = true, survivor{}
	}
	c.s.legs = []leg{{addr: p.CCParam.caller}}
	c.s.opt.micTimeout = micTimeout(p.MicNoSourceTimeout, p.AllowCallWithoutMic)
	c.s.activated = !p.AudioActivationByUser
	c.mark("verify")
	if e.nonce == "" {
		e.nonce = newID()
	}
	e.replaces = e.replaces[max(0, len(e.replaces)-maxReplaces):]
	c.nonces = append(slices.Clone(e.replaces), e.nonce)
	k.apply(c, e)
	return c
}

func (k *Kit) mine(user, service string) error {
	if user != k.cfg.Self.User {
		return startError(StartInvalidUserID, "my user id %q: this Kit is %q", user, k.cfg.Self.User)
	}
	if service != k.cfg.Self.Service {
		return startError(StartInvalidServiceID, "my service id %q: this Kit is of %q", service, k.cfg.Self.Service)
	}
	return nil
}

func (k *Kit) microphone(without bool) error {
	if without || k.cfg.Microphone == nil {
		return nil
	}
	if err := k.cfg.Microphone(); err != nil {
		return &StartError{Reason: StartNoPermissionMic, Err: err}
	}
	return nil
}

// live counts the calls that are not over, a group as one, and of these the
// connected.
func (k *Kit) live() (live, connected int) {
	live = len(k.adopting)
	var groups []*Group
	for _, c := range k.calls {
		if c.background != nil {
			continue // not until it is adopted
		}
		if c.s.phase != StateDisconnected && !(c.group != nil && slices.Contains(groups, c.group)) {
			live++
			groups = append(groups, c.group)
		}
		if c.s.phase == StateConnected {
			connected++
		}
	}
	return live, connected
}

// busy: at most one connected and one waiting call; one that is awaited after
// a glare counts, but for itself.
func (k *Kit) busy(id string) bool {
	live, connected := k.live()
	if k.survivor.awaited() {
		if k.survivor.id == id {
			return false
		}
		live++
	}
	return live > 1 || live == 1 && (connected == 0 || k.cfg.NoCallWaiting)
}

// checkWait is how long a call keeps the place of another device's whose caller
// does not answer its live check. One that stands is confirmed within
// milliseconds; a push that is late, or of a caller that died, never is.
const checkWait = time.Second

// makeWay lets go of calls whose callers have not answered for so long; true:
// this device is not busy then.
func (k *Kit) makeWay(cc CCParam) bool {
	for _, c := range k.calls {
		unanswered := c.role == RoleCallee && c.background == nil && c.s.phase == StateTrying && !c.s.quiet && !c.s.ending
		if unanswered && k.cfg.Now()-c.made >= checkWait && !c.peer.sameDevice(cc.caller) {
			k.counters["made_way"]++
			k.apply(c, evTimer{timerLease})
		}
	}
	return !k.busy(cc.callID)
}

// refusal is a call that got a busy reply. Its record waits until its push is
// repeated no more: a device that is free again may take the call yet, and a
// call leaves one record.
type refusal struct {
	rec   Record
	timer *time.Timer
}

// replyBusy answers a push by itself.
func (k *Kit) replyBusy(id string, caller Address) {
	k.counters["busy"]++
	k.transmit(nil, actSend{to: caller, typ: TypeEnd, body: &EndBody{Reason: ReasonBusy, Source: SourceCallee}, path: pathMQTT}, id)
	_, again := k.told[id]
	remember(k.told, id, 2*DefaultRingTime)
	if r := k.refused[id]; r != nil {
		r.timer.Reset(leaseTime)
	}
	if again {
		return
	}
	d := Disconnected{Reason: ReasonBusy, Source: SourceCallee}
	rec := Record{CallID: id, Role: RoleCallee, Peer: caller, Began: time.Now(), Disconnected: d, Q850: q850(false, d.Reason)}
	if len(k.refused) >= maxCalls {
		k.record(rec)
		return
	}
	k.refused[id] = &refusal{rec, time.AfterFunc(leaseTime, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.refusedForGood(id)
	})}
}

// refusedForGood leaves the record of a call that nobody has taken. k.mu is held.
func (k *Kit) refusedForGood(id string) {
	if r := k.refused[id]; r != nil {
		k.record(r.rec)
		k.takeUp(id)
	}
}

// takeUp: a call that got a busy reply is taken now. k.mu is held.
func (k *Kit) takeUp(id string) {
	if r := k.refused[id]; r != nil {
		r.timer.Stop()
		delete(k.refused, id)
	}
}

func micTimeout(d time.Duration, without bool) time.Duration {
	if without {
		return 0
	}
	return d
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}
