package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Quiet is when an indoor station does not ring.
type Quiet struct {
	DoNotDisturb bool     `toml:"do_not_disturb"` // from the start on, until a button switches it; default false
	Hours        []string `toml:"hours"`          // "22:00-07:00", in the board's local time, each day; default none
}

// In reports whether t, in its location, is in the quiet hours.
func (q Quiet) In(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	return slices.ContainsFunc(q.Hours, func(s string) bool {
		from, to, err := parseHours(s)
		switch {
		case err != nil:
			return false // check has refused it
		case from < to:
			return from <= minute && minute < to
		default: // over midnight
			return minute >= from || minute < to
		}
	})
}

var hoursPattern = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)

// parseHours reads "22:00-07:00" as minutes of the day; to may be 24:00.
func parseHours(s string) (from, to int, err error) {
	var n [4]int
	m := hoursPattern.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, fmt.Errorf(`%q is not a time of the day; write it as in "22:00-07:00"`, s)
	}
	for i := range n {
		if n[i], err = strconv.Atoi(m[i+1]); err != nil {
			return 0, 0, err // two digits: never
		}
	}
	from, to = n[0]*60+n[1], n[2]*60+n[3]
	switch {
	case n[1] > 59 || n[3] > 59 || from >= 24*60 || to > 24*60:
		return 0, 0, fmt.Errorf("%q is not a time of the day; use 00:00 to 24:00", s)
	case from == to:
		return 0, 0, fmt.Errorf("%q begins and ends at once; for all day write do_not_disturb = true", s)
	}
	return from, to, nil
}

func (c *Config) checkQuiet() {
	if c.Station.Kind == Door && c.doc.Has("quiet") {
		c.warn("quiet", "does nothing at a door, which never rings")
	}
	c.atMost("quiet.hours", len(c.Quiet.Hours))
	for i, h := range c.Quiet.Hours {
		if _, _, err := parseHours(h); err != nil {
			c.bad(fmt.Sprintf("quiet.hours[%d]", i), "%v", err)
		}
	}
}
