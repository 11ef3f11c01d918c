package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a network in memory, in the virtual time of a synctest bubble.
type world struct {
	t        *testing.T
	mu       sync.Mutex
	nodes    []*node
	sessions map[string]*fakeSession // by offer
	rng      *rand.Rand

	loss, repeat   float64       // of each message
	jitter         time.Duration // reorders
	brokerDown     bool
	pathDown       bool
	lost, repeated int
}

func newWorld(t *testing.T) *world {
	return &world{t: t, sessions: map[string]*fakeSession{}, rng: rand.New(rand.NewSource(1))}
}

func (w *world) set(f func(*world)) { w.mu.Lock(); f(w); w.mu.Unlock() }

// node is one device: its Kit and all that its handlers heard.
type node struct {
	w      *world
	self   Address
	kit    *Kit
	recvMu sync.Mutex
	recv   func([]byte)

	mu      sync.Mutex
	events  []string
	ends    []Disconnected
	records []Record
	pushes  int
	calls   []*Call
	waits   []*BackgroundCall
	onPush  func(n *node, cc string)
}

func (w *world) node(user, device string, edit ...func(*Config)) *node {
	n := &node{w: w, self: Address{"house", user, device, newID()}}
	cfg := Config{Self: n.self, Transport: n, Sealer: plainSealer{}, Media: fakeMedia{w, n.self.Session},
		OnPush: func(cc string) {
			n.mu.Lock()
			n.pushes++
			f := n.onPush
			n.mu.Unlock()
			if f != nil {
				f(n, cc)
			}
		},
		OnRecord: func(r Record) { n.mu.Lock(); n.records = append(n.records, r); n.mu.Unlock() },
	}
	for _, f := range edit {
		f(&cfg)
	}
	k, err := NewKit(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	n.kit = k
	w.set(func(w *world) { w.nodes = append(w.nodes, n) })
	return n
}

func (n *node) Listen(f func([]byte)) { n.recvMu.Lock(); n.recv = f; n.recvMu.Unlock() }
func (n *node) Connected() bool       { n.w.mu.Lock(); defer n.w.mu.Unlock(); return !n.w.brokerDown }

func (n *node) Send(to Address, data []byte, done func(error)) {
	w := n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	down := w.brokerDown
	for _, d := range w.nodes {
		if !slices.Contains(w.nodes, n) { // vanished
			break
		}
		if d.self.User != to.User || to.Device != "" && d.self != to {
			continue
		}
		times := 1
		if w.rng.Float64() < w.loss || down {
			times = 0
			w.lost++
		} else if w.rng.Float64() < w.repeat {
			times = 2
			w.repeated++
		}
		for range times {
			delay := time.Millisecond
			if w.jitter > 0 {
				delay += time.Duration(w.rng.Int63n(int64(w.jitter)))
			}
			time.AfterFunc(delay, func() { d.receive(data) })
		}
	}
	if done != nil {
		time.AfterFunc(time.Millisecond, func() {
			if down {
				done(errors.New("no broker"))
			} else {
				done(nil)
			}
		})
	}
}

func (n *node) receive(data []byte) {
	n.recvMu.Lock()
	defer n.recvMu.Unlock()
	if n.recv != nil {
		n.recv(data)
	}
}

// vanish takes the device off the network, as a power cut does.
func (n *node) vanish() {
	n.Listen(nil)
	n.w.set(func(w *world) {
		w.nodes = slices.DeleteFunc(w.nodes, func(x *node) bool { return x == n })
	})
}

func (n *node) note(format string, args ...any) {
	n.mu.Lock()
	n.events = append(n.events, fmt.Sprintf(format, args...))
	n.mu.Unlock()
}

func (n *node) heard() []string { n.mu.Lock(); defer n.mu.Unlock(); return slices.Clone(n.events) }

func (n *node) recorded() []Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.records)
}

