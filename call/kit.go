package call

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Config is what a Kit is made of.
type Config struct {
	Self      Address // all four fields; Session is new for each process
	Token     string  // access token of this device
	Transport Transport
	Sealer    Sealer
	Media     Media
	// Microphone reports why there is none that may be read, naming the
	// device; nil, or a nil result: there is one.
	Microphone func() error
	// OnPush gets the cc_param of each new incoming call, once; the Kit has
	// checked the envelope, not yet that the call stands. It may block for a
	// while: 16 more wait, further ones come again with their repeats.
	OnPush func(ccParam string)
	// OnRecord gets each call's record, from one goroutine, after
	// OnDisconnected.
	OnRecord func(Record)
	// Journal is a folder that background calls are kept in, so that another
	// process of this device can adopt them, also after this one was killed;
	// "": none. It is made, for this user alone, if there is none. What goes
	// wrong with it is told by JournalErr, and the calls go on without it.
	Journal string
	// JournalIncoming keeps every verified call there while it rings, so that
	// a station that was killed finds it in PendingBackgroundCalls.
	JournalIncoming bool
	// NoCallWaiting: a second call gets a busy reply.
	NoCallWaiting bool
	// AcceptEndsOther: accepting a waiting call ends the present one; else it is held.
	AcceptEndsOther bool
	// Now is the monotonic clock of the records' stages; nil: since NewKit.
	Now func() time.Duration
	Log *slog.Logger // nil: none
}

// Kit makes, receives and owns the calls of one device. All methods may be
// called from any goroutine, also from handlers.
type Kit struct {
	cfg     Config
	log     *slog.Logger
	cancel  context.CancelFunc
	ctx     context.Context
	wg      sync.WaitGroup
	callID  func() string
	events  sync.WaitGroup // of wg, the queues of the calls: they may still leave a record
	pushes  chan string
	records chan Record
	journal *journal // nil: none
	entries chan entryOp

	mu       sync.Mutex // guards all below, and each Call's fields marked so
	calls    map[string]*Call
	used     map[string]time.Time // call ids verified here: reuse
	known    map[string]time.Time // call ids given to OnPush
	told     map[string]time.Time // call ids that got our busy reply
	seen     seen
	survivor survivor // of a glare
	counters map[string]uint64
	handlers map[uint64]bool // goroutines that run the application's functions
	closed   bool
	adopting map[string]bool  // calls on their way here from another process
	orphans  map[string]entry // calls of a killed process of this device, from the journal
	badDisk  error            // why the journal does not work
}

// NewKit checks cfg and starts listening.
func NewKit(cfg Config) (*Kit, error) {
	for _, id := range []struct{ what, id string }{{"service", cfg.Self.Service}, {"user", cfg.Self.User}, {"device", cfg.Self.Device}, {"session", cfg.Self.Session}} {
		if !ValidID(id.id) {
			return nil, fmt.Errorf("call: new kit: %s id %q: want 1 to 64 of a-z A-Z 0-9 . _ -", id.what, clip(id.id))
		}
	}
	if cfg.Transport == nil || cfg.Sealer == nil || cfg.Media == nil {
		return nil, errors.New("call: new kit: Transport, Sealer and Media must be set")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		t0 := time.Now()
		cfg.Now = func() time.Duration { return time.Since(t0) }
	}
	k := &Kit{
		cfg: cfg, log: cfg.Log, callID: newID,
		pushes: make(chan string, 16), records: make(chan Record, 64),
		calls: map[string]*Call{}, used: map[string]time.Time{}, known: map[string]time.Time{}, told: map[string]time.Time{},
		counters: map[string]uint64{}, handlers: map[uint64]bool{}, adopting: map[string]bool{},
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.handle(k.notify)
	k.openJournal()
	cfg.Transport.Listen(k.receive)
	return k, nil
}

// handle runs f, which calls the application's functions, in a goroutine that
// a Close from one of them does not wait for.
func (k *Kit) handle(f func()) {
	k.wg.Go(func() {
		me := goid()
		k.mu.Lock()
		k.handlers[me] = true
		k.mu.Unlock()
		f()
		k.mu.Lock()
		delete(k.handlers, me)
		k.mu.Unlock()
	})
}

// notify calls OnPush and OnRecord; after Close, OnRecord of the last calls.
func (k *Kit) notify() {
	for k.ctx.Err() == nil {
		select {
		case <-k.ctx.Done():
		case p := <-k.pushes:
			if k.cfg.OnPush != nil {
				k.cfg.OnPush(p)
			}
		case r := <-k.records:
			k.onRecord(r)
		}
	}
	k.events.Wait()
	for {
		select {
		case r := <-k.records:
			k.onRecord(r)
		default:
			return
		}
	}
}

func (k *Kit) onRecord(r Record) {
	if k.cfg.OnRecord != nil {
		k.cfg.OnRecord(r)
	}
}

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

// MakeCall calls a user. The error is a *StartError.
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

// VerifyCall asks the caller of a push whether the call still stands. The
// error is a *StartError; a call that is over by now starts, and ends with
// releasedCall.
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
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, startError(StartNotInitialized, "the Kit is closed")
	}
	id := p.CCParam.callID
	b := k.calls[id]
	again := b != nil && b.background != nil && !b.granted && b.s.phase != StateDisconnected // no reuse: it takes over
	if _, ok := k.used[id]; (ok || b != nil || k.adopting[id]) && !again {
		return nil, startError(StartReuse, "this cc_param was used before")
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
	return k.verify(p, h, nil, evVerify{replaces: k.orphans[id].Nonces}), nil
}

