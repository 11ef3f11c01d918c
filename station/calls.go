package station

import (
	"errors"
	"slices"
	"time"

	"intercom/audio"
	"intercom/call"
	"intercom/config"
	"intercom/gpio"
)

// newTalk makes a talk with a receiver of its own, so that nothing of an
// earlier call is heard in it.
func newTalk(role call.Role, users []string, p phase) (*talk, error) {
	r, err := audio.NewReceiver()
	return &talk{role: role, users: users, phase: p, acknowledged: map[*call.Call]bool{}, unreached: map[*call.Call]bool{}, voice: voice{r}}, err
}

// call rings the users of a press. There is no call in front.
func (s *station) call(p press) {
	s.rest.Stop()
	s.after = idle
	if !s.connected && s.cfg.Station.Kind == config.Door {
		s.notice(toneChime) // no other bell can ring
	}
	var members []call.GroupMember
	for i, u := range p.users {
		members = append(members, call.GroupMember{UserID: u, After: time.Duration(i) * p.after})
	}
	t, err := newTalk(call.RoleCaller, p.users, trying)
	if err == nil {
		t.group, err = s.kit.MakeGroupCall(call.MakeCallParam{
			MyUserID: s.self.User, MyServiceID: s.self.Service, PeerServiceID: s.self.Service,
			AccessToken:       s.token,
			RingTime:          s.cfg.Call.RingTime,
			UnreachableAfter:  s.cfg.Call.UnreachableAfter,
			UnreachableLimit:  s.cfg.Call.UnreachableLimit,
			TalkLimit:         s.cfg.Call.TalkLimit,
			DeclineOnlyDevice: s.cfg.Call.DeclineScope == "device",
		}, members, s.groupHandler(t, p.edge))
	}
	if err != nil {
		s.log.Error("call not made", "callees", p.users, "err", err)
		s.leave(unreachable)
		return
	}
	t.c = t.group.Calls()[0]
	s.front = t
	s.route()
	s.log.Info("call made", "call", t.c.ID(), "callees", p.users)
}

// groupHandler is handler for a ring group.
func (s *station) groupHandler(t *talk, edge time.Duration) call.GroupHandler {
	h := s.handler(t)
	h.OnDisconnected = func(c *call.Call, d call.Disconnected) {
		s.log.Info("member over", "call", c.ID(), "peer", c.Peer(), "reason", d.Reason)
		if len(t.users) > 1 {
			s.post(func() { s.memberOver(t, c) })
		}
	}
	return call.GroupHandler{
		Handler: h,
		OnCall: func(c *call.Call) {
			c.SetVoice(t.voice) // for all: only the one that answers ever speaks
			c.Mark("edge", edge)
		},
		OnOver: func(_ *call.Group, d call.Disconnected) { s.post(func() { s.disconnected(t, d) }) },
	}
}

// pushed takes a push: whether its call stands is asked at once.
func (s *station) pushed(ccParam string) {
	cc, err := call.ParseCCParam(ccParam)
	if err != nil {
		s.log.Warn("push refused", "err", err)
		return
	}
	t, err := newTalk(call.RoleCallee, []string{cc.Caller().User}, checking)
	if err == nil {
		t.c, err = s.kit.VerifyCall(call.VerifyCallParam{
			MyUserID: s.self.User, MyServiceID: s.self.Service, CCParam: cc,
			// Without a card it can still ring by its lamp, and the door be opened.
			AllowCallWithoutMic: s.cfg.Station.Kind == config.Indoor && s.hasLamp(config.ShowsCall),
		}, s.handler(t))
	}
	if err != nil {
		level := s.log.Error
		if errors.Is(err, call.StartAlreadyExist) || errors.Is(err, call.StartInvalidState) || errors.Is(err, call.StartReuse) {
			level = s.log.Info
		}
		level("incoming call not taken", "call", cc.CallID(), "caller", cc.Caller(), "err", err)
		return
	}
	s.take(t)
}

