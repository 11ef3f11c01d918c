package mqttpush

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/call"
	"intercom/internal/testhouse"
)

var (
	door  = address("door", "d1", "s1")
	phone = address("flat", "p1", "s1")
)

// pair is a door and a phone, both connected.
func pair(t testing.TB, addr string) (d, p *peer) {
	t.Helper()
	d, p = newPeer(t, addr, door), newPeer(t, addr, phone)
	d.waitState(t, true)
	p.waitState(t, true)
	return d, p
}

func TestRoundTrip(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		d, p := pair(t, s.addr)
		other := newPeer(t, s.addr, address("flat", "p2", "s1"))
		other.waitState(t, true)

		if err := d.send(t, phone.UserAddress(), "ring"); err != nil {
			t.Fatal(err)
		}
		p.wants(t, "ring")
		other.wants(t, "ring")

		// The same bytes come twice: telling repeats apart is not done here.
		for range 2 {
			if err := p.send(t, door, "accept"); err != nil {
				t.Fatal(err)
			}
		}
		d.wants(t, "accept")
		d.wants(t, "accept")

		largest := strings.Repeat("x", MaxPayload)
		if err := d.send(t, phone, largest); err != nil {
			t.Fatal(err)
		}
		p.wants(t, largest)
		if n := len(other.got); n != 0 {
			t.Errorf("a signal to %s reached %s %d times", phone, other.self, n)
		}
	})
}

func TestSendRefused(t *testing.T) {
	s := embedded(t)
	d, _ := pair(t, s.addr)
	tests := []struct {
		name string
		to   call.Address
		data string
		want error
	}{
		{"no user", call.Address{Service: "home"}, "", ErrAddress},
		{"a wildcard", call.Address{Service: "home", User: "#"}, "", ErrAddress},
		{"another level", call.Address{Service: "home", User: "flat/p1"}, "", ErrAddress},
		{"a device without its process", call.Address{Service: "home", User: "flat", Device: "p1"}, "", ErrAddress},
		{"a process without its device", call.Address{Service: "home", User: "flat", Session: "s1"}, "", ErrAddress},
		{"too large", phone, strings.Repeat("x", MaxPayload+1), ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := d.send(t, tt.to, tt.data); !errors.Is(err, tt.want) {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
		})
	}
	if got := d.Counters(); got["send_address"] != 5 || got["send_too_large"] != 1 {
		t.Errorf("counters: %v", got)
	}
}

// What comes in that is not to be delivered is dropped and counted.
func TestDropped(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		d := newPeer(t, s.addr, door)
		d.waitState(t, true)
		plain := newPlainClient(t, s.addr)
		push := root + "home/door/push"
		plain.publish(t, push, false, strings.Repeat("x", MaxPayload+1))
		plain.publish(t, push, false, "good")
		d.wants(t, "good")
		if got := d.Counters()["received_oversized"]; got != 1 {
			t.Errorf("received_oversized is %d, want 1", got)
		}
	})
}

// A retained push rings nobody who connects later.
func TestRetainedPush(t *testing.T) {
	s := mosquitto(t)
	plain := newPlainClient(t, s.addr)
	plain.publish(t, root+"home/door/push", true, "an old ring")
	plain.publish(t, root+"home/door/d1/s1/signal", true, "an old accept")
	d := newPeer(t, s.addr, door)
	d.waitState(t, true)
	eventually(t, "both are counted", func() bool { return d.Counters()["received_retained"] == 2 })
	plain.publish(t, root+"home/door/push", false, "good")
	d.wants(t, "good")
}

// A packet that would use up a board's memory costs the connection, not the
// memory, and the next connection is a good one.
func TestHugePacket(t *testing.T) {
	s := mosquitto(t)
	d := newPeer(t, s.addr, door)
	d.waitState(t, true)
	plain := newPlainClient(t, s.addr)
	plain.publish(t, root+"home/door/push", false, strings.Repeat("x", maxPacket+1))
	d.waitState(t, false)
	d.waitState(t, true)
	plain.publish(t, root+"home/door/push", false, "good")
	d.wants(t, "good")
}

