package call

import (
	"errors"
	"math/rand"
	"slices"
	"sync"
	"time"
)

// sim is a network in the virtual time of a bubble, with every fault that a
// house's network has: messages are lost, repeated, delayed and reordered; the
// link of a station to the broker, or the path of its voice, is cut and heals;
// a link stalls, and lets go in a burst of all that it held back.
type sim struct {
	mu       sync.Mutex
	rng      *rand.Rand
	lines    []*line
	sessions map[string]*simSession // by SDP
	loss     float64                // of each message
	repeat   float64
	delay    time.Duration // up to
	faults   map[string]int
}

// stallLimit: what a link has held back for longer never arrives; a broker has
// given the link up by then.
const stallLimit = 30 * time.Second

func newSim(seed int64) *sim {
	return &sim{rng: rand.New(rand.NewSource(seed)), sessions: map[string]*simSession{}, faults: map[string]int{}}
}

// line is how one process reaches the others. It is its Kit's Transport, and
// makes its media sessions.
type line struct {
	sim    *sim
	self   Address
	recvMu sync.Mutex
	recv   func([]byte)

	// guarded by sim.mu
	dead     bool
	linkDown bool
	pathDown bool
	stalled  bool
	held     []func()
	sent     map[*line]int // for the count of what is reordered: number of the last one sent to
	got      map[*line]int // and the highest one received from
}

func (m *sim) line(self Address) *line {
	return &line{sim: m, self: self, sent: map[*line]int{}, got: map[*line]int{}}
}

// gone reports whether a process has died or stopped.
func (m *sim) gone(a Address) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !slices.ContainsFunc(m.lines, func(l *line) bool { return l.self == a })
}

// join puts it on the network.
func (m *sim) join(l *line) { m.mu.Lock(); m.lines = append(m.lines, l); m.mu.Unlock() }

func (l *line) Listen(f func([]byte)) { l.recvMu.Lock(); l.recv = f; l.recvMu.Unlock() }

func (l *line) Connected() bool { l.sim.mu.Lock(); defer l.sim.mu.Unlock(); return !l.linkDown }

func (l *line) Send(to Address, data []byte, done func(error)) {
	m := l.sim
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.dead {
		return
	}
	if l.linkDown {
		m.faults["message cut off"]++
		if done != nil {
			time.AfterFunc(time.Millisecond, func() { done(errors.New("no link")) })
		}
		return
	}
	for _, d := range m.lines {
		if d.dead || d.self.User != to.User || to.Device != "" && d.self != to {
			continue
		}
		times := 1
		switch x := m.rng.Float64(); {
		case x < m.loss:
			times = 0
			m.faults["message lost"]++
		case x < m.loss+m.repeat:
			times = 2
			m.faults["message repeated"]++
		}
		l.sent[d]++
		for range times {
			m.deliver(l, d, l.sent[d], data)
		}
	}
	if done != nil {
		time.AfterFunc(2*time.Millisecond, func() { done(nil) })
	}
}

