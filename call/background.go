package call

import (
	"errors"
	"fmt"
	"slices"
)

// Why a background call can not be adopted, besides the reasons of a
// *StartError. Use errors.Is.
var (
	ErrAlreadyAdopted = errors.New("this background call was adopted before")
	ErrEnded          = errors.New("this background call has ended")
	ErrNoSuchCall     = errors.New("no background call has this id")
)

// The bounds of the background calls that live at once. A device makes one call
// at a time, or two if it has two processes: whoever floods this one with more
// does not keep out the others.
const (
	maxBackground   = 8
	maxBackgroundOf = 2 // of one calling device
)

// BackgroundCall is an incoming call that was verified where nothing can talk:
// by a daemon, at boot, or while another call goes on. It can ring, and no
// more; Kit.AdoptBackgroundCall makes a full call of it, in any process of this
// device, by its id.
type BackgroundCall struct {
	c *Call
	h BackgroundHandler
}

// BackgroundHandler is told what happens to a background call. Each function
// may be nil. They run one at a time, in order, with no lock held, and may
// call any method. The last is either OnAdopted or OnDisconnected.
type BackgroundHandler struct {
	OnVerified     func(b *BackgroundCall, peerUsesResponderPreparation bool) // it stands, and may ring
	OnError        func(b *BackgroundCall, err error)                         // the journal: the call goes on, but does not outlive this process
	OnAdopted      func(*BackgroundCall)                                      // stop ringing: somebody else has it
	OnDisconnected func(*BackgroundCall, Disconnected)                        // it is over
}

// ID names the call for AdoptBackgroundCall; it is the call's id.
func (b *BackgroundCall) ID() string { return b.c.id }

// Peer is the calling device.
func (b *BackgroundCall) Peer() Address { return b.c.Peer() }

// State is trying, verified or disconnected (which it is also when adopted).
func (b *BackgroundCall) State() State { return b.c.State() }

// AppData is the caller's, readable from OnVerified on.
func (b *BackgroundCall) AppData() []byte { return b.c.AppData() }

// StartMessage is the caller's, readable from OnVerified on.
func (b *BackgroundCall) StartMessage() string { return b.c.StartMessage() }

// Ringing tells the caller that this device really rings; false before
// OnVerified and after the end.
func (b *BackgroundCall) Ringing() bool { return b.c.Ringing() }

// Accept is false: a background call must be adopted first.
func (b *BackgroundCall) Accept(AcceptOptions) bool { return false }

// End is false: a background call must be adopted first.
func (b *BackgroundCall) End() bool { return false }

func (b *BackgroundCall) deliver(n notice) {
	switch n.kind {
	case noticeVerified:
		if b.h.OnVerified != nil {
			b.h.OnVerified(b, n.on)
		}
	case noticeError:
		if b.h.OnError != nil {
			b.h.OnError(b, n.err)
		}
	case noticeAdopted:
		if b.h.OnAdopted != nil {
			b.h.OnAdopted(b)
		}
	case noticeDisconnected:
		if b.h.OnDisconnected != nil {
			b.h.OnDisconnected(b, n.end)
		}
	}
}

// VerifyBackgroundCall is VerifyCall for a process, or at a time, that can not
// talk. It does not count as a call of this device until it is adopted, so
// there may be some beside others: 8 at once, 2 of one calling device. The error
// is a *StartError as of VerifyCall, but no microphone is asked for, and
// alreadyExist says that there are too many.
func (k *Kit) VerifyBackgroundCall(p VerifyCallParam, h BackgroundHandler) (*BackgroundCall, error) {
	if err := k.check(p, p.MyUserID, p.MyServiceID); err != nil {
		return nil, err
	}
	id, caller := p.CCParam.callID, p.CCParam.caller
	if caller.UserAddress() == k.cfg.Self.UserAddress() {
		return nil, startError(StartIDConflict, "the caller is this user, %q", caller.User)
	}
	left, err := k.left(id)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, startError(StartNotInitialized, "the Kit is closed")
	}
	if err := k.fresh(id); err != nil {
		return nil, err
	}
	n, of := 0, 0
	for _, c := range k.calls {
		if c.background != nil && c.s.phase != StateDisconnected {
			n++
			if c.peer.sameDevice(caller) {
				of++
			}
		}
	}
	if n >= maxBackground || of >= maxBackgroundOf {
		delete(k.known, id) // it may come again
		k.counters["background_full"]++
		return nil, startError(StartAlreadyExist, "%d background calls wait already, %d of them of that device", n, of)
	}
	switch own, g := k.glare(p.CCParam, 0); g {
	case glareLost:
		k.giveWay(own, p.CCParam)
	case glareWon:
		delete(k.known, id)
		return nil, startError(StartAlreadyExist, "this device calls user %q, and that call survives", caller.User)
	}
	b := &BackgroundCall{h: h}
	if b.c, err = k.verifyPushed(p, Handler{}, b, left); err != nil {
		return nil, err
	}
	b.c.next = newID()
	return b, nil
}