func TestBrokerRestarts(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		d, p := pair(t, s.addr)
		s.kill()
		d.waitState(t, false)
		p.waitState(t, false)
		if d.Connected() {
			t.Error("connected to a dead broker")
		}
		if err := d.send(t, phone.UserAddress(), "ring"); !errors.Is(err, ErrNotConnected) {
			t.Errorf("error of a message while disconnected is %v, want ErrNotConnected", err)
		}
		begin := time.Now()
		s.start()
		d.waitState(t, true)
		p.waitState(t, true)
		t.Logf("both back and subscribed %v after the broker started", time.Since(begin))
		if err := d.send(t, phone.UserAddress(), "again"); err != nil {
			t.Fatal(err)
		}
		p.wants(t, "again") // and not "ring"
		want := map[string]uint64{"connected": 2, "lost": 1, "received": 1}
		got := p.Counters()
		for name, n := range want {
			if got[name] != n {
				t.Errorf("counter %s is %d, want %d", name, got[name], n)
			}
		}
	})
}

// A link that swallows everything is noticed by the missing answer to a ping,
// and what was sent meanwhile is not confirmed.
func TestDeadLink(t *testing.T) {
	s := embedded(t)
	network := newProxy(t, s.addr)
	d := newPeer(t, network.addr, door, func(c *Config) { c.KeepAlive = time.Second; c.ConnectTimeout = time.Second })
	d.waitState(t, true)
	l := d.up.Load()
	network.setDead(true)
	begin := time.Now()
	if err := d.send(t, phone, "hello?"); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrNotConnected) {
		t.Errorf("error on a dead link is %v", err)
	}
	d.waitState(t, false)
	t.Logf("noticed after %v with a keep-alive of 1 s: %v", time.Since(begin), l.conn.cause())
	eventually(t, "an attempt fails", func() bool { return d.Counters()["connect_failed"] > 0 })
	network.setDead(false)
	d.waitState(t, true)
}

// A broker that grants only a part is not one to be connected to.
func TestSubscriptionRefused(t *testing.T) {
	log := &lines{}
	d := newPeer(t, newFakeBroker(t, 1, 0x80, 1), door, func(c *Config) { c.Log = log.logger() })
	eventually(t, "the refusal is logged", func() bool { return log.contains("the broker refused the subscription to " + root) })
	d.Close()
	if got := d.Counters(); got["connected"] != 0 || got["connect_failed"] == 0 {
		t.Errorf("counters: %v", got)
	}
}

// Two processes of one device keep their connections, and each has its own
// signals.
func TestTwoSessions(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		one := newPeer(t, s.addr, address("flat", "p1", "s1"))
		one.waitState(t, true)
		two := newPeer(t, s.addr, address("flat", "p1", "s2"))
		two.waitState(t, true)
		if err := two.send(t, one.self, "for one"); err != nil {
			t.Fatal(err)
		}
		if err := one.send(t, two.self, "for two"); err != nil {
			t.Fatal(err)
		}
		one.wants(t, "for one")
		two.wants(t, "for two")
		if one.Counters()["lost"]+two.Counters()["lost"] != 0 {
			t.Errorf("connections were lost: %v, %v", one.Counters(), two.Counters())
		}
	})
}

func presenceOf(session string, connection uint64, online bool) string {
	data, _ := json.Marshal(presenceBody{1, session, connection, online})
	return string(data)
}

