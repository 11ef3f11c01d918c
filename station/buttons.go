package station

import (
	"slices"
	"time"

	"intercom/call"
	"intercom/config"
	"intercom/gpio"
)

// button does what a button of the configuration is for.
func (s *station) button(e gpio.ButtonEvent) {
	b := s.buttonNamed(e.Button)
	switch e.Kind {
	case gpio.Press:
		s.missed = 0
		s.do(b.Action, press{b.Users(), b.FallThroughAfter, e.At})
	case gpio.LongPress:
		if b.LongPress != "" {
			s.do(b.LongPress, press{b.Users(), b.FallThroughAfter, e.At})
		}
	case gpio.Stuck:
		s.log.Warn("a button is held for a long time; look for water, dirt or a jammed key", "button", e.Button)
	case gpio.Failed:
		s.lostButtons++
		s.log.Error("a button is lost; check its wiring, then restart", "button", e.Button, "err", e.Err)
	}
}

func (s *station) buttonNamed(name string) config.Button {
	for _, b := range s.cfg.Buttons {
		if b.Name == name {
			return b
		}
	}
	return config.Button{}
}

func (s *station) do(a config.Action, p press) {
	switch a {
	case config.ActionCall:
		s.pressCall(p)
	case config.ActionAccept:
		s.pressAccept(p.edge)
	case config.ActionEnd:
		s.pressEnd()
	case config.ActionDecline:
		s.pressDecline()
	case config.ActionMute:
		s.pressMute()
	case config.ActionOpen:
		s.pressOpen(p.edge)
	case config.ActionVolumeUp:
		s.changeVolume(volumeStep)
	case config.ActionVolumeDown:
		s.changeVolume(-volumeStep)
	case config.ActionRingerMute:
		s.ringerMuted = !s.ringerMuted
	case config.ActionQuiet:
		s.quiet.on = !s.quiet.on
	}
}

// wish is what a press of a call button means while there is a call.
type wish uint8

const (
	wishFeedback wish = iota
	wishEnd           // end the call
	wishSwitch        // end it, and ring anew
)

// again decides it: at a door by the configuration, indoors there is the end
// button for ending.
func again(cfg *config.Config, same bool) wish {
	switch {
	case cfg.Station.Kind != config.Door:
		return wishFeedback
	case same && cfg.Call.SameButton == "end":
		return wishEnd
	case !same && cfg.Call.OtherButton == "switch":
		return wishSwitch
	}
	return wishFeedback
}

// same reports whether a press is for those whom the talk is with.
func (t *talk) same(p press) bool {
	if t.role == call.RoleCallee {
		return slices.Contains(p.users, t.users[0])
	}
	return slices.Equal(p.users, t.users)
}

func (s *station) pressCall(p press) {
	if s.front == nil {
		s.call(p)
		return
	}
	if s.silent(s.front) || s.front.phase == unreachable { // nobody here knows of it, or has been told that it came to nothing: the press comes first
		s.next = &p
		s.front.end()
		return
	}
	switch again(s.cfg, s.front.same(p)) {
	case wishFeedback:
		s.notice(toneFeedback)
	case wishEnd:
		s.next = nil
		s.front.end()
	case wishSwitch:
		// OnDisconnected goes on with it: at once where this side made the
		// call, else when the other side has had its word.
		s.next = &p
		s.front.end()
	}
}

// pressAccept takes the call that rings: a waiting one before the present one.
func (s *station) pressAccept(edge time.Duration) {
	t := s.ringingTalk()
	if t == nil {
		s.notice(toneFeedback)
		return
	}
	t.c.Mark("accept_edge", edge)
	s.accept(t)
}

// pressEnd declines, gives up or ends what is in front.
func (s *station) pressEnd() {
	switch {
	case s.front == nil && s.after != idle:
		s.leave(idle)
	case s.front == nil || s.front.phase == checking || s.silent(s.front):
		s.notice(toneFeedback)
	default:
		s.front.end()
	}
}

// pressDecline declines the call that rings, and ends no talk.
func (s *station) pressDecline() {
	t := s.ringingTalk()
	if t == nil {
		s.notice(toneFeedback)
		return
	}
	t.end()
}

func (s *station) pressMute() {
	if s.front == nil || s.front.phase == checking || s.silent(s.front) {
		s.notice(toneFeedback)
		return
	}
	m := s.front.c.MyMediaStatus()
	if m.Muted() && s.sound.Microphone() != nil {
		s.front.noCard = !s.front.noCard // whether it opens again with the card
		return
	}
	m.Mute(!m.Muted())
}

func (s *station) pressOpen(edge time.Duration) {
	if s.front == nil || s.front.phase != talking {
		s.notice(toneFeedback)
		return
	}
	s.front.c.Mark("open_edge", edge)
	if !s.front.c.RequestOpen() {
		s.notice(toneFeedback)
	}
}

// changeVolume changes the ring's while it rings, else that of talk and tones.
func (s *station) changeVolume(by int) {
	if t := s.ringingTalk(); t != nil && t == s.front {
		s.ringerVolume = min(max(s.ringerVolume+by, 0), 100)
		s.shown.tone = toneNone // begin again with it
		return
	}
	s.volume = min(max(s.volume+by, 0), 100)
	s.sound.engine.SetVolume(s.volume)
	if s.front == nil || s.front.role == call.RoleCallee && s.front.phase == checking {
		s.notice(toneFeedback)
	}
}