// AdoptBackgroundCall makes a full call of a background call: one of this Kit,
// or, through Config.Journal, one of another process of this device, which is
// told OnAdopted, or of one that was killed. It waits for the other process for
// at most a second or so.
//
// The caller is asked once more, live, whether the call stands; OnVerified is
// not given again (only where the background call did not come so far), and
// Ringing and Accept may be called at once. AppData and StartMessage are there.
// A call that ended meanwhile gets OnDisconnected. The caller sees the same
// device all the while.
//
// Errors, to be told by errors.Is: ErrAlreadyAdopted, ErrEnded, ErrNoSuchCall; a *StartError with
// alreadyExist (two calls already: the background call stays as it was),
// noPermissionMic or notInitialized; else what is wrong with the journal.
func (k *Kit) AdoptBackgroundCall(id string, h Handler) (*Call, error) {
	if k == nil || k.calls == nil {
		return nil, startError(StartNotInitialized, "the Kit was not made by NewKit")
	}
	if !ValidID(id) {
		return nil, fmt.Errorf("call: adopt %q: %w", clip(id), ErrNoSuchCall)
	}
	noMic := k.microphone(false) // asked with no lock held
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.calls[id]
	if c != nil && !(c.handedOver() && k.journal != nil) { // else that process may be dead by now
		return k.adoptHere(c, c.param, h, noMic)
	}
	if k.adopting[id] {
		return nil, fmt.Errorf("call: adopt %s: %w", id, ErrAlreadyAdopted)
	}
	if err := k.mayTalk(id); err != nil {
		return nil, err
	}
	if k.journal == nil {
		return nil, fmt.Errorf("call: adopt %s: %w in this process, and there is no journal of others", id, ErrNoSuchCall)
	}
	k.adopting[id] = true // it counts as a call of this device already
	k.own(id, true)       // before its owner lets go, so that it is never nobody's
	k.mu.Unlock()
	e, err := k.journal.claim(id, k.cfg.Self, noMic)
	k.mu.Lock()
	delete(k.adopting, id)
	defer func() {
		if c := k.calls[id]; c == nil || c.handedOver() {
			k.disown(id)
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("call: adopt %s: %w", id, err)
	}
	if k.closed {
		return nil, startError(StartNotInitialized, "the Kit is closed")
	}
	if k.calls[id] != c { // its repeated push was verified here meanwhile
		return nil, fmt.Errorf("call: adopt %s: %w", id, ErrAlreadyAdopted)
	}
	p, err := e.param()
	if err != nil {
		return nil, fmt.Errorf("call: adopt %s: %w", id, err)
	}
	c = k.verify(p, h, nil, evVerify{nonce: e.next, replaces: e.Nonces, quiet: e.Verified})
	c.appData, c.startMessage, c.ringEnd, c.acceptsItself = e.AppData, e.StartMessage, k.cfg.Now()+e.left, e.Survived
	c.rang = e.Rang
	k.enter(c)
	return c, nil
}

// handedOver: it was a background call of this process, and another one has it.
func (c *Call) handedOver() bool {
	return c.background != nil && c.s.phase == StateDisconnected && c.over == nil
}

// mayTalk reports why this device can not take one more call now. k.mu is held.
func (k *Kit) mayTalk(id string) error {
	if k.closed {
		return startError(StartNotInitialized, "the Kit is closed")
	}
	if k.busy(id) {
		return startError(StartAlreadyExist, "this device is in a call")
	}
	return nil
}

// adoptHere adopts a call of this Kit, verified with p. k.mu is held.
func (k *Kit) adoptHere(c *Call, p VerifyCallParam, h Handler, noMic error) (*Call, error) {
	over := c.s.phase == StateDisconnected
	switch {
	case c.background == nil && len(c.s.replaces) == 0:
		return nil, fmt.Errorf("call: adopt %s: %w", c.id, ErrNoSuchCall)
	case c.background == nil || c.granted || c.handedOver():
		return nil, fmt.Errorf("call: adopt %s: %w", c.id, ErrAlreadyAdopted)
	case over:
		return nil, fmt.Errorf("call: adopt %s: %w", c.id, ErrEnded)
	case noMic != nil && !p.AllowCallWithoutMic:
		return nil, noMic
	}
	if own, g := k.glare(p.CCParam, 0); g == glareLost {
		k.giveWay(own, p.CCParam)
	}
	if err := k.mayTalk(c.id); err != nil {
		return nil, err
	}
	return k.replace(c, p, h, c.s.phase == StateVerified)
}

// replace makes a full call of a background call. quiet: OnVerified is not
// given again. k.mu is held.
func (k *Kit) replace(c *Call, p VerifyCallParam, h Handler, quiet bool) (*Call, error) {
	if !k.apply(c, evHandOver{}) {
		return nil, fmt.Errorf("call: adopt %s: %w", c.id, ErrEnded)
	}
	k.forget(c)
	n := k.verify(p, h, nil, evVerify{nonce: c.next, replaces: c.nonces, quiet: quiet})
	n.made, n.wall, n.stages = c.made, c.wall, append(slices.Clone(c.stages), n.stages...)
	n.appData, n.startMessage, n.ringEnd, n.acceptsItself = c.appData, c.startMessage, c.ringEnd, c.acceptsItself
	n.rang = c.rang || c.s.ringing
	k.enter(n)
	return n, nil
}
