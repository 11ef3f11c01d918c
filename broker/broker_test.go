package broker

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"go.uber.org/goleak"

	"intercom/identity"
	"intercom/internal/testhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon bounds how long a test waits for what must happen: only a broken test
// gets there.
const soon = 30 * time.Second

func start(t *testing.T, c Config) *Broker {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	b, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// client is a plain MQTT client.
type client struct {
	mqtt.Client
	got  chan string
	lost chan error
}

// dial connects with the options changed by set.
func dial(t *testing.T, b *Broker, set func(*mqtt.ClientOptions)) (*client, error) {
	t.Helper()
	c := &client{got: make(chan string, 4096), lost: make(chan error, 1)}
	o := mqtt.NewClientOptions().AddBroker("mqtt://" + b.Addr()).SetProtocolVersion(4).SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.got <- m.Topic() + " " + string(m.Payload()) }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.lost <- err })
	if set != nil {
		set(o)
	}
	c.Client = mqtt.NewClient(o)
	token := c.Connect()
	wait(t, token.Done(), "answer to CONNECT")
	if err := token.Error(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Disconnect(100) })
	return c, nil
}

func mustDial(t *testing.T, b *Broker, id string) *client {
	t.Helper()
	c, err := dial(t, b, func(o *mqtt.ClientOptions) { o.SetClientID(id) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(soon)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("no %s within %v", what, soon)
		panic("not reached")
	}
}

func (c *client) subscribe(t *testing.T, filter string) (granted bool) {
	t.Helper()
	token := c.Subscribe(filter, 1, nil).(*mqtt.SubscribeToken)
	wait(t, token.Done(), "SUBACK")
	return token.Error() == nil && token.Result()[filter] <= 2
}

func (c *client) wants(t *testing.T, want string) {
	t.Helper()
	if got := wait(t, c.got, "message"); got != want {
		t.Fatalf("received %.100q, want %.100q", got, want)
	}
}

// publish reports whether the broker confirmed the message. It does so before
// it looks for subscribers.
func (c *client) publish(t *testing.T, topic string, retained bool, payload string) bool {
	t.Helper()
	token := c.Publish(topic, 1, retained, payload)
	wait(t, token.Done(), "PUBACK")
	return token.Error() == nil
}

func TestStartRefuses(t *testing.T) {
	taken := start(t, Config{}).Addr()
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"a taken port", Config{Listen: taken}, taken + ": the port is taken"},
		{"no port", Config{Listen: "127.0.0.1"}, "want host:port"},
		{"another machine's address", Config{Listen: "192.0.2.1:0"}, "address of this machine"},
		{"a certificate without its key", Config{Listen: "127.0.0.1:0", TLSCert: "cert.pem"}, "set both files"},
		{"no certificate there", Config{Listen: "127.0.0.1:0", TLSCert: "/none.pem", TLSKey: "/none.key"}, "/none.pem"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Start(tt.cfg)
			if err == nil {
				b.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %q, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := Start(Config{Listen: taken}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("errno of a taken port: %v", err)
	}
}

const signal, presence = "intercom/v1/home/flat/p1/s1/signal", "intercom/v1/home/flat/p1/s1/presence"

// What may be retained is kept; what must never be costs the connection.
func TestRetained(t *testing.T) {
	b := start(t, Config{})
	c := mustDial(t, b, "c")
	c.subscribe(t, presence)
	if !c.publish(t, presence, true, "here") {
		t.Fatal("a retained presence is refused")
	}
	c.wants(t, presence+" here") // it is passed on now, so not again below
	for i, topic := range []string{"intercom/v1/home/flat/push", signal, "intercom/v1/home/flat/p1/s1/cmd", "anything"} {
		bad := mustDial(t, b, fmt.Sprint("bad", i))
		if bad.publish(t, topic, true, "stays") {
			t.Errorf("a retained message to %s is confirmed", topic)
		}
		wait(t, bad.lost, "end of the connection")
	}
	large := mustDial(t, b, "large")
	large.publish(t, presence, true, strings.Repeat("x", maxRetainedSize+1))
	wait(t, large.lost, "end of the connection")
	late := mustDial(t, b, "late")
	late.subscribe(t, "#")
	late.wants(t, presence+" here")
	c.publish(t, signal, false, "after")
	late.wants(t, signal+" after")
}

func TestRetainedAreBounded(t *testing.T) {
	b := start(t, Config{rate: 1e6})
	c := mustDial(t, b, "c")
	for i := range maxRetained + 8 {
		if !c.publish(t, fmt.Sprintf("intercom/v1/home/flat/p1/s%d/state", i), true, "x") {
			t.Fatal("not confirmed")
		}
	}
	if got := b.server.Topics.Retained.Len(); got > maxRetained {
		t.Errorf("%d are kept, at most %d allowed", got, maxRetained)
	}
}

// A client that passes a limit loses its connection; the next one is fine.
func TestLimits(t *testing.T) {
	tests := []struct {
		name string
		do   func(*testing.T, *client)
	}{
		{"packet size", func(t *testing.T, c *client) { c.publish(t, signal, false, strings.Repeat("x", maxPacket)) }},
		{"subscriptions", func(t *testing.T, c *client) {
			for i := range maxSubscriptions {
				if !c.subscribe(t, fmt.Sprint("topic/", i)) {
					t.Fatalf("subscription %d is refused", i)
				}
			}
			c.subscribe(t, "one/more")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, Config{})
			c := mustDial(t, b, "c")
			tt.do(t, c)
			wait(t, c.lost, "end of the connection")
			mustDial(t, b, "c").publish(t, signal, false, "x")
		})
	}
}

func TestOtherVersions(t *testing.T) {
	b := start(t, Config{})
	if _, err := dial(t, b, func(o *mqtt.ClientOptions) { o.SetProtocolVersion(3).SetClientID("c") }); err == nil {
		t.Error("MQTT 3.1 is let in")
	}
	if _, err := dial(t, b, func(o *mqtt.ClientOptions) { o.SetProtocolVersion(4).SetClientID("c") }); err != nil {
		t.Errorf("MQTT 3.1.1: %v", err)
	}
}

// Nothing waits for a client that is away, whatever it asked for.
func TestNoStoredPush(t *testing.T) {
	b := start(t, Config{})
	lasting := func(o *mqtt.ClientOptions) { o.SetClientID("c").SetCleanSession(false) }
	c, err := dial(t, b, lasting)
	if err != nil {
		t.Fatal(err)
	}
	c.subscribe(t, signal)
	c.Disconnect(100)
	other := mustDial(t, b, "other")
	other.subscribe(t, signal)
	other.publish(t, signal, false, "an old ring")
	other.wants(t, signal+" an old ring") // and so nobody else is to get it later
	if c, err = dial(t, b, lasting); err != nil {
		t.Fatal(err)
	}
	c.subscribe(t, signal)
	other.publish(t, signal, false, "now")
	c.wants(t, signal+" now")
}

// A subscriber that reads nothing does not hold up the others.
func TestStalledSubscriber(t *testing.T) {
	b := start(t, Config{rate: 1e6})
	stalled, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	connect := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	connect.ProtocolName, connect.ProtocolVersion, connect.CleanSession, connect.ClientIdentifier, connect.Keepalive = "MQTT", 4, true, "stalled", 60
	subscribe := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	subscribe.MessageID, subscribe.Topics, subscribe.Qoss = 1, []string{"#"}, []byte{0}
	for _, p := range []packets.ControlPacket{connect, subscribe} {
		if err := p.Write(stalled); err != nil {
			t.Fatal(err)
		}
		if _, err := packets.ReadPacket(stalled); err != nil {
			t.Fatal(err)
		}
	}
	reader, writer := mustDial(t, b, "reader"), mustDial(t, b, "writer")
	reader.subscribe(t, signal)
	payload := strings.Repeat("x", 16<<10)
	for range 1024 { // 16 MB: past what the kernel and the broker keep for the stalled one
		if !writer.publish(t, signal, false, payload) {
			t.Fatal("not confirmed")
		}
		reader.wants(t, signal+" "+payload)
	}
	// Its connection ends when a write to it hung for too long.
	deadline, tick := time.After(soon), time.Tick(10*time.Millisecond)
	for {
		if _, there := b.server.Clients.Get("stalled"); !there {
			return
		}
		select {
		case <-tick:
		case <-deadline:
			t.Fatal("the stalled client is still connected")
		}
	}
}

// Close ends also connections that never said who they are.
func TestClose(t *testing.T) {
	b := start(t, Config{})
	var conns []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	c := mustDial(t, b, "c")
	b.Close()
	wait(t, c.lost, "end of the connection")
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(soon))
		if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("silent connection after Close: %v", err)
		}
	}
	b.Close()
	again, err := Start(Config{Listen: b.Addr()})
	if err != nil {
		t.Fatalf("the port is not free after Close: %v", err)
	}
	again.Close()
}