// take gives a call that came in its place.
func (s *station) take(t *talk) {
	t.c.SetVoice(t.voice)
	// The Kit knows of an end before its event is here.
	for _, o := range []*talk{s.front, s.back} {
		if s.back != nil && o.over() {
			s.remove(o)
		}
	}
	if s.front == nil {
		s.front = t
	} else {
		s.back = t
	}
	s.route()
}

// handler posts what happens to a call. None of its functions does more.
func (s *station) handler(t *talk) call.Handler {
	on := func(f func(*talk)) func(*call.Call) {
		return func(*call.Call) { s.post(func() { f(t) }) }
	}
	return call.Handler{
		OnAcknowledged: func(c *call.Call, _ call.Address) { s.post(func() { s.acknowledged(t, c) }) },
		OnVerified:     func(*call.Call, bool) { s.post(func() { s.verified(t) }) },
		OnConnected:    func(c *call.Call, _, _ bool) { s.post(func() { s.talking(t, c) }) },
		OnMyAudioMuteRequestedByPeer: on(func(t *talk) {
			t.c.MyMediaStatus().Mute(true)
		}),
		OnPeerMicMuted:   on(func(t *talk) { t.peerMuted = true }),
		OnPeerMicUnmuted: on(func(t *talk) { t.peerMuted = false }),
		OnPeerHold:       func(*call.Call, string) { s.post(func() { t.peerHeld = true }) },
		OnPeerUnhold:     on(func(t *talk) { t.peerHeld = false }),
		OnOpenRequest:    on(s.openRequest),
		OnOpenResult: func(_ *call.Call, opened bool, why string) {
			s.post(func() { s.openResult(t, opened, why) })
		},
		OnUnreachable: func(c *call.Call) { s.post(func() { s.unreached(t, c) }) },
		OnNetworkUnavailable: func(c *call.Call, isPeer bool, left time.Duration) {
			s.log.Warn("path lost", "call", c.ID(), "peer", isPeer, "ends_in", left)
		},
		OnDisconnected: func(_ *call.Call, d call.Disconnected) { s.post(func() { s.disconnected(t, d) }) },
	}
}

// acknowledged: one of those called rings.
func (s *station) acknowledged(t *talk, c *call.Call) {
	delete(t.unreached, c)
	t.acknowledged[c] = true
	s.tellCaller(t)
}

// unreached: of one of those called nothing was heard in time.
func (s *station) unreached(t *talk, c *call.Call) {
	s.log.Info("nobody has acknowledged yet", "call", c.ID(), "peer", c.Peer())
	t.unreached[c] = true
	s.tellCaller(t)
}

// memberOver: one of a group does not ring any more. It may have been the only
// one that did.
func (s *station) memberOver(t *talk, c *call.Call) {
	delete(t.acknowledged, c)
	delete(t.unreached, c)
	t.gone++
	s.tellCaller(t)
}

// tellCaller shows the one who waits what there is to wait for. The call of one who was told that nobody is reached goes
// on: it still rings if that changes in time.
func (s *station) tellCaller(t *talk) {
	switch t.phase {
	case trying, ringback, unreachable:
	default:
		return
	}
	switch {
	case len(t.acknowledged) > 0:
		t.phase = ringback
	case len(t.unreached) > 0 && (len(t.unreached)+t.gone == len(t.users) || !s.connected):
		t.phase = unreachable
	default:
		t.phase = trying
	}
}

// verified: the caller confirmed that the call stands. It rings from the next
// refresh on, and the caller is told so when it is true. A door answers.
func (s *station) verified(t *talk) {
	if t.phase != checking {
		return
	}
	t.stood = true
	if s.cfg.Station.Kind != config.Door {
		t.phase = ringing
		return
	}
	if user := t.c.Peer().User; !slices.Contains(s.cfg.Door.ListenUsers, user) {
		s.log.Warn("call to the door declined: user is not in door.listen_users", "call", t.c.ID(), "peer", t.c.Peer())
		t.c.End()
		return
	}
	s.rest.Stop()
	s.after = idle
	s.rings(t)
	s.accept(t)
	s.notice(toneAnswered)
}