func TestPresence(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		watcher := newPlainClient(t, s.addr, root+"home/+/+/+/presence")
		live := func() message { // a broker may send what it retained only after it granted the subscription
			t.Helper()
			for {
				if got := next(t, "presence", watcher.got); !got.Retained {
					return got
				}
			}
		}
		wants := func(topic, payload string) {
			t.Helper()
			want := message{topic, payload, false}
			for {
				got := live()
				if got == want {
					return
				}
				// The broker may tell a process of its own last message; it
				// then says that it is online once more.
				if got.Topic != topic || !strings.Contains(got.Payload, `"online":true`) {
					t.Fatalf("presence (-want +got):\n%s", cmp.Diff(want, got))
				}
			}
		}
		first := newPeer(t, s.addr, door)
		wants(first.topics.presence, presenceOf("s1", 1, true))

		// The device vanishes: its will says so.
		first.up.Load().conn.fail(errors.New("pulled the plug"))
		wants(first.topics.presence, presenceOf("s1", 1, false))
		wants(first.topics.presence, presenceOf("s1", 2, true))

		// A will of the old connection that comes late is set right.
		// Two senders' messages may be delivered in any order, and are kept in
		// that in which they were sent: what counts is what is kept.
		watcher.publish(t, first.topics.presence, true, presenceOf("s1", 1, false))
		wants(first.topics.presence, presenceOf("s1", 1, false))
		for reader := 0; ; reader++ {
			late := newPlainClient(t, s.addr, first.topics.presence)
			got := next(t, "retained presence", late.got)
			late.Disconnect(100)
			if got == (message{first.topics.presence, presenceOf("s1", 2, true), true}) {
				break
			}
			if reader == 1000 {
				t.Fatalf("the broker keeps %v", got)
			}
		}

		first.Close()
		wants(first.topics.presence, presenceOf("s1", 2, false))

		// The device's next process takes away what the first one left.
		second := newPeer(t, s.addr, address("door", "d1", "s2"))
		gone := false
		for want := []message{{first.topics.presence, "", false}, {second.topics.presence, presenceOf("s2", 1, true), false}}; len(want) > 0; {
			got := live()
			if got == (message{first.topics.presence, presenceOf("s1", 2, false), false}) {
				continue // its will, too
			}
			i := slices.Index(want, got)
			if i < 0 {
				t.Fatalf("presence %v, want one of %v", got, want)
			}
			gone = gone || got.Payload == ""
			want = slices.Delete(want, i, i+1)
		}
		if !gone {
			t.Error("the first process's presence is still there")
		}
	})
}

