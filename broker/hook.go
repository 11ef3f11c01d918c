package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"intercom/identity"
)

// ConnectType is the type of the envelope that is a device's password.
const ConnectType = "mqtt-connect"

// ClientID is the MQTT client id of one process of a device. No id has a colon
// in it, so no two processes share one.
func ClientID(a identity.Address) string {
	return strings.Join([]string{"intercom", a.Service, a.User, a.Device, a.Session}, ":")
}

func parseClientID(id string) (identity.Address, bool) {
	p := strings.Split(id, ":")
	if len(p) != 5 || p[0] != "intercom" {
		return identity.Address{}, false
	}
	return identity.Address{Service: p[1], User: p[2], Device: p[3], Session: p[4]}, true
}

// hook is where the MQTT server asks what is allowed. Its methods are called
// from the goroutine of the client in question.
type hook struct {
	mqtt.HookBase
	server   *mqtt.Server
	listener *listener
	verifier *identity.Verifier // nil: everyone may
	log      *slog.Logger
	rate     int // see maxRate

	// retained is held while a message is retained (write) and while a
	// subscription looks for retained ones (read): the server does not lock
	// what the second reads of the first. Both are between two calls of the
	// hook with nothing but the server's own work, and at most one write to the
	// client that subscribes, in between.
	retained sync.RWMutex

	told struct {
		sync.Mutex
		since time.Time
		n     int // refusals since then
	}
}

// maxTold refusals are logged in each tellTime.
const (
	maxTold  = 20
	tellTime = time.Minute
)

func (h *hook) ID() string { return "intercom" }

func (h *hook) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead,
		mqtt.OnSessionEstablished, mqtt.OnDisconnect, mqtt.OnPublishDropped,
		mqtt.OnPublish, mqtt.OnWill, mqtt.OnRetainMessage, mqtt.OnSubscribe, mqtt.OnPacketProcessed:
		return true
	}
	return false
}

// OnConnect refuses what is not MQTT 3.1.1 and makes every session a clean
// one: nothing is kept for a client that is away.
func (h *hook) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	if pk.ProtocolVersion != 4 {
		h.refuse(cl, "connection", fmt.Errorf("MQTT protocol level %d; this broker speaks MQTT 3.1.1 (level 4)", pk.ProtocolVersion))
		return packets.ErrUnsupportedProtocolVersion
	}
	cl.Properties.Clean = true
	return nil
}

func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	err := h.authenticate(pk.Connect)
	if err == nil && pk.Connect.WillFlag {
		err = h.checkWill(cl, pk.Connect)
	}
	if err == nil {
		c := cl.Net.Conn.(*conn)
		if err = h.listener.claim(cl.ID, c); err == nil && h.verifier != nil {
			h.listener.limit(string(pk.Connect.Username), c)
		}
	}
	if err != nil {
		h.refuse(cl, "connection", err)
	}
	return err == nil
}

func (h *hook) authenticate(c packets.ConnectParams) error {
	if h.verifier == nil {
		return nil
	}
	e, err := h.verifier.Open(c.Password)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	if e.Type != ConnectType {
		return fmt.Errorf("password is an envelope of type %q, want %q", e.Type, ConnectType)
	}
	if want := e.From.Service + "/" + e.From.User + "/" + e.From.Device; string(c.Username) != want {
		return fmt.Errorf("user name is %.200q, the password is by %q", c.Username, want)
	}
	if want := ClientID(e.From); c.ClientIdentifier != want {
		return fmt.Errorf("client id is %.300q, the password is for %q", c.ClientIdentifier, want)
	}
	return nil
}

// checkWill is needed because the server publishes a will without asking.
func (h *hook) checkWill(cl *mqtt.Client, c packets.ConnectParams) error {
	t, known := parse(c.WillTopic)
	if !h.OnACLCheck(cl, c.WillTopic, true) || c.WillRetain && !(known && t.retainable() && len(c.WillPayload) <= maxRetainedSize) {
		return fmt.Errorf("last will to %.300q (retained: %t) is not allowed", c.WillTopic, c.WillRetain)
	}
	return nil
}

