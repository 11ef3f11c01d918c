package mqttpush

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"intercom/broker"
	"intercom/call"
	"intercom/identity"
	"intercom/internal/testhouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon bounds how long a test waits for what must happen: only a broken test
// gets there.
const soon = 30 * time.Second

// server is a real broker that can be killed and started again at its port.
type server struct {
	addr  string
	kill  func() // as a power cut does
	start func()
}

// brokers are the brokers that every test of the wire runs against.
var brokers = map[string]func(testing.TB) *server{"embedded": embedded, "mosquitto": mosquitto}

func onBrokers(t *testing.T, test func(*testing.T, *server)) {
	for name, start := range brokers {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

func embedded(t testing.TB) *server {
	t.Helper()
	s := &server{addr: "127.0.0.1:0"}
	var b *broker.Broker
	s.start = func() {
		t.Helper()
		var err error
		if b, err = broker.Start(broker.Config{Listen: s.addr}); err != nil {
			t.Fatal(err)
		}
		s.addr = b.Addr()
	}
	s.kill = func() { b.Close() }
	s.start()
	t.Cleanup(func() { s.kill() })
	return s
}

// mosquitto is the server that is not ours.
func mosquitto(t testing.TB) *server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs mosquitto")
	}
	m := testhouse.StartMosquitto(t)
	return &server{addr: m.Addr, kill: m.Kill, start: func() {
		t.Helper()
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}}
}

// eventually waits for what another process or goroutine will do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(soon)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %v", what, soon)
		}
	}
}

func address(user, device, session string) call.Address {
	return call.Address{Service: "home", User: user, Device: device, Session: session}
}

// peer is a Transport and what it received.
type peer struct {
	*Transport
	self   call.Address
	got    chan string
	states chan bool
}

func newPeer(t testing.TB, addr string, self call.Address, set ...func(*Config)) *peer {
	t.Helper()
	p := &peer{self: self, got: make(chan string, 1024), states: make(chan bool, 64)}
	cfg := Config{URL: "mqtt://" + addr, Self: self, OnState: func(up bool) { p.states <- up }}
	for _, s := range set {
		s(&cfg)
	}
	var err error
	if p.Transport, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	p.Listen(func(data []byte) { p.got <- string(data) })
	return p
}

func (p *peer) waitState(t testing.TB, want bool) {
	t.Helper()
	if got := next(t, "state", p.states); got != want {
		t.Fatalf("%s: connected is %t, want %t", p.self, got, want)
	}
}

func (p *peer) wants(t testing.TB, want string) {
	t.Helper()
	if got := next(t, "message", p.got); got != want {
		t.Fatalf("%s received %.80q, want %.80q", p.self, got, want)
	}
}

// send sends and waits for what the transport says of it.
func (p *peer) send(t testing.TB, to call.Address, data string) error {
	t.Helper()
	done := make(chan error, 2)
	p.Send(to, []byte(data), func(err error) { done <- err })
	return next(t, "done", done)
}

func next[T any](t testing.TB, what string, c <-chan T) T {
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

// message is what a plain client received.
type message struct {
	Topic, Payload string
	Retained       bool
}

// plainClient is an MQTT client without our rules.
type plainClient struct {
	mqtt.Client
	got chan message
}

func newPlainClient(t testing.TB, addr string, filters ...string) *plainClient {
	t.Helper()
	c := &plainClient{got: make(chan message, 1024)}
	c.Client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("mqtt://" + addr).SetProtocolVersion(4).
		SetAutoReconnect(false).SetClientID("plain-" + identity.NewID()).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			c.got <- message{m.Topic(), string(m.Payload()), m.Retained()}
		}))
	must(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(100) })
	for _, f := range filters {
		must(t, c.Subscribe(f, 1, nil))
	}
	return c
}

func (c *plainClient) publish(t testing.TB, topic string, retained bool, payload string) {
	t.Helper()
	must(t, c.Publish(topic, 1, retained, payload))
}

func must(t testing.TB, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(soon) || token.Error() != nil {
		t.Fatalf("plain client: %v", token.Error())
	}
}

// proxy is a network between a client and a broker that can go dead: it takes
// bytes and delivers none.
type proxy struct {
	addr string
	mu   sync.Mutex
	dead bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			wg.Go(func() { p.copy(out, in) })
			wg.Go(func() { p.copy(in, out) })
		}
	})
	return p
}

func (p *proxy) setDead(dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = dead
}

func (p *proxy) copy(dst, src net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := src.Read(buf)
		p.mu.Lock()
		dead := p.dead
		p.mu.Unlock()
		if n > 0 && !dead {
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !dead { // a dead network does not tell that the other side is gone
				dst.Close()
			}
			return
		}
	}
}