// The queues are bounded, and what does not fit is told and counted.
func TestQueuesOverflow(t *testing.T) {
	s := embedded(t)
	d, p := pair(t, s.addr)
	hold := make(chan struct{})
	p.Listen(func([]byte) { <-hold })
	for i := range queueLength + inFlight + 16 {
		if err := d.send(t, phone, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "overflow is counted", func() bool { return p.Counters()["received_queue_full"] > 0 })
	close(hold)

	// A broker that confirms nothing: what is in flight fills up, then what
	// waits behind it, then Send refuses. Its pings go unanswered, too.
	mute := newFakeBroker(t, 1, 1, 1)
	d = newPeer(t, mute, door)
	d.waitState(t, true)
	errs := make(chan error, 4096)
	const n = 2*queueLength + inFlight
	for range n {
		d.Send(phone, []byte("x"), func(err error) { errs <- err })
	}
	count := map[string]int{}
	for range n {
		count[counterOf(next(t, "done", errs))]++
	}
	t.Log(count)
	if count["send_queue_full"] < queueLength-inFlight || count["sent"] != 0 || count["send_timeout"]+count["send_not_connected"] == 0 {
		t.Errorf("outcomes: %v", count)
	}
	if got := d.Counters()["send_queue_full"]; got != uint64(count["send_queue_full"]) {
		t.Errorf("send_queue_full is %d, want %d", got, count["send_queue_full"])
	}
}

// newFakeBroker accepts, answers a SUBSCRIBE with codes, and says nothing
// more.
func newFakeBroker(t *testing.T, codes ...byte) (addr string) {
	t.Helper()
	return serveEach(t, func(c net.Conn) { serveFake(c, codes, func([]byte) {}) })
}

// serveEach serves each connection in its goroutine, until the test's end.
func serveEach(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	return l.Addr().String()
}

// serveFake answers a client, and hands over the bodies of its PUBLISH packets.
func serveFake(c net.Conn, codes []byte, published func(body []byte)) {
	for {
		kind, body, err := readPacket(c)
		if err != nil {
			return
		}
		switch kind {
		case 1: // CONNECT
			c.Write([]byte{0x20, 2, 0, 0})
		case 8: // SUBSCRIBE
			c.Write(append([]byte{0x90, byte(2 + len(codes)), body[0], body[1]}, codes...))
		case 3:
			published(body)
		}
	}
}

func readPacket(c net.Conn) (kind byte, body []byte, err error) {
	var b [1]byte
	read := func() byte {
		if err == nil {
			_, err = c.Read(b[:])
		}
		return b[0]
	}
	kind = read() >> 4
	length := 0
	for shift := 0; err == nil && shift < 28; shift += 7 {
		v := read()
		length |= int(v&0x7f) << shift
		if v < 0x80 {
			break
		}
	}
	body = make([]byte, length)
	for i := range body {
		body[i] = read()
	}
	return kind, body, err
}

func TestClose(t *testing.T) {
	s := embedded(t)
	d, p := pair(t, s.addr)
	// What was sent before Close goes out.
	ended := make(chan error, 1)
	d.Send(phone, []byte("end"), func(err error) { ended <- err })
	begin := time.Now()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed after %v", time.Since(begin))
	if err := next(t, "done", ended); err != nil {
		t.Errorf("a message before Close: %v", err)
	}
	p.wants(t, "end")
	if err := d.send(t, phone, "late"); !errors.Is(err, ErrClosed) {
		t.Errorf("error after Close is %v, want ErrClosed", err)
	}
	d.Close() // again

	for name, addr := range map[string]string{
		"on a dead broker":                testhouse.FreePort(t),
		"while a broker does not answer":  newSilentServer(t),
		"while a broker confirms nothing": newFakeBroker(t, 1, 1, 1),
	} {
		d := newPeer(t, addr, door)
		eventually(t, name, func() bool {
			return d.Connected() || d.Counters()["connect_failed"] > 0 || strings.Contains(name, "answer")
		})
		done := make(chan error, 1)
		d.Send(phone, nil, func(err error) { done <- err })
		begin := time.Now()
		d.Close()
		t.Logf("%s: closed after %v", name, time.Since(begin))
		if err := next(t, "done", done); err == nil {
			t.Errorf("%s: a message was confirmed", name)
		}
	}
}

// newSilentServer accepts and says nothing.
func newSilentServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Listen(nil) returns when receive runs no more.
func TestListenNil(t *testing.T) {
	s := embedded(t)
	d, p := pair(t, s.addr)
	entered, leave := make(chan struct{}), make(chan struct{})
	p.Listen(func([]byte) { close(entered); <-leave })
	if err := d.send(t, phone, "x"); err != nil {
		t.Fatal(err)
	}
	next(t, "receive", entered)
	returned := make(chan struct{})
	go func() { p.Listen(nil); close(returned) }()
	select {
	case <-returned:
		t.Fatal("Listen(nil) returned while receive runs")
	default:
	}
	close(leave)
	next(t, "return of Listen", returned)
	if err := d.send(t, phone, "unheard"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is counted", func() bool { return p.Counters()["received_unheard"] == 1 })
}

// BenchmarkPublishToReceive is one push from Send to receive.
func BenchmarkPublishToReceive(b *testing.B) {
	for name, start := range brokers {
		b.Run(name, func(b *testing.B) {
			d, p := pair(b, start(b).addr)
			data := make([]byte, 1200) // an envelope
			arrived := make(chan struct{}, 1)
			p.Listen(func([]byte) { arrived <- struct{}{} })
			b.ReportAllocs()
			for b.Loop() {
				d.Send(phone.UserAddress(), data, nil)
				<-arrived
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/push")
		})
	}
}

// Two stations with one card's copy each tell of the other; the next life of one that ended tells of none.
func TestTwin(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		log := &lines{}
		alone := func(c *Config) { c.Alone, c.Log = true, log.logger() }
		before := newPeer(t, s.addr, door, alone)
		before.waitState(t, true)
		before.Close()
		station := newPeer(t, s.addr, address("door", "d1", "s2"), alone)
		station.waitState(t, true)
		eventually(t, "it hears itself", func() bool { return station.Counters()["sent"] >= 1 })
		if log.contains("another station") {
			t.Error("warned of its own earlier life")
		}
		company := newPeer(t, s.addr, address("door", "d1", "s3"), func(c *Config) { c.Log = log.logger() })
		eventually(t, "warning of the other", func() bool {
			return log.contains("another station is connected as this one") && log.contains("session=s3")
		})
		company.waitState(t, true)
		station.Transport.send(station.presence(station.up.Load(), true), nil)
		eventually(t, "the other to count it", func() bool { return company.Counters()["twin"] > 0 })
		if log.contains("session=s2") {
			t.Error("one that may have company warned, too")
		}
	})
}
