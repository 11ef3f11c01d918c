package call

import (
	"slices"
	"sync/atomic"
	"time"
)

// Call is one call, as one side has it. Its methods may be called from any
// goroutine, also from its handlers; those that answer bool say whether the
// wish was taken up.
type Call struct {
	kit           *Kit
	id            string
	role          Role
	peer          Address // caller: the user; callee: the calling device
	handler       Handler
	queue         *queue
	group         *Group // nil: of none
	acceptsItself bool   // it survived a glare with a call of this device's; in the background: once adopted
	media         atomic.Pointer[MyMediaHandler]
	voice         atomic.Pointer[Voice]
	chosen        atomic.Pointer[Session]
	captured      atomic.Int64 // when WriteFrame was called last, on the Kit's clock
	mine          meter
	levelEvery    atomic.Int64 // time.Duration
	theirs        meter

	background *BackgroundCall // nil: a full call
	param      VerifyCallParam // callee: what it was verified with

	// guarded by kit.mu
	s            state
	nonces       []string      // callee: of this device's live checks of the call, the present one last
	next         string        // background: the nonce that its adopter will use; the journal has it before that
	ringEnd      time.Duration // callee: on Config.Now
	granted      bool          // a background call is on its way to another process
	entered      entryState    // as what it is in the journal
	rang         bool          // the caller was told that it rings here by an earlier process, or before the call was adopted
	timers       map[timerKind]*time.Timer
	sessions     map[string]Session
	levels       *time.Timer
	made, began  time.Duration
	wall         time.Time
	stages       []Stage
	answered     Address
	appData      []byte
	startMessage string
	last         MediaStats
	playout      PlayoutStats // after the end
	over         *Disconnected
}

func (k *Kit) newCall(id string, role Role, peer Address, h Handler) *Call {
	c := &Call{
		kit: k, id: id, role: role, peer: peer, handler: h, made: k.cfg.Now(), wall: time.Now(),
		timers: map[timerKind]*time.Timer{}, sessions: map[string]Session{},
		s: state{role: role, id: id, self: k.cfg.Self},
	}
	c.levelEvery.Store(int64(levelInterval))
	c.queue = newQueue(c.deliver)
	k.events.Add(1)
	k.handle(newRunner(), func() { defer k.events.Done(); c.queue.run() })
	k.makeRoom()
	k.calls[id] = c
	return c
}

// ID is the call's id, a ValidID, the same at both ends.
func (c *Call) ID() string { return c.id }

// Group is the ring group that the call is part of, or nil.
func (c *Call) Group() *Group { return c.group }

// Role is this side's.
func (c *Call) Role() Role { return c.role }

// Peer is the other side: the user while calling, the device once connected;
// for the callee always the calling device.
func (c *Call) Peer() Address {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	if c.role == RoleCaller && c.answered.User != "" {
		return c.answered
	}
	return c.peer
}

// State is the call's present state.
func (c *Call) State() State {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return c.s.phase
}

// AppData is the caller's, readable by the callee from OnVerified on.
func (c *Call) AppData() []byte {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return slices.Clone(c.appData)
}

// StartMessage is the caller's, readable by the callee from OnVerified on.
func (c *Call) StartMessage() string {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return c.startMessage
}

func (c *Call) apply(e any) bool {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return c.kit.apply(c, e)
}

// Ringing tells the caller that this device really rings. Callee, once
// verified; false else.
func (c *Call) Ringing() bool { return c.apply(evRinging{}) }

// RangBefore reports whether the caller was told that this device rings before
// the call was adopted, or by a process that was killed. It still thinks so, and
// shows it to its user. Until the caller has confirmed the call this is what the
// journal knows; a process that was killed while it said so may not have got to
// write that.
func (c *Call) RangBefore() bool {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return c.rang
}

// AcceptOptions say how a call is accepted.
type AcceptOptions struct {
	UseResponderPreparation bool // counts only if OnVerified offered it
}

// Accept asks the caller for the call: true means asked, OnConnected follows
// if this device is chosen. A connected call is held first, or ended
// (Config.AcceptEndsOther).
func (c *Call) Accept(o AcceptOptions) bool {
	k := c.kit
	k.mu.Lock()
	defer k.mu.Unlock()
	accept := evAccept{o.UseResponderPreparation}
	if _, _, ok := step(c.s, accept); !ok { // nothing is held for an Accept that is refused
		return false
	}
	c.mark("accept")
	if k.cfg.AcceptEndsOther {
		for _, other := range k.calls {
			if other != c && other.s.engaged() {
				k.apply(other, evEnd{})
			}
		}
	}
	k.holdOthers(c)
	return k.apply(c, accept)
}