// accept takes a call that stands; the Kit holds one that is connected.
func (s *station) accept(t *talk) {
	if !t.c.Accept(call.AcceptOptions{}) {
		return
	}
	t.phase = answering
	if t == s.back {
		s.front, s.back = s.back, s.front
		s.back.held = true
	}
	s.route()
}

func (s *station) talking(t *talk, c *call.Call) {
	if t.phase == idle {
		return
	}
	t.c, t.phase, t.talked = c, talking, true
	s.route()
}

// disconnected ends a talk.
func (s *station) disconnected(t *talk, d call.Disconnected) {
	s.log.Info("call over", "call", t.c.ID(), "peer", t.c.Peer(), "reason", d.Reason, "source", d.Source)
	t.phase = idle
	if missed(t, d) {
		s.miss()
	}
	wasFront := t == s.front
	s.remove(t)
	if wasFront && s.front == nil {
		s.leave(aftermath(t.role, t.talked, d))
	}
	s.route()
	if p := s.next; p != nil && s.front == nil {
		s.next = nil
		s.call(*p)
	}
}

// remove takes out a talk; the one behind it comes to the front.
func (s *station) remove(t *talk) {
	switch t {
	case s.back:
		s.back = nil
	case s.front:
		s.front, s.back = s.back, nil
		if f := s.front; f != nil && f.held {
			f.held = false
			f.c.Unhold()
		}
	}
}

// leave shows for a while how a call ended.
func (s *station) leave(p phase) {
	s.after = p
	s.rest.Stop()
	if p != idle {
		s.rest.Reset(aftermathFor)
	}
}

// route joins the sound with the call in front.
func (s *station) route() {
	f := s.front
	if f == nil {
		s.sound.engine.SetTransmit(false)
		s.sound.engine.SetVoice(nil)
		s.sound.call.Store(nil)
		return
	}
	s.sound.call.Store(f.c)
	s.sound.engine.SetVoice(f.voice.Receiver)
	s.sound.engine.SetTransmit(f.phase == answering || f.phase == talking)
	s.tellMicrophone(f)
}

// openRequest opens the door for those who may, and answers either way.
func (s *station) openRequest(t *talk) {
	why := s.unlock(t)
	if why != "" {
		s.log.Warn("door not opened", "call", t.c.ID(), "peer", t.c.Peer(), "why", why)
	}
	t.c.AnswerOpen(why == "", why)
}

// unlock switches the opener on; why not, else.
func (s *station) unlock(t *talk) (why string) {
	user := t.c.Peer().User
	switch {
	case s.relay == nil:
		return "this station has no opener"
	case !slices.Contains(s.cfg.Door.OpenUsers, user):
		return "user " + user + " may not open this door"
	case t.phase != talking:
		return "not connected"
	}
	if !t.c.ClaimOpen() {
		return "the request has expired"
	}
	if err := s.relay.Pulse(s.cfg.Door.OpenTime); err != nil {
		s.log.Error("opener", "err", err)
		return "the opener failed"
	}
	t.c.Mark("relay_on", gpio.Monotonic())
	s.notice(toneOpened)
	s.log.Info("door opened", "call", t.c.ID(), "peer", t.c.Peer())
	return ""
}

// openResult shows what became of the wish to open the peer's door.
func (s *station) openResult(t *talk, opened bool, why string) {
	if !opened {
		s.log.Warn("the door did not open", "call", t.c.ID(), "why", why)
		s.notice(toneRefused)
		return
	}
	s.opened = true
	s.openRest.Reset(s.cfg.Door.OpenTime)
	s.notice(toneOpened)
}

// record takes the record of a call that is over, on the Kit's goroutine: those
// of the last calls come when the station's has ended.
func (s *station) record(r call.Record) {
	s.log.Info("record", "call", r.CallID, "record", r.String(), "setup", r.Setup, "ring", r.Ring, "talk", r.Talk)
	s.records.add(r)
	if r.Role == call.RoleCallee && r.Disconnected.Reason == call.ReasonBusy {
		s.post(s.miss) // the Kit turned it away by itself
	}
}

// miss notes a call that nobody took. At a door nobody would want to know.
func (s *station) miss() {
	if s.cfg.Station.Kind == config.Indoor {
		s.missed++
	}
}
