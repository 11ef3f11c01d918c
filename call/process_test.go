package call

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests here are of real processes: this test binary, started again, with
// a real journal, real locks and sockets, and kill -9. Messages go through a
// hub in the test; time is the machine's, and no test fails by it.

const (
	processRole = "INTERCOM_CALL_TEST_ROLE" // daemon, station or app
	processDir  = "INTERCOM_CALL_TEST_DIR"
)

// hub passes messages on between the processes that are connected to it.
type hub struct {
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]Address
}

type hubLine struct {
	Self *Address `json:"self,omitempty"` // the first line
	To   Address  `json:"to"`
	Data []byte   `json:"data"`
}

func newHub(t *testing.T, dir string) *hub {
	l, err := net.Listen("unix", filepath.Join(dir, "hub"))
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{l: l, conns: map[net.Conn]Address{}}
	h.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.wg.Go(func() { h.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		h.mu.Lock()
		for c := range h.conns {
			c.Close()
		}
		h.mu.Unlock()
		h.wg.Wait()
	})
	return h
}

func (h *hub) serve(c net.Conn) {
	defer func() {
		h.mu.Lock()
		delete(h.conns, c)
		h.mu.Unlock()
		c.Close()
	}()
	for d := json.NewDecoder(c); ; {
		var m hubLine
		if d.Decode(&m) != nil {
			return
		}
		h.mu.Lock()
		if m.Self != nil {
			h.conns[c] = *m.Self
		}
		for to, a := range h.conns {
			if m.Self == nil && a.User == m.To.User && (m.To.Device == "" || a == m.To) {
				_ = json.NewEncoder(to).Encode(m) // one that has died misses it
			}
		}
		h.mu.Unlock()
	}
}

// hubLink is a Transport over a hub.
type hubLink struct {
	conn net.Conn
	wg   sync.WaitGroup
	mu   sync.Mutex
	recv func([]byte)
}

func dialHub(dir string, self Address) (*hubLink, error) {
	c, err := net.Dial("unix", filepath.Join(dir, "hub"))
	if err != nil {
		return nil, err
	}
	l := &hubLink{conn: c}
	l.wg.Go(func() {
		for d := json.NewDecoder(c); ; {
			var m hubLine
			if d.Decode(&m) != nil {
				return
			}
			l.mu.Lock()
			if l.recv != nil {
				l.recv(m.Data)
			}
			l.mu.Unlock()
		}
	})
	return l, json.NewEncoder(c).Encode(hubLine{Self: &self})
}

func (l *hubLink) Send(to Address, data []byte, done func(error)) {
	b, err := json.Marshal(hubLine{To: to, Data: data})
	if err == nil {
		_, err = l.conn.Write(append(b, '\n'))
	}
	if done != nil {
		l.wg.Go(func() { done(err) })
	}
}
func (l *hubLink) Listen(f func([]byte)) { l.mu.Lock(); l.recv = f; l.mu.Unlock() }
func (l *hubLink) Connected() bool       { return true }
func (l *hubLink) Close()                { l.conn.Close(); l.wg.Wait() }

// hubMedia has sessions without a path of their own: the events only.
type hubMedia struct{}

func (hubMedia) NewSession(c SessionConfig) (Session, error) { return &hubSession{cfg: c}, nil }

type hubSession struct {
	cfg    SessionConfig
	wg     sync.WaitGroup
	mu     sync.Mutex
	closed bool
	send   bool
}

