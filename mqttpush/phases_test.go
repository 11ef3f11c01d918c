package mqttpush

import (
	"strings"
	"sync"
	"testing"

	"intercom/call"
	"intercom/identity"
	"intercom/internal/testhouse"
	"intercom/rtc"
)

// These tests are whole calls over everything that is real but the sound: two
// Kits, signed envelopes, MQTT, WebRTC. Something breaks in each phase.

// device is one device with a Kit.
type device struct {
	t    *testing.T
	self call.Address
	tr   *Transport
	kit  *call.Kit
	tok  string
	stop func()

	mu     sync.Mutex
	heard  []string
	calls  []*call.Call
	pushes int
}

func newDevice(t *testing.T, h testhouse.House, s *server, user, name string) *device {
	t.Helper()
	p := &device{t: t, self: address(user, name, identity.NewID())}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := h.Admit(t, identity.Address(p.self))
	p.tok = d.Token
	var err error
	p.tr, err = New(Config{URL: "mqtt://" + s.addr, Self: p.self})
	must(err)
	media, err := rtc.New(rtc.Config{IncludeLoopback: true})
	must(err)
	p.kit, err = call.NewKit(call.Config{
		Self: p.self, Transport: p.tr, Media: media, Sealer: NewSealer(d.Sealer, h.NewVerifier(t), d.Key, p.self), OnPush: p.onPush,
	})
	must(err)
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			p.kit.Close()
			p.tr.Close()
			media.Close()
		})
	}
	t.Cleanup(p.stop)
	return p
}

func (p *device) note(s string) { p.mu.Lock(); p.heard = append(p.heard, s); p.mu.Unlock() }

func (p *device) has(s string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.heard {
		if strings.HasPrefix(h, s) {
			return true
		}
	}
	return false
}

func (p *device) waits(s string) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("%s heard %v", p.self, p.heard)
		}
	}()
	eventually(p.t, p.self.User+" hears "+s, func() bool { return p.has(s) })
}

func (p *device) handler() call.Handler {
	return call.Handler{
		OnUnreachable:  func(*call.Call) { p.note("unreachable") },
		OnAcknowledged: func(*call.Call, call.Address) { p.note("acknowledged") },
		OnVerified:     func(c *call.Call, _ bool) { p.note("verified"); c.Ringing() },
		OnConnected:    func(*call.Call, bool, bool) { p.note("connected") },
		OnDisconnected: func(_ *call.Call, d call.Disconnected) { p.note("disconnected " + d.Reason.String()) },
	}
}

func (p *device) onPush(cc string) {
	p.mu.Lock()
	p.pushes++
	p.mu.Unlock()
	param, err := call.ParseCCParam(cc)
	if err != nil {
		p.t.Errorf("push: %v", err)
		return
	}
	c, err := p.kit.VerifyCall(call.VerifyCallParam{MyUserID: p.self.User, MyServiceID: "home", CCParam: param}, p.handler())
	if err != nil {
		p.note("refused " + call.StartReason(err).String())
		return
	}
	p.mu.Lock()
	p.calls = append(p.calls, c)
	p.mu.Unlock()
}

func (p *device) call() *call.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[len(p.calls)-1]
}

func (p *device) makes(to string) *call.Call {
	p.t.Helper()
	c, err := p.kit.MakeCall(call.MakeCallParam{
		MyUserID: p.self.User, MyServiceID: "home", PeerUserID: to, PeerServiceID: "home", AccessToken: p.tok, UnreachableLimit: soon,
	}, p.handler())
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *device) connected(want bool) {
	p.t.Helper()
	eventually(p.t, p.self.User+" at the broker", func() bool { return p.tr.Connected() == want })
}