func (n *node) handler() Handler {
	return Handler{
		OnWaitConnected:              func(*Call) { n.note("waitConnected") },
		OnUnreachable:                func(*Call) { n.note("unreachable") },
		OnAcknowledged:               func(_ *Call, d Address) { n.note("acknowledged %s", d.Device) },
		OnVerified:                   func(_ *Call, prep bool) { n.note("verified %v", prep) },
		OnConnected:                  func(_ *Call, in, should bool) { n.note("connected %v %v", in, should) },
		OnPreparationFinished:        func(*Call) { n.note("prepared") },
		OnPeerMicMuted:               func(*Call) { n.note("peerMuted") },
		OnPeerMicUnmuted:             func(*Call) { n.note("peerUnmuted") },
		OnMyAudioMuteRequestedByPeer: func(*Call) { n.note("muteRequested") },
		OnPeerHold:                   func(_ *Call, why string) { n.note("peerHold %s", why) },
		OnPeerUnhold:                 func(*Call) { n.note("peerUnhold") },
		OnOpenRequest:                func(*Call) { n.note("openRequest") },
		OnOpenResult:                 func(_ *Call, ok bool, why string) { n.note("openResult %v %s", ok, why) },
		OnShortData:                  func(_ *Call, typ string, b []byte) { n.note("shortData %s %s", typ, b) },
		OnShortDataResult:            func(_ *Call, id int64, ok bool) { n.note("shortDataResult %d %v", id, ok) },
		OnNetworkUnavailable:         func(_ *Call, peer bool, d time.Duration) { n.note("networkUnavailable %v %v", peer, d) },
		OnNetworkReavailable:         func(*Call) { n.note("networkReavailable") },
		OnDisconnected: func(_ *Call, d Disconnected) {
			n.note("disconnected %s %s %v", d.Reason, d.Source, d.ByRemote)
			n.mu.Lock()
			n.ends = append(n.ends, d)
			n.mu.Unlock()
		},
	}
}

func (n *node) make(to string, edit ...func(*MakeCallParam)) *Call {
	n.w.t.Helper()
	p := MakeCallParam{MyUserID: n.self.User, MyServiceID: "house", PeerUserID: to, PeerServiceID: "house", AccessToken: "token"}
	for _, f := range edit {
		f(&p)
	}
	c, err := n.kit.MakeCall(p, n.handler())
	if err != nil {
		n.w.t.Fatalf("MakeCall: %v", err)
	}
	return c
}

func (n *node) verify(cc string) (*Call, error) { return n.verifyWith(cc, n.handler()) }

func (n *node) verifyWith(cc string, h Handler) (*Call, error) {
	p, err := n.param(cc)
	if err != nil {
		return nil, err
	}
	c, err := n.kit.VerifyCall(p, h)
	if c != nil {
		n.mu.Lock()
		n.calls = append(n.calls, c)
		n.mu.Unlock()
	}
	return c, err
}

// param is what a push is verified with.
func (n *node) param(cc string) (VerifyCallParam, error) {
	p, err := ParseCCParam(cc)
	return VerifyCallParam{MyUserID: n.self.User, MyServiceID: "house", CCParam: p}, err
}

// rings makes the device verify each push and ring.
func (n *node) rings() *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onPush = func(n *node, cc string) {
		h := n.handler()
		verified := h.OnVerified
		h.OnVerified = func(c *Call, prep bool) { verified(c, prep); c.Ringing() }
		if _, err := n.verifyWith(cc, h); err != nil {
			n.note("verify failed: %s", StartReason(err))
		}
	}
	return n
}

func (n *node) pushed(f func(n *node, cc string)) { n.mu.Lock(); n.onPush = f; n.mu.Unlock() }

func (n *node) call() *Call {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.calls) == 0 {
		return nil
	}
	return n.calls[len(n.calls)-1]
}