// holdOthers keeps at most one call active. kit.mu is held.
func (k *Kit) holdOthers(c *Call) {
	for _, other := range k.calls {
		if other != c && other.s.active() {
			k.apply(other, evHold{true, "another call"})
		}
	}
}

// End ends the call; true once. OnDisconnected follows.
func (c *Call) End() bool { return c.apply(evEnd{}) }

// EndWith is End with more to say; an error is a limit that was passed.
func (c *Call) EndWith(o EndOptions) (bool, error) {
	if err := o.validate(); err != nil {
		return false, err
	}
	return c.apply(evEnd{EndBody{UserCode: o.UserCode, Phrase: o.Phrase}}), nil
}

// FinishPreparation lets the media flow; the callee, once, within 60 s of
// OnConnected: the call ends with internalError else. False for the caller, and
// where there is no preparation to be finished.
func (c *Call) FinishPreparation() bool { return c.apply(evFinishPrep{}) }

// NotifyAudioActivation opens the gates of a call whose param has
// AudioActivationByUser; idempotent, remembered; false after the end.
func (c *Call) NotifyAudioActivation() bool { return c.apply(evActivate{}) }

// Hold stops the voice both ways; the peer is told. False: the reason has more
// than MaxHoldReason bytes, or the call is held, or neither connected nor accepted.
func (c *Call) Hold(reason string) bool {
	return len(reason) <= MaxHoldReason && c.apply(evHold{true, reason})
}

// Unhold lets it go on; another call of this device that talks is held first.
// False: it is not held.
func (c *Call) Unhold() bool {
	k := c.kit
	k.mu.Lock()
	defer k.mu.Unlock()
	unhold := evHold{on: false}
	if _, _, ok := step(c.s, unhold); !ok {
		return false
	}
	k.holdOthers(c)
	return k.apply(c, unhold)
}

// RequestPeerMute asks the peer to mute its microphone. False: not connected.
func (c *Call) RequestPeerMute() bool { return c.apply(evMuteRequest{}) }

// SilencePeer drops what the peer says, here only. False: it was so, or the call
// is over.
func (c *Call) SilencePeer(on bool) bool { return c.apply(evSilence{on}) }

// RequestOpen asks the peer to open its door; OnOpenResult follows. False
// while another request is under way, or not connected.
func (c *Call) RequestOpen() bool { return c.apply(evOpen{}) }

// ClaimOpen must be asked right before the door is opened: false means that
// the request has expired (the asker learns that it was not opened), was
// answered, or that the call is over, and the door must stay shut. After true
// the request waits for AnswerOpen.
func (c *Call) ClaimOpen() bool { return c.apply(evOpenClaim{}) }

// AnswerOpen answers OnOpenRequest, once; why, at most 256 bytes, is for the
// asker. False: why is too long, or the request was answered, or has expired.
func (c *Call) AnswerOpen(opened bool, why string) bool {
	return len(why) <= maxWhy && c.apply(evOpenAnswer{opened, why})
}

// MyMediaStatus is this side's own microphone in a call.
type MyMediaStatus struct{ c *Call }

// MyMediaStatus is this side's microphone in the call.
func (c *Call) MyMediaStatus() MyMediaStatus { return MyMediaStatus{c} }

// SetHandler sets who is told of this side's microphone, in place of who was.
// False: the call is over.
func (m MyMediaStatus) SetHandler(h MyMediaHandler) bool {
	if m.c.State() == StateDisconnected {
		return false
	}
	m.c.media.Store(&h)
	return true
}

func (c *Call) mediaHandler() MyMediaHandler {
	if h := c.media.Load(); h != nil {
		return *h
	}
	return MyMediaHandler{}
}

// Mute closes or opens the microphone; also before connect. False: it was so.
func (m MyMediaStatus) Mute(on bool) bool { return m.c.apply(evMute{on}) }

// Muted reports whether it is closed.
func (m MyMediaStatus) Muted() bool {
	m.c.kit.mu.Lock()
	defer m.c.kit.mu.Unlock()
	return m.c.s.muted
}

func (c *Call) start(k timerKind, d time.Duration) {
	c.stop(k)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		c.kit.mu.Lock()
		defer c.kit.mu.Unlock()
		if c.timers[k] == t {
			delete(c.timers, k)
			var e any = evTimer{k}
			if k == timerMic {
				e = evMicSilent{c.kit.cfg.Now() - time.Duration(c.captured.Load())}
			}
			c.kit.apply(c, e)
		}
	})
	c.timers[k] = t
}

func (c *Call) stop(k timerKind) {
	if t := c.timers[k]; t != nil {
		t.Stop()
		delete(c.timers, k)
	}
}
