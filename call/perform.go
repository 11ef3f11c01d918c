package call

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"
)

// How a Kit carries out what step asks for.

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
		if a.typ == TypeRinging {
			k.enter(c) // so that whoever takes it up rings on
		}
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
		c.rang = c.rang || n.standing.Rang
		k.enter(c)
	case noticeConnected:
		c.began = k.cfg.Now()
		c.answered = n.device
		c.startLevels()
		k.strike(c, entryNone)
	case noticeNetworkLost:
		n.on = k.cfg.Transport.Connected() // our own link stands: it is the peer's
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
			k.work.Go(func() { k.sessionEvent(c, nonce, SessionEvent{Kind: SessionFailed, Err: err}) })
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
		k.work.Go(func() {
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