func (w *world) close() {
	w.mu.Lock()
	nodes := slices.Clone(w.nodes)
	w.mu.Unlock()
	for _, n := range nodes {
		if err := n.kit.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

type plainSealer struct{}

func (plainSealer) Seal(m Message) ([]byte, error)       { return json.Marshal(m) }
func (plainSealer) Open(b []byte) (m Message, err error) { err = json.Unmarshal(b, &m); return m, err }
func (plainSealer) CheckToken(t string) error {
	if t != "token" {
		return errors.New("expired")
	}
	return nil
}

// fakeMedia joins sessions in memory: no ICE, no sound, the same events.
type fakeMedia struct {
	w       *world
	session string // of the process
}

func (m fakeMedia) NewSession(c SessionConfig) (Session, error) {
	return &fakeSession{w: m.w, owner: m.session, cfg: c, id: newID()}, nil
}

type fakeSession struct {
	w     *world
	owner string
	cfg   SessionConfig
	id    string

	evMu          sync.Mutex // held while an event is given
	mu            sync.Mutex
	peer          *fakeSession
	up, closed    bool
	send, receive bool
}

func (s *fakeSession) event(e SessionEvent) {
	time.AfterFunc(time.Millisecond, func() {
		s.evMu.Lock()
		defer s.evMu.Unlock()
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if !closed {
			s.cfg.Event(e)
		}
	})
}

func (s *fakeSession) Offer() {
	s.w.set(func(w *world) { w.sessions[s.id] = s })
	s.event(SessionEvent{Kind: SessionOffer, SDP: s.id})
}
func (s *fakeSession) Restart() { s.event(SessionEvent{Kind: SessionOffer, SDP: s.id}) }
func (s *fakeSession) AcceptOffer(sdp string) {
	if sdp == "bad" {
		s.event(SessionEvent{Kind: SessionFailed, Err: errors.New("bad sdp")})
		return
	}
	s.w.set(func(w *world) { w.sessions[s.id] = s })
	s.w.mu.Lock()
	p := s.w.sessions[sdp]
	s.w.mu.Unlock()
	s.mu.Lock()
	s.peer = p
	s.mu.Unlock()
	s.event(SessionEvent{Kind: SessionAnswer, SDP: s.id})
}
func (s *fakeSession) AcceptAnswer(sdp string) {
	s.w.mu.Lock()
	p, down := s.w.sessions[sdp], s.w.pathDown
	s.w.mu.Unlock()
	if p == nil || down {
		return
	}
	s.mu.Lock()
	s.peer = p
	s.mu.Unlock()
	s.rise()
	p.rise()
}
func (s *fakeSession) rise() {
	s.mu.Lock()
	s.up = true
	s.mu.Unlock()
	s.event(SessionEvent{Kind: SessionUp})
}
func (s *fakeSession) AddCandidate(string) {}
func (s *fakeSession) Gate(send, receive bool) {
	s.mu.Lock()
	s.send, s.receive = send, receive
	s.mu.Unlock()
}
func (s *fakeSession) path() *fakeSession {
	s.w.mu.Lock()
	down := s.w.pathDown
	s.w.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if down || !s.up || s.closed {
		return nil
	}
	return s.peer
}
func (s *fakeSession) Send(b []byte) bool {
	s.mu.Lock()
	up := s.up && !s.closed
	s.mu.Unlock()
	if p := s.path(); p != nil {
		p.event(SessionEvent{Kind: SessionMessage, Data: b})
	}
	return up
}
func (s *fakeSession) WriteFrame(b []byte, _ uint32) bool {
	s.mu.Lock()
	open := s.send
	s.mu.Unlock()
	p := s.path()
	if !open || p == nil {
		return false
	}
	p.mu.Lock()
	got := p.receive && !p.closed
	p.mu.Unlock()
	if got {
		p.cfg.Frame(1, 1, b)
	}
	return true
}
func (s *fakeSession) Stats() MediaStats { return MediaStats{} }
func (s *fakeSession) Close() error {
	s.evMu.Lock()
	defer s.evMu.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.w.set(func(w *world) { delete(w.sessions, s.id) })
	return nil
}

// cut takes the voice's path away, or gives it back; sessions notice after 2 s.
func (w *world) cut(down bool) {
	w.mu.Lock()
	w.pathDown = down
	var all []*fakeSession
	for _, s := range w.sessions {
		all = append(all, s)
	}
	w.mu.Unlock()
	for _, s := range all {
		if down {
			time.AfterFunc(2*time.Second, func() { s.event(SessionEvent{Kind: SessionLost}) })
		} else {
			s.event(SessionEvent{Kind: SessionUp})
		}
	}
}

// die takes a session off the path without a word, as its process's death does.
func (s *fakeSession) die() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}