// ringing brings a call as far as ringing, its path up.
func ringing(t *testing.T, s *server) (h testhouse.House, door, home *device, c *call.Call) {
	t.Helper()
	h = testhouse.New(t)
	door, home = newDevice(t, h, s, "door", "d1"), newDevice(t, h, s, "resident", "panel")
	door.connected(true)
	home.connected(true)
	c = door.makes("resident")
	door.waits("acknowledged")
	eventually(t, "the path is up", func() bool { _, up := c.Record().At("media_up"); return up })
	eventually(t, "the path is up", func() bool { _, up := home.call().Record().At("media_up"); return up })
	return h, door, home, c
}

func TestBrokerKilledInEachPhase(t *testing.T) {
	for name, start := range brokers {
		for phase, run := range map[string]func(*testing.T, *server){
			"before the press": func(t *testing.T, s *server) {
				h := testhouse.New(t)
				door, home := newDevice(t, h, s, "door", "d1"), newDevice(t, h, s, "resident", "panel")
				door.connected(true)
				home.connected(true)
				s.kill()
				door.connected(false)
				c := door.makes("resident")
				door.waits("unreachable") // the visitor is told
				s.start()
				door.waits("acknowledged") // and told again
				home.call().Accept(call.AcceptOptions{})
				door.waits("connected")
				c.End()
				home.waits("disconnected normal")
			},
			"while ringing": func(t *testing.T, s *server) {
				_, door, home, c := ringing(t, s)
				s.kill()
				door.connected(false)
				if !home.call().Accept(call.AcceptOptions{}) { // by the data channel
					t.Fatal("Accept refused")
				}
				door.waits("connected")
				home.waits("connected")
				c.End()
				home.waits("disconnected normal")
				s.start()
			},
			"while ringing, and back": func(t *testing.T, s *server) {
				_, door, home, _ := ringing(t, s)
				s.kill()
				door.connected(false)
				s.start()
				door.connected(true)
				home.connected(true)
				home.call().End()
				door.waits("disconnected decline")
				home.waits("disconnected decline")
			},
			"while talking": func(t *testing.T, s *server) {
				_, door, home, _ := ringing(t, s)
				home.call().Accept(call.AcceptOptions{})
				door.waits("connected")
				home.waits("connected")
				s.kill()
				door.connected(false)
				home.call().End()
				door.waits("disconnected normal")
				home.waits("disconnected normal")
				s.start()
			},
		} {
			t.Run(name+"/"+phase, func(t *testing.T) {
				t.Parallel()
				run(t, start(t))
			})
		}
	}
}

func TestCalleeKilledAndRestarted(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	h, door, home, c := ringing(t, s)
	home.tr.Close() // gone without a word; what its Kit says goes nowhere
	again := newDevice(t, h, s, "resident", "panel")
	again.waits("verified")
	if !again.call().Accept(call.AcceptOptions{}) {
		t.Fatal("Accept refused")
	}
	again.waits("connected")
	door.waits("connected")
	c.End()
	again.waits("disconnected normal")
}

// TestPushRepeatedAndLate: a copy of a push, at once and long after its
// caller's life, never rings.
func TestPushRepeatedAndLate(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	h := testhouse.New(t)
	spy := newPlainClient(t, s.addr, "intercom/v1/home/resident/push")
	door, home := newDevice(t, h, s, "door", "d1"), newDevice(t, h, s, "resident", "panel")
	door.connected(true)
	home.connected(true)
	c := door.makes("resident")
	door.waits("acknowledged")
	push := next(t, "push", spy.got)
	before := home.kit.Counters()["repeated"]
	spy.publish(t, push.Topic, false, push.Payload)
	eventually(t, "the copy is counted", func() bool { return home.kit.Counters()["repeated"] > before })
	c.End()
	home.waits("disconnected cancel")
	if home.pushes != 1 {
		t.Errorf("%d pushes reached the application", home.pushes)
	}
	door.stop() // the caller's life is over; a device that knows nothing of it gets the push
	home.stop()
	late := newDevice(t, h, s, "resident", "panel")
	late.connected(true)
	spy.publish(t, push.Topic, false, push.Payload)
	late.waits("disconnected releasedCall")
	if late.has("verified") {
		t.Error("a push of an ended call rang")
	}
}
