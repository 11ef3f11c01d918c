package broker

import (
	"strings"

	"intercom/identity"
)

// topic is a topic of the package's table, or a filter for some of them.
type topic struct {
	service, user   string
	device, session string // "" in a push; "+" stands for all in a filter
	kind            string
}

const wildcard = "+"

// parse reads a topic, or a filter whose only wildcards are whole levels in
// the place of device and session. It checks each level, so what it returns
// has no other wildcard.
func parse(s string) (topic, bool) {
	rest, ok := strings.CutPrefix(s, "intercom/v1/")
	if !ok {
		return topic{}, false
	}
	level := strings.Split(rest, "/")
	var t topic
	switch len(level) {
	case 3:
		t = topic{service: level[0], user: level[1], kind: level[2]}
		ok = t.kind == "push"
	case 5:
		t = topic{service: level[0], user: level[1], device: level[2], session: level[3], kind: level[4]}
		switch t.kind {
		case "signal", "presence", "state", "cmd":
			ok = idOrWildcard(t.device) && idOrWildcard(t.session)
		default:
			ok = false
		}
	default:
		ok = false
	}
	if !ok || !identity.ValidID(t.service) || !identity.ValidID(t.user) {
		return topic{}, false
	}
	return t, true
}

func idOrWildcard(s string) bool { return s == wildcard || identity.ValidID(s) }

// retainable reports whether a message of this topic may be retained: facts
// about a device may, a ring or a command never.
func (t topic) retainable() bool { return t.kind == "presence" || t.kind == "state" }

// mayPublish reports whether a device may publish to t.
func mayPublish(d identity.Address, t topic) bool {
	if t.service != d.Service || t.device == wildcard || t.session == wildcard {
		return false
	}
	switch t.kind {
	case "push", "signal":
		return true
	case "presence", "state":
		return t.user == d.User && t.device == d.Device
	}
	return false
}

// maySubscribe reports whether a device may subscribe to t, or be sent what
// is published there.
func maySubscribe(d identity.Address, t topic) bool {
	if t.service != d.Service || t.user != d.User {
		return false
	}
	return t.kind == "push" || t.device == d.Device || t.retainable()
}
