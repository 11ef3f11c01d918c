package rtc

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"go.uber.org/goleak"

	"intercom/call"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(childVariable); config != "" {
		if err := child(config); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come; it only passes when
// something is broken.
const patience = 20 * time.Second

func testMedia(t testing.TB, network transport.Net) *Media {
	t.Helper()
	timing := defaultTiming()
	timing.disconnected, timing.keepAlive = 300*time.Millisecond, 50*time.Millisecond
	timing.restart = 300 * time.Millisecond
	timing.report = 50 * time.Millisecond
	m, err := newMedia(Config{Interfaces: []string{"lo"}, IncludeLoopback: true}, timing, network)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

type frame struct {
	seq       uint16
	timestamp uint32
	payload   string
}

// end is a session and what came from it.
type end struct {
	*Session
	t      testing.TB
	name   string
	events chan call.SessionEvent
	frames chan frame
}

func newEnd(t testing.TB, m *Media, role call.Role) *end {
	t.Helper()
	e := &end{t: t, name: fmt.Sprint(role), events: make(chan call.SessionEvent, 100), frames: make(chan frame, 1000)}
	s, err := m.NewSession(call.SessionConfig{
		CallID: "c1", Role: role, Peer: call.Address{Service: "home", User: "peer"},
		Event: func(ev call.SessionEvent) { e.events <- ev },
		Frame: func(seq uint16, ts uint32, p []byte) {
			select {
			case e.frames <- frame{seq, ts, string(p)}:
			default: // a benchmark does not look at them
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Session = s.(*Session)
	t.Cleanup(func() { _ = s.Close() })
	return e
}

// next waits for the next event, which must be of that kind.
func (e *end) next(kind call.SessionEventKind) call.SessionEvent {
	e.t.Helper()
	select {
	case ev := <-e.events:
		if ev.Kind != kind {
			e.t.Fatalf("%s: got event %+v, want kind %d", e.name, ev, kind)
		}
		return ev
	case <-time.After(patience):
		e.t.Fatalf("%s: no event of kind %d: path %v ice %v dtls %v", e.name, kind, e.up.Load(), e.pc.ICEConnectionState(), e.dtls.State())
	}
	panic("unreachable")
}

func (e *end) nextFrame() frame {
	e.t.Helper()
	select {
	case f := <-e.frames:
		return f
	case <-time.After(patience):
		e.t.Fatalf("%s: no frame", e.name)
	}
	panic("unreachable")
}

// until waits for a counter, which no event tells of.
func until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for !reached() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("not reached: %s", what)
		}
	}
}

// connect brings a callee and a caller up.
func connect(t testing.TB, ma, mb *Media) (callee, caller *end) {
	t.Helper()
	callee, caller = newEnd(t, ma, call.RoleCallee), newEnd(t, mb, call.RoleCaller)
	negotiate(callee, caller, callee.Offer)
	callee.next(call.SessionUp)
	caller.next(call.SessionUp)
	return callee, caller
}

func negotiate(callee, caller *end, offer func()) {
	callee.t.Helper()
	offer()
	caller.AcceptOffer(callee.next(call.SessionOffer).SDP)
	callee.AcceptAnswer(caller.next(call.SessionAnswer).SDP)
}

// lossyNet is the real network, until it drops all.
type lossyNet struct {
	*stdnet.Net
	drop atomic.Bool
}

func newLossyNet(t testing.TB) *lossyNet {
	n, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	return &lossyNet{Net: n}
}

func (n *lossyNet) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	c, err := n.Net.ListenUDP(network, addr)
	return &lossyConn{c, n}, err
}

type lossyConn struct {
	transport.UDPConn
	net *lossyNet
}

func (c *lossyConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.net.drop.Load() {
		return len(b), nil
	}
	return c.UDPConn.WriteTo(b, to)
}

func (c *lossyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err != nil || !c.net.drop.Load() {
			return n, from, err
		}
	}
}

func TestVoiceBothWays(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	callee.Gate(true, true)
	caller.Gate(true, true)
	for i := range 20 {
		for _, way := range []struct{ from, to *end }{{callee, caller}, {caller, callee}} {
			want := fmt.Sprintf("%s %d", way.from.name, i)
			if !way.from.WriteFrame([]byte(want), 480) {
				t.Fatalf("%s was not sent", want)
			}
			if got := way.to.nextFrame().payload; got != want {
				t.Fatalf("got frame %q, want %q", got, want)
			}
		}
	}
	got := callee.Stats()
	if got.Sent.Packets != 20 || got.Received.Packets != 20 || got.Received.Lost != 0 || got.Received.Dropped != 0 ||
		!strings.HasPrefix(got.LocalCandidate, "host ") || got.RemoteCandidate == "" {
		t.Errorf("got %+v, want 20 packets each way over host candidates", got)
	}
}

func TestGatesAreClosedAtFirst(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	if callee.WriteFrame([]byte("leak"), 480) {
		t.Error("a frame passed the closed send gate")
	}
	callee.Gate(true, false)
	for range 5 {
		if !callee.WriteFrame([]byte("dropped at the receiver"), 480) {
			t.Fatal("a frame did not pass the open send gate")
		}
	}
	// The gate opens only after those have arrived.
	until(t, "5 frames dropped", func() bool { return caller.Stats().Received.Dropped == 5 })
	caller.Gate(false, true)
	callee.WriteFrame([]byte("voice"), 480)
	if got := caller.nextFrame(); got.payload != "voice" {
		t.Errorf("got frame %q through a closed gate", got.payload)
	}
	if got := callee.Stats().Sent.Dropped; got != 1 {
		t.Errorf("got %d dropped by the send gate, want 1", got)
	}
}

func TestDataChannel(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	for _, way := range []struct{ from, to *end }{{callee, caller}, {caller, callee}} {
		for _, size := range []int{1, 800, maxMessage} {
			want := bytes.Repeat([]byte{byte(size)}, size)
			if !way.from.Send(want) {
				t.Fatalf("%s: %d bytes not sent", way.from.name, size)
			}
			if got := way.to.next(call.SessionMessage).Data; !bytes.Equal(got, want) {
				t.Errorf("%s got %d bytes, want %d", way.to.name, len(got), size)
			}
		}
		for _, size := range []int{0, maxMessage + 1} {
			if way.from.Send(make([]byte, size)) {
				t.Errorf("%d bytes were sent", size)
			}
		}
	}
}

// The last words before Close arrive, then the peer's end is noticed.
func TestCloseFlushes(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	for i := range 10 {
		if !callee.Send(fmt.Appendf(nil, "%d", i)) {
			t.Fatal("not sent")
		}
	}
	_ = callee.Close()
	for i := range 10 {
		if got := string(caller.next(call.SessionMessage).Data); got != fmt.Sprint(i) {
			t.Errorf("got message %q, want %d", got, i)
		}
	}
	caller.next(call.SessionLost)
	if callee.Send([]byte("x")) || callee.WriteFrame([]byte("x"), 480) {
		t.Error("something was sent after Close")
	}
}
