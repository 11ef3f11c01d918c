package station

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"intercom/audio"
	"intercom/call"
	"intercom/config"
	"intercom/gpio"
	"intercom/mqttpush"
)

const (
	maxEvents    = 256             // waiting for the station; posters wait, the sound's are dropped
	aftermathFor = 3 * time.Second // busy, unreachable and the like are shown
	volumeStep   = 10
)

// talk is one call, as the station has it; or a ring group, which is one call
// to it.
type talk struct {
	c                   *call.Call  // of a group the one that answered, and before that the first
	group               *call.Group // nil: a call that came in
	role                call.Role
	users               []string // whom it is with, or who are rung
	phase               phase
	acknowledged        map[*call.Call]bool // those of the group that ring now
	unreached           map[*call.Call]bool // those of which nothing was heard in time, so far
	gone                int                 // those that are over
	stood               bool                // the caller said that the call stands
	rang                bool                // the caller was told that it rings here
	rangBefore          bool                // by an earlier life of this station
	talked              bool
	held                bool // by us, while another is in front
	peerHeld, peerMuted bool // at the other side
	noCard              bool // muted by the station, since there is no microphone
	voice               voice
}

// end declines, gives up or ends it.
func (t *talk) end() {
	if t.group != nil {
		t.group.End()
		return
	}
	t.c.End()
}

// over reports whether the Kit has ended it; its event may still be under way.
func (t *talk) over() bool {
	calls := []*call.Call{t.c}
	if t.group != nil && t.group.Answered() == nil {
		calls = t.group.Calls()
	} else if t.group != nil {
		calls[0] = t.group.Answered()
	}
	return !slices.ContainsFunc(calls, func(c *call.Call) bool { return c.State() != call.StateDisconnected })
}

// station is the actor. run owns all that is below "state"; everything else
// is set before it starts.
type station struct {
	cfg     *config.Config
	opts    Options
	log     *slog.Logger
	self    call.Address
	token   string
	until   time.Time // the token's end
	began   time.Time
	events  chan func()
	presses chan gpio.ButtonEvent
	quit    chan struct{} // closed when run is over: nobody waits for it any more
	voices  *voices
	floor   func() time.Time // it is this time, or later
	records *records

	hardware
	link  *mqttpush.Transport
	guard guard
	sound *sound
	kit   *call.Kit

	// state
	front, back  *talk  // the call in front; a second one that waits or is held
	next         *press // to be called when front is over
	after        phase  // shown while there is no call
	connected    bool   // to the broker
	resumed      bool   // the calls of an earlier life were looked for
	opened       bool   // the peer's door, for a while
	ringerMuted  bool
	volume       int
	ringerVolume int
	quiet        quiet
	lostButtons  int
	expired      bool // the access token
	missed       int  // calls since somebody last pressed a button here
	shown        shown
	ringID       uint64      // of the ring or waiting tone in audio.LayerTone
	rest         *time.Timer // ends after
	openRest     *time.Timer // ends opened
}

// press is a wish to call users, and the raw edge that it came from.
type press struct {
	users []string
	after time.Duration // between two of them
	edge  time.Duration
}