// deliver brings one message to d after a while. m.mu is held.
func (m *sim) deliver(from, d *line, number int, data []byte) {
	delay := time.Millisecond
	if m.delay > 0 {
		delay += time.Duration(m.rng.Int63n(int64(m.delay)))
		m.faults["message delayed"]++
	}
	arrive := func() {
		m.mu.Lock()
		switch {
		case d.dead:
		case d.linkDown:
			m.faults["message cut off"]++
		default:
			if number < d.got[from] {
				m.faults["message reordered"]++
			}
			d.got[from] = max(d.got[from], number)
			m.mu.Unlock()
			d.receive(data)
			return
		}
		m.mu.Unlock()
	}
	time.AfterFunc(delay, func() {
		m.mu.Lock()
		if d.stalled {
			m.faults["message held back"]++
			late := time.AfterFunc(stallLimit, func() {}) // only to know how late it is
			d.held = append(d.held, func() {
				if late.Stop() {
					arrive()
				}
			})
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		arrive()
	})
}

func (l *line) receive(data []byte) {
	l.recvMu.Lock()
	defer l.recvMu.Unlock()
	if l.recv != nil {
		l.recv(data)
	}
}

// set changes the network, and lets the sessions notice.
func (m *sim) set(f func()) {
	m.mu.Lock()
	f()
	var all []*simSession
	for _, s := range m.sessions {
		all = append(all, s)
	}
	var late []func()
	for _, l := range m.lines {
		if !l.stalled {
			late, l.held = append(late, l.held...), nil
		}
	}
	m.mu.Unlock()
	for _, f := range late {
		time.AfterFunc(time.Millisecond, f)
	}
	for _, s := range all {
		time.AfterFunc(5*time.Millisecond, s.lookUp)
		time.AfterFunc(2*time.Second, s.lookDown)
	}
}

// heal makes the network whole again.
func (m *sim) heal() {
	m.set(func() {
		m.loss, m.repeat, m.delay = 0, 0, 0
		for _, l := range m.lines {
			l.linkDown, l.pathDown, l.stalled = false, false, false
		}
	})
}

// die takes a process away, as kill -9 does.
func (l *line) die() {
	l.Listen(nil)
	l.sim.set(func() {
		l.dead, l.held = true, nil
		l.sim.lines = slices.DeleteFunc(l.sim.lines, func(x *line) bool { return x == l })
	})
}

// NewSession makes a session that is joined with another in memory.
func (l *line) NewSession(c SessionConfig) (Session, error) {
	s := &simSession{line: l, cfg: c, id: newID()}
	l.sim.mu.Lock()
	l.sim.sessions[s.id] = s
	l.sim.mu.Unlock()
	return s, nil
}

// simSession is a media session without sound: offers, answers, a path that
// comes and goes, an ordered data channel that goes on where it was cut.
type simSession struct {
	line *line
	cfg  SessionConfig
	id   string
	evMu sync.Mutex // held while an event is given

	// guarded by sim.mu
	peer          *simSession
	joined        bool // offer and answer are complete
	up, closed    bool
	send, receive bool
	frames        int
	inbox         []SessionEvent
	outbox        [][]byte
}

func (s *simSession) lock() func() { s.line.sim.mu.Lock(); return s.line.sim.mu.Unlock }

// reachable: is there a path now? sim.mu is held.
func (s *simSession) reachable() bool {
	p := s.peer
	return s.joined && p != nil && p.joined && !s.closed && !p.closed &&
		!s.line.dead && !p.line.dead && !s.line.pathDown && !p.line.pathDown
}

// event gives one in order, soon, from another goroutine. sim.mu is held.
func (s *simSession) event(e SessionEvent) {
	s.inbox = append(s.inbox, e)
	time.AfterFunc(time.Millisecond, func() {
		s.evMu.Lock()
		defer s.evMu.Unlock()
		unlock := s.lock()
		e := s.inbox[0]
		s.inbox = s.inbox[1:]
		gone := s.closed || s.line.dead
		unlock()
		if !gone {
			s.cfg.Event(e)
		}
	})
}

func (s *simSession) lookUp() {
	defer s.lock()()
	if s.reachable() && !s.up {
		s.up = true
		s.event(SessionEvent{Kind: SessionUp})
	}
	s.pump()
}

func (s *simSession) lookDown() {
	defer s.lock()()
	if s.up && !s.reachable() {
		s.up = false
		s.event(SessionEvent{Kind: SessionLost})
	}
}

// pump moves on what the data channel holds. sim.mu is held.
func (s *simSession) pump() {
	for s.reachable() && len(s.outbox) > 0 {
		s.peer.event(SessionEvent{Kind: SessionMessage, Data: s.outbox[0]})
		s.outbox = s.outbox[1:]
	}
}

func (s *simSession) join(sdp string) bool {
	if p := s.line.sim.sessions[sdp]; p != nil {
		s.peer, s.joined = p, true
		return true
	}
	return false
}

func (s *simSession) Offer()   { defer s.lock()(); s.event(SessionEvent{Kind: SessionOffer, SDP: s.id}) }
func (s *simSession) Restart() { s.Offer() }

func (s *simSession) AcceptOffer(sdp string) {
	defer s.lock()()
	if p := s.line.sim.sessions[sdp]; p != nil {
		s.join(sdp)
	}
	s.event(SessionEvent{Kind: SessionAnswer, SDP: s.id})
}

func (s *simSession) AcceptAnswer(sdp string) {
	defer s.lock()()
	if s.join(sdp) {
		time.AfterFunc(3*time.Millisecond, s.lookUp)
		time.AfterFunc(3*time.Millisecond, s.peer.lookUp)
	}
}

func (s *simSession) AddCandidate(string) {}

func (s *simSession) Gate(send, receive bool) { defer s.lock()(); s.send, s.receive = send, receive }

func (s *simSession) Send(b []byte) bool {
	defer s.lock()()
	if !s.up || s.closed || s.line.dead || len(s.outbox) >= 64 {
		return false
	}
	s.outbox = append(s.outbox, b)
	s.pump()
	return true
}

func (s *simSession) WriteFrame([]byte, uint32) bool {
	defer s.lock()()
	if !s.send || !s.reachable() {
		return false
	}
	if s.peer.receive {
		s.peer.frames++
	}
	return true
}

func (s *simSession) Stats() MediaStats { return MediaStats{} }

func (s *simSession) Close() error {
	s.evMu.Lock()
	defer s.evMu.Unlock()
	unlock := s.lock()
	s.closed = true
	delete(s.line.sim.sessions, s.id)
	p := s.peer
	unlock()
	if p != nil {
		time.AfterFunc(2*time.Second, p.lookDown)
	}
	return nil
}