// verify starts the live check of an incoming call. k.mu is held.
func (k *Kit) verify(p VerifyCallParam, h Handler, b *BackgroundCall, e evVerify) *Call {
	id := p.CCParam.callID
	remember(k.used, id, 2*DefaultRingTime)
	c := k.newCall(id, RoleCallee, p.CCParam.caller, h)
	c.background, c.param = b, p
	if k.survivor.id == id {
		c.acceptsItself, k.survivor = b == nil, survivor{}
	}
	c.s.legs = []leg{{addr: p.CCParam.caller}}
	c.s.opt.micTimeout = micTimeout(p.MicNoSourceTimeout, p.AllowCallWithoutMic)
	c.s.activated = !p.AudioActivationByUser
	c.mark("verify")
	e.nonce = newID()
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

// replyBusy answers a push by itself and leaves a record of the call.
func (k *Kit) replyBusy(id string, caller Address) {
	k.transmit(nil, actSend{to: caller, typ: TypeEnd, body: &EndBody{Reason: ReasonBusy, Source: SourceCallee}, path: pathMQTT}, id)
	_, again := k.told[id]
	remember(k.told, id, 2*DefaultRingTime)
	if again {
		return
	}
	d := Disconnected{Reason: ReasonBusy, Source: SourceCallee}
	k.record(Record{CallID: id, Role: RoleCallee, Peer: caller, Began: time.Now(), Disconnected: d, Q850: q850(false, d.Reason)})
}

// Counters are what was received, dropped and ignored, by kind.
func (k *Kit) Counters() map[string]uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.counters)
}

// Close ends every call with appDestroy and waits for the Kit's goroutines;
// called from a handler it does not wait for that handler. Idempotent.
func (k *Kit) Close() error { return k.shut(ReasonAppDestroy) }

// Sleep is Close for a system that goes to sleep: the reason is systemSleep.
func (k *Kit) Sleep() error { return k.shut(ReasonSystemSleep) }

func (k *Kit) shut(r Reason) error {
	me := goid()
	k.mu.Lock()
	k.closed = true
	fromHandler := k.handlers[me]
	var calls []*Call
	for _, c := range k.calls {
		calls = append(calls, c)
		if c.s.phase != StateDisconnected {
			k.apply(c, evEnd{EndBody{Reason: r}})
			if c.s.ending { // no time to wait for the caller's word
				k.apply(c, evTimer{timerEnd})
			}
		}
		for kind := range c.timers {
			c.stop(kind)
		}
	}
	clear(k.calls)
	k.mu.Unlock()
	for _, c := range calls {
		c.queue.wait(me)
	}
	k.cfg.Transport.Listen(nil)
	k.journal.hush()
	k.cancel()
	if !fromHandler {
		k.wg.Wait()
	}
	return nil
}

// receive takes one sealed message from the transport or a data channel.
func (k *Kit) receive(data []byte) {
	msg, err := k.cfg.Sealer.Open(data)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	if err != nil {
		kind := "invalid"
		var e interface{ Kind() string }
		if errors.As(err, &e) {
			kind = e.Kind()
		}
		k.drop(kind, err)
		return
	}
	if msg.From == k.cfg.Self {
		k.drop("own", nil)
		return
	}
	if !k.seen.add(msg.From.Session, msg.ID) {
		k.counters["repeated"]++
		return
	}
	body, err := DecodeBody(msg.Type, msg.Body)
	if errors.Is(err, errUnknownType) {
		k.drop("unknown_type", nil)
		if msg.Type != TypeUnknown {
			k.transmit(nil, actSend{to: msg.From, bind: msg.Bind, typ: TypeUnknown, body: &UnknownTypeBody{Type: clip(string(msg.Type))}, path: pathMQTT}, msg.Call)
		}
		return
	}
	if err != nil {
		k.drop("body", err)
		return
	}
	c := k.calls[msg.Call]
	switch {
	case c != nil:
		if c.role == RoleCallee && msg.From != c.peer || msg.From.UserAddress() != c.peer.UserAddress() {
			k.drop("stranger", nil)
			return
		}
		if !k.apply(c, evMessage{msg.From, msg.Bind, msg.Type, body, k.cfg.Now()}) {
			k.counters["ignored"]++
		}
	case msg.Type == TypePush:
		k.pushed(msg, body.(*PushBody))
	case msg.Type == TypeVerify:
		// a call of ours that is long over, or of an earlier life
		nonce := body.(*VerifyBody).Nonce
		k.transmit(nil, actSend{to: msg.From, bind: nonce, typ: TypeEnd, body: &EndBody{Reason: ReasonReleasedCall, Source: SourceTransport}, path: pathMQTT}, msg.Call)
		k.counters["late"]++
	default:
		k.counters["late"]++
	}
}