type device struct{ testhouse.Device }

func admit(t *testing.T, h testhouse.House, a identity.Address) device { return device{h.Admit(t, a)} }

// logIn fills in what a device says when it connects.
func (d device) logIn(t *testing.T, o *mqtt.ClientOptions) {
	t.Helper()
	o.SetClientID(ClientID(d.Address)).SetUsername(d.Address.Service + "/" + d.Address.User + "/" + d.Address.Device)
	o.SetPassword(d.password(t, ConnectType))
}

func (d device) password(t *testing.T, kind string) string {
	t.Helper()
	sealed, err := d.Sealer.Seal(identity.Envelope{ID: identity.NewID(), Type: kind, To: d.Address})
	if err != nil {
		t.Fatal(err)
	}
	return string(sealed)
}

func TestAuthenticate(t *testing.T) {
	h := testhouse.New(t)
	b := start(t, Config{Verifier: h.Verifier})
	d := admit(t, h, me)
	will := func(o *mqtt.ClientOptions, topic string, retained bool) { o.SetWill(topic, "gone", 1, retained) }
	tests := []struct {
		name string
		set  func(*mqtt.ClientOptions)
		ok   bool
	}{
		{"a device", func(*mqtt.ClientOptions) {}, true},
		{"with its will", func(o *mqtt.ClientOptions) { will(o, presence, true) }, true},
		{"a stranger", func(o *mqtt.ClientOptions) { admit(t, testhouse.New(t), me).logIn(t, o) }, false},
		{"no password", func(o *mqtt.ClientOptions) { o.SetUsername("").SetPassword("") }, false},
		{"nonsense", func(o *mqtt.ClientOptions) { o.SetPassword("secret") }, false},
		{"a message as password", func(o *mqtt.ClientOptions) { o.SetPassword(d.password(t, "push")) }, false},
		{"another user name", func(o *mqtt.ClientOptions) { o.SetUsername("home/flat/p2") }, false},
		{"another process", func(o *mqtt.ClientOptions) { o.SetClientID("intercom:home:flat:p1:s2") }, false},
		{"another device", func(o *mqtt.ClientOptions) { o.SetClientID("intercom:home:flat:p2:s1") }, false},
		{"a will as another", func(o *mqtt.ClientOptions) { will(o, "intercom/v1/home/flat/p2/s1/presence", true) }, false},
		{"a will that rings for ever", func(o *mqtt.ClientOptions) { will(o, "intercom/v1/home/flat/push", true) }, false},
		{"a large will that stays", func(o *mqtt.ClientOptions) { o.SetWill(presence, strings.Repeat("x", maxRetainedSize+1), 1, true) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := dial(t, b, func(o *mqtt.ClientOptions) { d.logIn(t, o); tt.set(o) })
			if (err == nil) != tt.ok {
				t.Errorf("connect: %v, want success %t", err, tt.ok)
			}
			if !tt.ok && !errors.Is(err, packets.ErrorRefusedNotAuthorised) && !errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) {
				t.Errorf("connect: %v, want a refusal", err)
			}
		})
	}
	t.Run("open, a will that rings for ever", func(t *testing.T) {
		_, err := dial(t, start(t, Config{}), func(o *mqtt.ClientOptions) { will(o, "intercom/v1/home/flat/push", true) })
		if err == nil {
			t.Error("let in")
		}
	})
}

