package station

import (
	"intercom/call"
	"intercom/config"
	"intercom/gpio"
)

// phase is what a station, or one of its calls, is doing, as a person sees it.
type phase uint8

const (
	idle        phase = iota
	checking          // incoming: whether it stands is being asked, nothing is shown
	trying            // pressed, nobody acknowledged yet
	ringback          // a device of the callee rings
	ringing           // this one rings
	silent            // it would, but nobody is to be disturbed
	answering         // accepted here, not yet connected: this microphone is open
	talking           //
	busy              // it came to nothing, for a while after the call
	noAnswer          //
	unreachable       //
	ended             // the other side ended a talk
	elsewhere         // another station of this user took the call
	declined          // another station of this user declined it
)

var phaseNames = [...]string{
	"idle", "checking", "trying", "ringback", "ringing", "silent", "answering", "talking",
	"busy", "no answer", "unreachable", "ended", "answered elsewhere", "declined elsewhere",
}

func (p phase) String() string { return phaseNames[p] }

// view is all of a station's state that can be seen or heard.
type view struct {
	phase       phase
	waiting     bool // a second call rings
	held        bool // by the other side
	missed      bool // a call that nobody has taken notice of
	muted       bool // this side's microphone
	open        bool // the door
	ringerMuted bool
	quiet       bool // nobody is to be disturbed
	fault       bool // no broker, no card, a lost button, or an expired token
}

// shown is what a view looks and sounds like.
type shown struct {
	call, mute, open, fault, ringer gpio.Pattern
	tone                            tone
}

// show is the table "What a station shows".
func show(v view) shown {
	var s shown
	switch v.phase {
	case idle, checking, silent:
		s.call = lit(v.missed, gpio.Wink)
	case trying:
		s.call = gpio.FastBlink
	case ringback:
		s.call, s.tone = gpio.SlowBlink, toneRingback
	case ringing:
		s.call, s.tone = gpio.SlowBlink, toneRing
		if v.ringerMuted {
			s.tone = toneNone
		}
	case answering, talking:
		s.call = gpio.On
		switch {
		case v.waiting:
			s.tone = toneWaiting
		case v.held:
			s.call, s.tone = gpio.SlowBlink, toneHeld
		}
	case busy:
		s.call, s.tone = gpio.TripleBlink, toneBusy
	case noAnswer:
		s.call, s.tone = gpio.TripleBlink, toneNoAnswer
	case unreachable:
		s.call, s.tone = gpio.TripleBlink, toneUnreachable
	case ended:
		s.tone = toneEnded
	case elsewhere:
		s.call = gpio.LongBlink
	case declined:
		s.call = gpio.TripleBlink
	}
	s.mute = lit(v.muted, gpio.On)
	s.open = lit(v.open, gpio.On)
	s.fault = lit(v.fault, gpio.Fault)
	switch {
	case v.quiet:
		s.ringer = gpio.Dim
	case v.ringerMuted:
		s.ringer = gpio.On
	}
	return s
}

// lamp is the pattern of a lamp by what it is for.
func (s shown) lamp(l config.Shows) gpio.Pattern {
	switch l {
	case config.ShowsCall:
		return s.call
	case config.ShowsMute:
		return s.mute
	case config.ShowsOpen:
		return s.open
	case config.ShowsFault:
		return s.fault
	case config.ShowsRinger:
		return s.ringer
	}
	return gpio.Off
}

func lit(on bool, p gpio.Pattern) gpio.Pattern {
	if on {
		return p
	}
	return gpio.Off
}

// missed reports whether a call that came in is one that the people here may
// want to know of: nobody answered or declined it, on any of their stations.
func missed(t *talk, d call.Disconnected) bool {
	if t.role != call.RoleCallee || t.talked || !t.stood || d.AnsweredBy != "" {
		return false
	}
	switch d.Reason {
	case call.ReasonNoAnswer, call.ReasonCancel, call.ReasonReleasedCall, call.ReasonAppDestroy:
		return d.Source != call.SourceCallee
	}
	return false
}

// aftermath is what a station shows for a while after a call. What its own
// user ended just stops; so does a ring that nobody answered where it rang.
func aftermath(role call.Role, talked bool, d call.Disconnected) phase {
	if role == call.RoleCallee && d.AnsweredBy != "" { // also by another user of a ring group
		return elsewhere
	}
	own := call.SourceCaller
	if role == call.RoleCallee {
		own = call.SourceCallee
	}
	switch d.Reason {
	case call.ReasonMultiDeviceInUse:
		return elsewhere
	case call.ReasonMultiDeviceDecline:
		return declined
	case call.ReasonNoAnswer:
		if role == call.RoleCaller {
			return noAnswer
		}
		return idle
	}
	switch {
	case d.Source == own && (d.Reason == call.ReasonNormal || d.Reason == call.ReasonUserError ||
		d.Reason == call.ReasonCancel || d.Reason == call.ReasonDecline || d.Reason == call.ReasonAppDestroy):
		return idle
	case talked && (d.ByRemote || d.Reason == call.ReasonMaxCallTimeExceeded):
		return ended
	case talked:
		return unreachable
	case role == call.RoleCallee:
		return idle
	case d.Reason == call.ReasonBusy || d.Reason == call.ReasonDecline || d.Reason == call.ReasonAlreadyGotACall:
		return busy
	}
	return unreachable
}