// OnACLCheck says whether a client may publish to a topic (write), subscribe
// to a filter, or be sent a message of a topic. After OnConnectAuthenticate a
// client's id is proved.
func (h *hook) OnACLCheck(cl *mqtt.Client, s string, write bool) bool {
	if h.verifier == nil {
		return true
	}
	d, ok := parseClientID(cl.ID)
	t, known := parse(s)
	if ok && known && (write && mayPublish(d, t) || !write && maySubscribe(d, t)) {
		return true
	}
	if !write && known && t.kind == "presence" { // as intercom check asks, who is there to be rung: no harm in the question
		return false
	}
	h.refuse(cl, "access", fmt.Errorf("topic %.300q (publish: %t) is not this device's", s, write))
	return false
}

// OnPacketRead ends a connection that asks for too much. MQTT 3.1.1 has no
// other way to refuse a PUBLISH (section 3.3.5).
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	var err error
	switch pk.FixedHeader.Type {
	case packets.Publish:
		cl.Net.Conn.(*conn).pace(h.rate)
		if !pk.FixedHeader.Retain {
			break
		}
		if t, known := parse(pk.TopicName); !known || !t.retainable() {
			err = fmt.Errorf("retained message to %.300q: only presence and state are retained", pk.TopicName)
		} else if len(pk.Payload) > maxRetainedSize {
			err = fmt.Errorf("retained message to %.300q of %d bytes, at most %d are kept", pk.TopicName, len(pk.Payload), maxRetainedSize)
		} else if len(pk.Payload) > 0 && h.server.Topics.Retained.Len() >= maxRetained {
			pk.FixedHeader.Retain = false
		}
	case packets.Subscribe:
		if n := cl.State.Subscriptions.Len() + len(pk.Filters); n > maxSubscriptions {
			err = fmt.Errorf("%d subscriptions, at most %d are allowed", n, maxSubscriptions)
		}
	}
	if err != nil {
		h.refuse(cl, "packet", err)
		return pk, packets.ErrRejectPacket
	}
	return pk, nil
}

func (h *hook) OnPublish(_ *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Retain {
		h.retained.Lock()
	}
	return pk, nil
}

func (h *hook) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if will.Retain {
		h.retained.Lock()
	}
	return will, nil
}

// OnRetainMessage is called after each of both.
func (h *hook) OnRetainMessage(*mqtt.Client, packets.Packet, int64) { h.retained.Unlock() }

func (h *hook) OnSubscribe(_ *mqtt.Client, pk packets.Packet) packets.Packet {
	h.retained.RLock()
	return pk
}

func (h *hook) OnPacketProcessed(_ *mqtt.Client, pk packets.Packet, _ error) {
	if pk.FixedHeader.Type == packets.Subscribe {
		h.retained.RUnlock()
	}
}

func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	h.log.Info("broker: client connected", "client", cl.ID, "remote", cl.Net.Remote)
}

func (h *hook) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	if errors.Is(err, packets.CodeDisconnect) {
		err = nil
	}
	h.log.Info("broker: client gone", "client", cl.ID, "remote", cl.Net.Remote, "err", err)
}

func (h *hook) OnPublishDropped(cl *mqtt.Client, pk packets.Packet) {
	h.log.Debug("broker: message dropped, the client reads too slowly", "client", cl.ID, "topic", pk.TopicName)
}

// refuse tells the first refusals of each minute, and how many there were: a stranger must not fill the disk with them.
func (h *hook) refuse(cl *mqtt.Client, what string, err error) {
	h.told.Lock()
	defer h.told.Unlock()
	if now := time.Now(); now.Sub(h.told.since) >= tellTime {
		if h.told.n > maxTold {
			h.log.Warn("broker: more was refused", "times", h.told.n-maxTold, "since", h.told.since)
		}
		h.told.since, h.told.n = now, 0
	}
	if h.told.n++; h.told.n > maxTold {
		return
	}
	h.log.Warn("broker: refused "+what, "client", fmt.Sprintf("%.300s", cl.ID), "remote", cl.Net.Remote, "err", err)
}