// The rights of TestRights hold on the wire.
func TestRightsOnTheWire(t *testing.T) {
	h := testhouse.New(t)
	b := start(t, Config{Verifier: h.Verifier})
	connect := func(a identity.Address) *client {
		t.Helper()
		c, err := dial(t, b, admit(t, h, a).logInTo(t))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	door := identity.Address{Service: "home", User: "door", Device: "d1", Session: "s1"}
	phone, d := connect(me), connect(door)
	for filter, want := range map[string]bool{signal: true, presence: true, "#": false, "intercom/v1/home/door/push": false, "intercom/v1/home/door/d1/s1/signal": false} {
		if got := phone.subscribe(t, filter); got != want {
			t.Errorf("%s: subscribed is %t, want %t", filter, got, want)
		}
	}
	if !d.publish(t, signal, false, "hello") {
		t.Error("a signal to another device is refused")
	}
	phone.wants(t, signal+" hello")
	d.publish(t, presence, true, "I am the phone")
	wait(t, d.lost, "end of the connection")
	if !phone.publish(t, signal, false, "to myself") {
		t.Error("not confirmed")
	}
	phone.wants(t, signal+" to myself") // and not the other's presence
}

func (d device) logInTo(t *testing.T) func(*mqtt.ClientOptions) {
	return func(o *mqtt.ClientOptions) { d.logIn(t, o) }
}
