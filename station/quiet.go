package station

import (
	"time"

	"intercom/config"
)

const (
	quietTick = 5 * time.Second // how late quiet hours may begin or end
	// clockSlack is how far the clock may be behind the clock floor and still
	// count as known: the floor also follows the clock of the authority.
	clockSlack = 24 * time.Hour
)

// quiet is whether this station rings: not while do-not-disturb is on. The
// quiet hours switch that on and off, and so does a button, until the hours
// begin or end the next time.
//
// The hours need a clock. A board without one starts in 1970: what is before
// the clock floor is not the time, and until it is known there are no quiet
// hours. Better one ring at night than none by day.
type quiet struct {
	cfg     config.Quiet
	on      bool
	inHours bool
	unknown bool // the hours can not be kept: the clock is not known
}

func newQuiet(cfg config.Quiet) quiet { return quiet{cfg: cfg, on: cfg.DoNotDisturb} }

// at tells the time, and a time that it surely is by now. It reports whether
// the hours began or ended.
func (q *quiet) at(now, floor time.Time) (changed bool) {
	if len(q.cfg.Hours) == 0 {
		return false
	}
	q.unknown = now.Before(floor.Add(-clockSlack))
	in := !q.unknown && q.cfg.In(now)
	if in == q.inHours {
		return false
	}
	q.inHours = in
	q.on = in || q.cfg.DoNotDisturb
	return true
}

// tellTime looks at the clock for the quiet hours, and for the end of the access token.
func (s *station) tellTime() {
	floor := s.floor()
	if expired := !floor.Before(s.until); expired && !s.expired {
		s.expired = true
		s.log.Error("the access token has expired: no other device believes this one any more", "ended", s.until, "file", s.cfg.Identity.Token)
	}
	was := s.quiet.unknown
	changed := s.quiet.at(time.Now(), floor)
	if s.quiet.unknown && !was {
		s.log.Warn("quiet hours are not kept: the clock is not known; it needs the network's time, or a clock chip")
	}
	if changed {
		s.log.Info("quiet hours", "on", s.quiet.inHours)
	}
}

// silent reports whether a call that rings by the state of things does not,
// since nobody is to be disturbed. The caller then never hears that it rings.
// A call that did ring before goes on, also after a restart: the visitor's lamp
// says that it rings.
func (s *station) silent(t *talk) bool {
	return t.phase == ringing && s.quiet.on && !t.rang && !t.rangBefore
}
