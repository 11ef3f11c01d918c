package call_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"intercom/call"
)

// house joins the Kits of the examples in memory. A product takes its
// Transport and Sealer from package mqttpush and its Media from package rtc.
type house struct {
	mu       sync.Mutex
	devices  []*device
	sessions map[string]*session
}

func newHouse() *house { return &house{sessions: map[string]*session{}} }

// device is a Transport: it carries messages to the other devices.
type device struct {
	house *house
	self  call.Address
	mu    sync.Mutex
	inbox chan []byte // nil: nobody listens
	done  chan struct{}
}

// kit makes a Kit for one device; onPush may be nil.
func (h *house) kit(user, device string, onPush func(k *call.Kit, ccParam string)) *call.Kit {
	var k *call.Kit
	d := h.device(user, device)
	ready := make(chan struct{})
	k, err := call.NewKit(call.Config{
		Self: d.self, Transport: d, Sealer: unsealed{}, Media: media{h},
		OnPush: func(ccParam string) {
			if <-ready; onPush != nil {
				onPush(k, ccParam)
			}
		},
	})
	if err != nil {
		panic(err)
	}
	close(ready)
	return k
}

func (h *house) device(user, name string) *device {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := &device{house: h, self: call.Address{Service: "house", User: user, Device: name, Session: "s1"}}
	h.devices = append(h.devices, d)
	return d
}

// Send implements call.Transport.
func (d *device) Send(to call.Address, data []byte, done func(error)) {
	d.house.mu.Lock()
	defer d.house.mu.Unlock()
	for _, o := range d.house.devices {
		if o.self == to || to.Device == "" && o.self.User == to.User {
			o.take(data)
		}
	}
	if done != nil {
		go done(nil)
	}
}

func (d *device) take(data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inbox != nil {
		d.inbox <- data
	}
}

// Listen implements call.Transport.
func (d *device) Listen(receive func([]byte)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if receive == nil && d.inbox == nil {
		return // Close may be called again
	}
	if receive == nil {
		close(d.inbox)
		d.inbox = nil
		<-d.done
		return
	}
	inbox, done := make(chan []byte, 256), make(chan struct{})
	d.inbox, d.done = inbox, done
	go func() {
		defer close(done)
		for b := range inbox {
			receive(b)
		}
	}()
}

// Connected implements call.Transport.
func (d *device) Connected() bool { return true }

// unsealed is a Sealer that signs nothing.
type unsealed struct{}

func (unsealed) Seal(m call.Message) ([]byte, error) { return json.Marshal(m) }
func (unsealed) CheckToken(string) error             { return nil }
func (unsealed) Open(b []byte) (m call.Message, err error) {
	err = json.Unmarshal(b, &m)
	return m, err
}

// media makes sessions that find each other by the number in their SDP.
type media struct{ h *house }

func (m media) NewSession(c call.SessionConfig) (call.Session, error) {
	m.h.mu.Lock()
	defer m.h.mu.Unlock()
	s := &session{h: m.h, event: c.Event, frame: c.Frame, sdp: strconv.Itoa(len(m.h.sessions))}
	m.h.sessions[s.sdp] = s
	return s, nil
}

type session struct {
	h     *house
	event func(call.SessionEvent)
	frame func(uint16, uint32, []byte)
	sdp   string

	mu            sync.Mutex
	wg            sync.WaitGroup
	peer          *session
	closed        bool
	send, receive bool
}

func (s *session) tell(e call.SessionEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wg.Go(func() { s.event(e) })
	}
}

func (s *session) join(sdp string) *session {
	s.h.mu.Lock()
	p := s.h.sessions[sdp]
	s.h.mu.Unlock()
	s.mu.Lock()
	s.peer = p
	s.mu.Unlock()
	return p
}

func (s *session) Offer()   { s.tell(call.SessionEvent{Kind: call.SessionOffer, SDP: s.sdp}) }
func (s *session) Restart() {}
func (s *session) AcceptOffer(sdp string) {
	s.join(sdp)
	s.tell(call.SessionEvent{Kind: call.SessionAnswer, SDP: s.sdp})
}
func (s *session) AcceptAnswer(sdp string) {
	if p := s.join(sdp); p != nil {
		p.tell(call.SessionEvent{Kind: call.SessionUp})
		s.tell(call.SessionEvent{Kind: call.SessionUp})
	}
}
func (s *session) AddCandidate(string) {}
func (s *session) Gate(send, receive bool) {
	s.mu.Lock()
	s.send, s.receive = send, receive
	s.mu.Unlock()
}
func (s *session) Send([]byte) bool { return false } // no data channel: all goes by the Transport, in order
func (s *session) WriteFrame(b []byte, samples uint32) bool {
	s.mu.Lock()
	p, open := s.peer, s.send
	s.mu.Unlock()
	if p == nil || !open {
		return false
	}
	p.frame(1, samples, b)
	return true
}
func (s *session) Stats() call.MediaStats { return call.MediaStats{} }
func (s *session) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// answers is an indoor station that takes each call at once.
func answers(h call.Handler) func(*call.Kit, string) {
	h.OnVerified = func(c *call.Call, _ bool) { c.Ringing(); c.Accept(call.AcceptOptions{}) }
	return rings(h)
}

// rings is one that verifies each call with h.
func rings(h call.Handler) func(*call.Kit, string) {
	return func(k *call.Kit, ccParam string) {
		cc, err := call.ParseCCParam(ccParam)
		if err != nil {
			fmt.Println(err)
			return
		}
		self := call.Address{Service: "house", User: "home"}
		if _, err := k.VerifyCall(call.VerifyCallParam{MyUserID: self.User, MyServiceID: self.Service, CCParam: cc}, h); err != nil {
			fmt.Println(err)
		}
	}
}