func (s *hubSession) event(events ...SessionEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.wg.Go(func() {
		for _, e := range events {
			s.cfg.Event(e)
		}
	})
}
func (s *hubSession) Offer() { s.event(SessionEvent{Kind: SessionOffer, SDP: "offer"}) }
func (s *hubSession) AcceptOffer(string) {
	s.event(SessionEvent{Kind: SessionAnswer, SDP: "answer"}, SessionEvent{Kind: SessionUp})
}
func (s *hubSession) AcceptAnswer(string)     { s.event(SessionEvent{Kind: SessionUp}) }
func (s *hubSession) AddCandidate(string)     {}
func (s *hubSession) Restart()                {}
func (s *hubSession) Send([]byte) bool        { return false }
func (s *hubSession) Stats() MediaStats       { return MediaStats{} }
func (s *hubSession) Gate(send, receive bool) { s.mu.Lock(); s.send = send; s.mu.Unlock() }
func (s *hubSession) WriteFrame([]byte, uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send
}
func (s *hubSession) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// processMain is one process of the panel in the hall. It says on its output
// what happens, and works until its input is closed.
func processMain(role string) int {
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	dir := os.Getenv(processDir)
	self := Address{"house", "home", "panel", newID()}
	link, err := dialHub(dir, self)
	if err != nil {
		say("error %v", err)
		return 1
	}
	cfg := Config{
		Self: self, Transport: link, Sealer: plainSealer{}, Media: hubMedia{},
		Journal: filepath.Join(dir, "journal"), JournalIncoming: role == "station",
	}
	var k *Kit
	var rings atomic.Pointer[Call]
	ready := make(chan struct{})
	cfg.OnPush = func(text string) {
		<-ready
		cc, err := ParseCCParam(text)
		p := VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: cc}
		switch {
		case err != nil:
		case role == "daemon":
			_, err = k.VerifyBackgroundCall(p, BackgroundHandler{
				OnVerified:     func(b *BackgroundCall, _ bool) { say("rings %v", b.Ringing()) },
				OnError:        func(_ *BackgroundCall, err error) { say("error %v", err) },
				OnAdopted:      func(*BackgroundCall) { say("adopted") },
				OnDisconnected: func(_ *BackgroundCall, d Disconnected) { say("disconnected %s", d.Reason) },
			})
		case role == "station":
			_, err = k.VerifyCall(p, Handler{OnVerified: func(c *Call, _ bool) { rings.Store(c); say("rings %v", c.Ringing()) }})
		}
		if err != nil {
			say("error %v", err)
		}
	}
	if k, err = NewKit(cfg); err != nil {
		say("error %v", err)
		return 1
	}
	if err := k.JournalErr(); err != nil {
		say("error %v", err)
	}
	close(ready)
	in := bufio.NewScanner(os.Stdin)
	say("ready")
	for in.Scan() {
		switch in.Text() {
		case "adopt":
			adoptAll(k, say)
		case "accept":
			say("accepts %v", rings.Load().Accept(AcceptOptions{}))
		case "elsewhere":
			for k.Counters()["elsewhere"] < 2 { // the push comes each second
				time.Sleep(time.Millisecond)
			}
			say("it rings elsewhere")
		}
	}
	if err := k.Close(); err != nil {
		say("error %v", err)
	}
	link.Close()
	return 0
}

// adoptAll adopts and answers every call that waits.
func adoptAll(k *Kit, say func(string, ...any)) {
	ids, err := k.PendingBackgroundCalls()
	if err != nil || len(ids) == 0 {
		say("nothing is pending: %v", err)
		return
	}
	for _, id := range ids {
		c, err := k.AdoptBackgroundCall(id, Handler{
			OnVerified:     func(*Call, bool) { say("verified again") },
			OnConnected:    func(*Call, bool, bool) { say("connected") },
			OnDisconnected: func(_ *Call, d Disconnected) { say("disconnected %s", d.Reason) },
		})
		if err != nil {
			say("not adopted: %v", err)
			continue
		}
		say("has %s %q %v", c.AppData(), c.StartMessage(), c.Ringing()) // first: connected may come before Accept has returned
		if !c.Accept(AcceptOptions{}) {
			say("not accepted")
		}
	}
}

// process is one that a test has started.
type process struct {
	*exec.Cmd
	t     *testing.T
	in    *os.File
	lines *bufio.Scanner
}

func startProcess(t *testing.T, role, dir string) *process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(os.Args[0], "-test.run=^$"), t: t, in: w}
	p.Env = append(os.Environ(), processRole+"="+role, processDir+"="+dir)
	p.Stdin, p.Stderr = r, os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() {
		w.Close()
		p.Process.Kill() // stopped and waited for long ago, if all went well
		p.Wait()
	})
	p.lines = bufio.NewScanner(out)
	p.want("ready")
	return p
}

// want reads the next line; a process that says nothing fails by the timeout
// of the whole test.
func (p *process) want(line string) {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the process ended, %q wanted", line)
	}
	if p.lines.Text() != line {
		p.t.Fatalf("the process says %q, %q wanted", p.lines.Text(), line)
	}
}

func (p *process) tell(what string) {
	p.t.Helper()
	if _, err := p.in.WriteString(what + "\n"); err != nil {
		p.t.Fatal(err)
	}
}

// stop ends it as it should; it must have no more to say than rest.
func (p *process) stop(rest ...string) {
	p.t.Helper()
	p.in.Close()
	for _, line := range rest {
		p.want(line)
	}
	if p.lines.Scan() {
		p.t.Errorf("the process says %q at its end", p.lines.Text())
	}
	if err := p.Wait(); err != nil {
		p.t.Error(err)
	}
}