// run handles events until ctx ends.
func (s *station) run(ctx context.Context) {
	defer close(s.quit)
	s.rest, s.openRest = stopped(), stopped()
	defer s.rest.Stop()
	defer s.openRest.Stop()
	var relay <-chan struct{}
	if s.relay != nil {
		relay = s.relay.Changed()
	}
	clock := time.NewTicker(quietTick)
	defer clock.Stop()
	s.tellTime()
	for {
		s.refresh()
		select {
		case <-s.guard.due:
			s.guard.feed(s.sound.turns.Load())
		case <-ctx.Done():
			return
		case f := <-s.events:
			f()
		case e := <-s.presses:
			s.button(e)
		case <-relay:
		case <-clock.C:
			s.tellTime()
		case <-s.rest.C:
			s.after = idle
		case <-s.openRest.C:
			s.opened = false
		}
	}
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// post hands f to the station's goroutine. It waits for a place in the queue,
// and drops f once the station is over.
func (s *station) post(f func()) {
	select {
	case s.events <- f:
	case <-s.quit:
	}
}

// hear takes what the sound goroutine tells, which must not wait.
func (s *station) hear(h heard) {
	select {
	case s.events <- func() { s.heard(h) }:
	default:
		s.log.Warn("too busy to note a moment of the sound")
	}
}

func (s *station) heard(h heard) {
	switch {
	case h.ring != 0:
		if t := s.ringingTalk(); t != nil && h.ring == s.ringID {
			t.c.Mark("ring_sample", h.at)
			s.rings(t)
		}
	case h.voice != nil:
		h.voice.Mark("first_voice", h.at)
	case h.card:
		if h.reason == nil {
			s.shown.tone = toneNone // what was to be heard meanwhile begins again
		}
		s.tellMicrophone(s.front)
	}
}

// tellMicrophone tells the peer of a talk the truth about the microphone here:
// one without a card is a muted one. It opens again when the card is back.
func (s *station) tellMicrophone(t *talk) {
	if t == nil || t.phase != answering && t.phase != talking {
		return
	}
	gone := s.sound.Microphone() != nil
	if m := t.c.MyMediaStatus(); gone && m.Mute(true) {
		t.noCard = true
	} else if !gone && t.noCard {
		t.noCard = false
		m.Mute(false)
	}
}

// linked is called by the link.
func (s *station) linked(connected bool) {
	s.post(func() {
		s.connected = connected
		s.log.Info("broker", "connected", connected)
		if connected && !s.resumed {
			s.resumed = true
			s.resume()
		}
	})
}

// view is what there is to show now.
func (s *station) view() view {
	v := view{
		phase:       s.after,
		open:        s.opened || s.relay != nil && s.relay.State().On,
		ringerMuted: s.ringerMuted || s.ringerVolume == 0,
		quiet:       s.quiet.on && s.cfg.Station.Kind == config.Indoor,
		fault:       !s.connected || s.expired || s.lostButtons > 0 || s.sound.Microphone() != nil,
		waiting:     s.back != nil && s.back.phase == ringing && !s.silent(s.back),
		missed:      s.missed > 0,
	}
	if s.front != nil {
		v.phase = s.front.phase
		if s.silent(s.front) {
			v.phase = silent
		}
		v.held = s.front.peerHeld
		v.muted = s.front.c != nil && s.front.c.MyMediaStatus().Muted()
	}
	return v
}

// refresh brings lamps and tones to what the state is now.
func (s *station) refresh() {
	now := show(s.view())
	for _, l := range s.cfg.Lamps {
		_ = s.lamps.Show(l.Name, now.lamp(l.Shows)) // all names were checked
	}
	if now.tone != s.shown.tone {
		s.ringID = 0
		if now.tone == toneNone {
			s.sound.engine.Stop(audio.LayerTone)
		} else {
			s.ringID = s.sound.engine.Play(audio.LayerTone, s.voices.source(now.tone), s.loudness(now.tone))
		}
	}
	s.shown = now
	// A ring that makes no sound is one by its lamp alone.
	if t := s.ringingTalk(); t != nil && !t.rang && s.hasLamp(config.ShowsCall) &&
		(now.tone == toneNone || s.sound.Microphone() != nil) {
		s.rings(t)
	}
}

func (s *station) hasLamp(what config.Shows) bool {
	for _, l := range s.cfg.Lamps {
		if l.Shows == what {
			return true
		}
	}
	return false
}

func (s *station) loudness(t tone) int {
	if t == toneRing {
		return s.ringerVolume
	}
	return s.volume
}

// notice plays a sound once, over all else.
func (s *station) notice(t tone) {
	s.sound.engine.Play(audio.LayerNotice, s.voices.source(t), s.loudness(t))
}

// ringingTalk is the call that rings here, or nil.
func (s *station) ringingTalk() *talk {
	for _, t := range []*talk{s.front, s.back} {
		if t != nil && t.phase == ringing && !s.silent(t) {
			return t
		}
	}
	return nil
}

// rings tells the caller, once, that it rings here.
func (s *station) rings(t *talk) {
	if !t.rang {
		t.rang = t.c.Ringing()
	}
}