func (k *Kit) pushed(msg Message, b *PushBody) {
	cc, err := ParseCCParam(b.CCParam)
	if err != nil {
		k.drop("cc_param", err)
		return
	}
	if cc.callID != msg.Call || cc.caller != msg.From {
		k.drop("cc_param", errors.New("the cc_param names another call or caller than the push"))
		return
	}
	if k.adopting[cc.callID] {
		return
	}
	if _, ok := k.used[cc.callID]; ok {
		remember(k.used, cc.callID, 2*DefaultRingTime) // for as long as it is repeated
		k.counters["late"]++
		return
	}
	if k.pushedInGlare(cc, millis(b.Age)) {
		return
	}
	if k.busy(cc.callID) {
		k.replyBusy(cc.callID, cc.caller)
		return
	}
	if _, ok := k.known[cc.callID]; ok {
		remember(k.known, cc.callID, 2*DefaultRingTime)
		return // the application had it
	}
	select {
	case k.pushes <- b.CCParam:
		remember(k.known, cc.callID, 2*DefaultRingTime)
	default:
		k.counters["push_queue_full"]++ // its repeat comes in a second
	}
}

func (k *Kit) drop(kind string, err error) {
	k.counters[kind]++
	if n := k.counters[kind]; n&(n-1) == 0 { // 1st, 2nd, 4th ...: a bounded rate
		k.log.Warn("message dropped", "kind", kind, "count", n, "err", err)
	}
}

// apply drives a call's machine and carries out what it asks for. k.mu is
// held. A bug ends the call; the door goes on.
func (k *Kit) apply(c *Call, e any) (ok bool) {
	var acts []action
	bug := k.caught(c, e, func() { c.s, acts, ok = step(c.s, e) })
	for _, a := range acts { // each one: the end must be told, whatever else fails
		bug = k.caught(c, a, func() { k.perform(c, a) }) || bug
	}
	if _, again := e.(evEnd); bug && !again {
		k.apply(c, evEnd{EndBody{Reason: ReasonInternalError}})
	}
	return ok
}