// ringer is a caller in the test's process; its events go to the channel.
func ringer(t *testing.T, dir string) (*Kit, chan string) {
	self := Address{"house", "door", "d1", newID()}
	link, err := dialHub(dir, self)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKit(Config{Self: self, Transport: link, Sealer: plainSealer{}, Media: hubMedia{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(); link.Close() })
	return k, make(chan string, 64)
}

// processHouse is a hub with the folder for its sockets and the journal of the processes that start there, and a caller.
func processHouse(t *testing.T) (dir string, door *Kit, heard chan string) {
	dir, err := os.MkdirTemp("", "intercom-call-") // short: it holds sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	newHub(t, dir)
	door, heard = ringer(t, dir)
	return dir, door, heard
}

// waitEntry waits until a call is kept: a disk may be slow.
func waitEntry(t *testing.T, dir string) {
	for len(names(t, filepath.Join(dir, "journal"), suffixCall)) == 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestTwoProcesses(t *testing.T) {
	for _, tc := range []struct {
		name, first, second string
		kill                bool
	}{
		{"a daemon rings, another process adopts", "daemon", "app", false},
		{"a daemon is killed while it rings", "daemon", "app", true},
		{"a station is killed while it rings, and started anew", "station", "station", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, door, heard := processHouse(t)
			first := startProcess(t, tc.first, dir)
			c, err := door.MakeCall(MakeCallParam{
				MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token",
				AppData: []byte("cam=1"), StartMessage: "parcel",
			}, Handler{
				OnAcknowledged: func(_ *Call, d Address) { heard <- "acknowledged " + d.Session },
				OnConnected:    func(c *Call, _, _ bool) { heard <- "connected " + c.Peer().Session },
				OnDisconnected: func(_ *Call, d Disconnected) { heard <- "disconnected " + d.Reason.String() },
			})
			if err != nil {
				t.Fatal(err)
			}
			first.want("rings true")
			ringing := strings.TrimPrefix(<-heard, "acknowledged ")
			journal := filepath.Join(dir, "journal")
			waitEntry(t, dir)
			if tc.kill {
				if err := first.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := first.Wait(); err == nil {
					t.Error("the process ended well though it was killed")
				}
			}
			second := startProcess(t, tc.second, dir)
			second.tell("adopt")
			second.want(`has cam=1 "parcel" true`)
			if !tc.kill {
				first.want("adopted")
			}
			second.want("connected")
			talking := strings.TrimPrefix(<-heard, "connected ")
			if talking == ringing {
				t.Error("the caller talks with the first process")
			}
			if n := len(legsOf(c)); n != 1 {
				t.Errorf("the caller sees %d devices", n)
			}
			second.tell("adopt")
			second.want("nothing is pending: <nil>")
			c.End()
			second.want("disconnected normal")
			if got := <-heard; got != "disconnected normal" {
				t.Errorf("the caller heard %s", got)
			}
			if !tc.kill {
				first.stop()
			}
			second.stop()
			if left := append(names(t, journal, suffixSock), names(t, journal, suffixTmp)...); len(left) > 1 || len(left) == 1 && !tc.kill {
				t.Errorf("left in the journal: %v", left)
			}
		})
	}
}

// TestTwoProcessesRingOnce: a process that starts while another one of its device
// rings does not ring, and rings when that one is killed.
func TestTwoProcessesRingOnce(t *testing.T) {
	for name, role := range map[string]string{"a station": "station", "a daemon": "daemon"} {
		t.Run(name, func(t *testing.T) {
			dir, door, heard := processHouse(t)
			first := startProcess(t, role, dir)
			c, err := door.MakeCall(MakeCallParam{
				MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token",
			}, Handler{OnConnected: func(c *Call, _, _ bool) { heard <- "connected " + c.Peer().Session }})
			if err != nil {
				t.Fatal(err)
			}
			first.want("rings true")
			waitEntry(t, dir)
			second := startProcess(t, "station", dir)
			second.tell("elsewhere")
			second.want("it rings elsewhere")
			legs := legsOf(c)
			if len(legs) != 1 {
				t.Fatalf("the caller sees %+v", legs)
			}
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			second.want("rings true")
			second.tell("accept")
			second.want("accepts true")
			if got := <-heard; got == "connected "+legs[0].addr.Session || len(legsOf(c)) != 1 {
				t.Errorf("the caller is %s, and sees %+v", got, legsOf(c))
			}
			c.End()
			second.stop()
		})
	}
}

// TestTwoProcessesRace: several processes want one call; one gets it.
func TestTwoProcessesRace(t *testing.T) {
	dir, door, heard := processHouse(t)
	daemon := startProcess(t, "daemon", dir)
	if _, err := door.MakeCall(MakeCallParam{
		MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token",
	}, Handler{OnConnected: func(*Call, bool, bool) { heard <- "connected" }}); err != nil {
		t.Fatal(err)
	}
	daemon.want("rings true")
	waitEntry(t, dir)
	var apps []*process
	for range 3 {
		apps = append(apps, startProcess(t, "app", dir))
	}
	for _, a := range apps {
		a.tell("adopt")
	}
	won := 0
	for _, a := range apps {
		if !a.lines.Scan() {
			t.Fatal("a process ended")
		}
		switch got := a.lines.Text(); {
		case strings.HasPrefix(got, "has "):
			won++
			a.want("connected")
		case strings.HasSuffix(got, ErrAlreadyAdopted.Error()), got == "nothing is pending: <nil>":
		default:
			t.Errorf("a process says %q", got)
		}
	}
	if won != 1 {
		t.Errorf("%d processes have the call", won)
	}
	if got := <-heard; got != "connected" {
		t.Errorf("the caller heard %s", got)
	}
	daemon.want("adopted")
}
