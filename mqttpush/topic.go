package mqttpush

import (
	"encoding/json"
	"fmt"
	"strings"

	"intercom/call"
)

const (
	root = "intercom/v1/"
	qos  = 1
)

// topics are those of one process.
type topics struct {
	push, signal, presence string
	presences              string // filter: of every process of the device
}

func topicsOf(self call.Address) topics {
	user := root + self.Service + "/" + self.User
	device := user + "/" + self.Device
	return topics{
		push:      user + "/push",
		signal:    device + "/" + self.Session + "/signal",
		presence:  device + "/" + self.Session + "/presence",
		presences: device + "/+/presence",
	}
}

// filters are what a connection subscribes to.
func (t topics) filters() []string { return []string{t.push, t.signal, t.presences} }

// isPresence reports whether a topic is a presence of this device.
func (t topics) isPresence(topic string) bool {
	before, after, _ := strings.Cut(t.presences, "+")
	session, ok := strings.CutPrefix(topic, before)
	if !ok {
		return false
	}
	session, ok = strings.CutSuffix(session, after)
	return ok && call.ValidID(session)
}

func topicFor(to call.Address) (string, error) {
	if !call.ValidID(to.Service) || !call.ValidID(to.User) {
		return "", fmt.Errorf("%w: %q", ErrAddress, to)
	}
	if to == to.UserAddress() {
		return topicsOf(to).push, nil
	}
	if !call.ValidID(to.Device) || !call.ValidID(to.Session) {
		return "", fmt.Errorf("%w: %q", ErrAddress, to)
	}
	return topicsOf(to).signal, nil
}

// clientID is unique to the process: no id has a colon in it. Package broker
// knows the same form.
func clientID(self call.Address) string {
	return strings.Join([]string{"intercom", self.Service, self.User, self.Device, self.Session}, ":")
}

// presenceBody is what a presence topic holds.
type presenceBody struct {
	V          int    `json:"v"`
	Session    string `json:"session"`
	Connection uint64 `json:"connection"` // of this session, from 1
	Online     bool   `json:"online"`
}

const maxPresence = 256 // bytes

// presence makes the message that says whether this process is there.
func (t *Transport) presence(l *link, online bool) outgoing {
	data, _ := json.Marshal(presenceBody{V: 1, Session: t.cfg.Self.Session, Connection: l.number, Online: online}) // can't fail
	return outgoing{topic: t.topics.presence, data: data, retained: true, link: l}
}

// twin tells of another process of this device the 1st, 2nd, 4th, 8th... time.
func (t *Transport) twin(session string) {
	if n := t.counters.add("twin"); t.cfg.Alone && n&(n-1) == 0 {
		t.cfg.Log.Warn("mqtt: another station is connected as this one, perhaps with a copy of its card; each needs a name, a key and a token of its own",
			"device", topicsOf(t.cfg.Self).presences, "session", fmt.Sprintf("%.64s", session))
	}
}

// onPresence sets right what the broker says of this device: this process is
// here (an old connection's will said otherwise), and of its earlier processes
// nothing is kept.
func (t *Transport) onPresence(l *link, topic string, data []byte, retained bool) {
	var p presenceBody
	online := len(data) <= maxPresence && json.Unmarshal(data, &p) == nil && p.Online
	switch {
	case online && topic == t.topics.presence && p.Connection == l.number:
		select {
		case l.heard <- struct{}{}:
		default:
		}
	case online && !retained && topic != t.topics.presence: // and not what an earlier process left
		t.twin(p.Session)
	case online:
	case topic == t.topics.presence:
		t.send(t.presence(l, true), nil)
	case retained && len(data) > 0:
		t.send(outgoing{topic: topic, retained: true, link: l}, nil) // an empty message takes the place away
	}
}