// caught runs f and reports whether it panicked.
func (k *Kit) caught(c *Call, what any, f func()) (bug bool) {
	defer func() {
		if r := recover(); r != nil {
			bug = true
			k.counters["bug"]++
			k.log.Error("call: internal error", "call", c.id, "at", fmt.Sprintf("%T", what), "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f()
	return false
}

func (k *Kit) perform(c *Call, a action) {
	switch a := a.(type) {
	case actPush:
		cc := CCParam{callID: c.id, caller: k.cfg.Self}
		k.transmit(c, actSend{to: c.peer, typ: TypePush, body: &PushBody{CCParam: cc.String(), Age: (k.cfg.Now() - c.made).Milliseconds(), Ringing: a.ringing}, path: pathMQTT}, c.id)
	case actSend:
		k.transmit(c, a, c.id)
	case actTimer:
		c.start(a.kind, a.d)
	case actStop:
		c.stop(a.kind)
	case actStopAll:
		for kind := range c.timers {
			c.stop(kind)
		}
	case actSession:
		k.session(c, a)
	case actGate:
		if s := c.sessions[a.nonce]; s != nil {
			s.Gate(a.send, a.receive)
		}
	case actChoose:
		if s := c.sessions[a.nonce]; s != nil {
			c.chosen.Store(&s)
		}
	case actEvent:
		k.tell(c, a.notice)
	case actForget:
		k.forget(c)
	}
}

func (k *Kit) tell(c *Call, n notice) {
	if s := n.kind.stage(); s != "" {
		c.mark(s)
	}
	switch n.kind {
	case noticeVerified:
		c.appData, c.startMessage = n.standing.AppData, n.standing.StartMessage
		c.ringEnd = k.cfg.Now() + millis(n.standing.RingRemaining) + ringGrace
		k.enter(c)
	case noticeConnected:
		c.began = k.cfg.Now()
		c.answered = n.device
		c.startLevels()
		k.strike(c, entryNone)
	case noticeNetworkLost:
		n.on = k.cfg.Transport.Connected() // our own link stands: it is the peer's
	case noticeAdopted:
		k.strike(c, entryAdopted)
	case noticeDisconnected:
		c.ended(n.end)
	}
	if !c.queue.put(n) {
		k.counters["event_overflow"]++
		if c.s.phase != StateDisconnected {
			k.apply(c, evEnd{EndBody{Reason: ReasonInternalError}})
		}
	}
	switch g := c.group; {
	case g == nil:
	case n.kind == noticeConnected:
		g.answer(c, n.device.User+"/"+n.device.Device)
	case n.kind == noticeDisconnected:
		g.over()
	}
}

// transmit seals a message and sends it by the path that it is to take.
func (k *Kit) transmit(c *Call, a actSend, callID string) {
	body := []byte("{}")
	if st, ok := a.body.(*StandingBody); ok && c != nil {
		st.Age = (k.cfg.Now() - c.made).Milliseconds()
		st.RingRemaining = max(0, c.s.opt.ringTime-(k.cfg.Now()-c.made)).Milliseconds()
	}
	if a.body != nil {
		b, err := json.Marshal(a.body)
		if err != nil {
			k.log.Error("call: encode message", "type", a.typ, "err", err)
			return
		}
		body = b
	}
	data, err := k.cfg.Sealer.Seal(Message{ID: newID(), Call: callID, Type: a.typ, Bind: a.bind, From: k.cfg.Self, To: a.to, Body: body})
	if err != nil {
		k.counters["seal"]++
		k.log.Error("call: seal message", "type", a.typ, "err", err)
		return
	}
	sent := false
	if c != nil && a.path != pathMQTT {
		if s := c.sessions[a.bind]; s != nil {
			sent = s.Send(data)
		}
	}
	if a.path == pathData || a.path == pathAny && sent {
		return
	}
	var done func(error)
	if a.typ == TypePush && c != nil {
		done = func(err error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if err != nil {
				k.counters["push_failed"]++
				k.log.Info("push not confirmed", "call", callID, "err", err)
			}
			k.apply(c, evPushed{err})
		}
	}
	k.cfg.Transport.Send(a.to, data, done)
}

// closeLinger lets the last message leave by the data channel.
const closeLinger = 100 * time.Millisecond

func (k *Kit) session(c *Call, a actSession) {
	s := c.sessions[a.nonce]
	if s == nil && (a.op == opOffer || a.op == opAcceptOffer) {
		nonce := a.nonce
		var err error
		s, err = k.cfg.Media.NewSession(SessionConfig{
			CallID: c.id, Role: c.role, Peer: c.peer, Frame: c.frame,
			Event: func(e SessionEvent) { k.sessionEvent(c, nonce, e) },
		})
		if err != nil {
			k.log.Error("call: new media session", "call", c.id, "err", err)
			// step is running: its answer comes as an event of its own
			k.wg.Go(func() { k.sessionEvent(c, nonce, SessionEvent{Kind: SessionFailed, Err: err}) })
			return
		}
		c.sessions[nonce] = s
	}
	if s == nil {
		return
	}
	switch a.op {
	case opOffer:
		s.Offer()
	case opAcceptOffer:
		s.AcceptOffer(a.sdp)
	case opAcceptAnswer:
		s.AcceptAnswer(a.sdp)
	case opCandidate:
		s.AddCandidate(a.sdp)
	case opRestart:
		s.Restart()
	case opClose:
		s.Gate(false, false) // what lingers below is the last message, not the voice
		c.stats(s)
		delete(c.sessions, a.nonce)
		if v := c.chosen.Load(); v != nil && *v == s {
			c.chosen.Store(nil) // an ended call is remembered for a while; its session must not be
		}
		k.wg.Go(func() {
			time.Sleep(closeLinger)
			if err := s.Close(); err != nil {
				k.log.Info("close media session", "call", c.id, "err", err)
			}
		})
	}
}

func (k *Kit) sessionEvent(c *Call, nonce string, e SessionEvent) {
	if e.Kind == SessionMessage {
		k.receive(e.Data)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch e.Kind {
	case SessionUp:
		c.mark("media_up")
	case SessionFailed, SessionAuthFailed:
		k.log.Warn("media session failed", "call", c.id, "err", e.Err)
	}
	k.apply(c, evSession{nonce, e})
}

// record leaves a record for OnRecord. k.mu is held.
func (k *Kit) record(r Record) {
	select {
	case k.records <- r:
	default:
		k.counters["record_dropped"]++
	}
}

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

// newID is 128 random bits in hex.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
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
