package rtc

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"intercom/call"
	"intercom/internal/netlab"
)

// In a namespace of its own lives a process of its own: this test binary
// again, as one end of a session or as a TURN server.
const childVariable = "RTC_TEST_CHILD"

// childConfig is what the child does, in the variable above.
type childConfig struct {
	Media Config // without Log
	Role  call.Role
	TURN  string // not "": be a server for STUN and TURN at this address instead, by UDP and TCP
	// PEM files: of the server, for DTLS and TLS at the next port; and what a
	// client trusts. "": none.
	Cert, Key, CA string
}

// order is a line to the child.
type order struct {
	Do   string // offer, restart, accept-offer, accept-answer, candidate, send, talk, stats, close
	Text string
}

// report is a line from the child.
type report struct {
	Kind   call.SessionEventKind // 0: the answer to "stats"
	SDP    string
	Data   []byte
	Err    string
	At     time.Time
	Frames uint64 // heard so far
	Stats  call.MediaStats
}

const (
	turnUser     = "house"
	turnPassword = "only for this test"
	turnRealm    = "test"
)

// child is the main function of such a process.
func child(config string) error {
	var cfg childConfig
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return err
	}
	if cfg.TURN != "" {
		return serveTURN(cfg)
	}
	cfg.Media.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	m, err := New(cfg.Media)
	if err != nil {
		return err
	}
	defer m.Close()
	reports := make(chan report, 1000)
	go func() {
		out := json.NewEncoder(os.Stdout)
		for r := range reports {
			out.Encode(r) // the parent may be gone
		}
	}()
	session, err := m.NewSession(call.SessionConfig{
		CallID: "c1", Role: cfg.Role,
		Event: func(e call.SessionEvent) {
			r := report{Kind: e.Kind, SDP: e.SDP, Data: e.Data, At: time.Now()}
			if e.Err != nil {
				r.Err = e.Err.Error()
			}
			reports <- r
		},
		Frame: func(uint16, uint32, []byte) {},
	})
	if err != nil {
		return err
	}
	defer session.Close()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var o order
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			return err
		}
		obey(session, o, reports)
	}
	return in.Err()
}

func obey(s call.Session, o order, reports chan<- report) {
	switch o.Do {
	case "offer":
		s.Offer()
	case "restart":
		s.Restart()
	case "accept-offer":
		s.AcceptOffer(o.Text)
	case "accept-answer":
		s.AcceptAnswer(o.Text)
	case "candidate":
		s.AddCandidate(o.Text)
	case "close":
		s.Close()
		reports <- report{}
	case "send":
		s.Send([]byte(o.Text))
	case "talk": // until the process ends
		s.Gate(true, true)
		go func() {
			for range time.Tick(20 * time.Millisecond) {
				s.WriteFrame([]byte("voice"), 960)
			}
		}()
	case "stats":
		stats := s.Stats()
		reports <- report{Stats: stats, Frames: stats.Received.Packets}
	}
}

// serveTURN serves at an address, and with a certificate safely at the next
// port.
func serveTURN(cfg childConfig) error {
	at, err := netip.ParseAddrPort(cfg.TURN)
	if err != nil {
		return err
	}
	relay := &turn.RelayAddressGeneratorStatic{RelayAddress: at.Addr().AsSlice(), Address: at.Addr().String()}
	server := turn.ServerConfig{
		Realm:         turnRealm,
		LoggerFactory: logging.NewDefaultLoggerFactory(),
		AuthHandler: func(r *turn.RequestAttributes) (string, []byte, bool) {
			return r.Username, turn.GenerateAuthKey(turnUser, turnRealm, turnPassword), r.Username == turnUser
		},
	}
	stream := func(l net.Listener, err error) error {
		server.ListenerConfigs = append(server.ListenerConfigs, turn.ListenerConfig{Listener: l, RelayAddressGenerator: relay})
		return err
	}
	conn, err := net.ListenPacket("udp", cfg.TURN)
	if err != nil {
		return err
	}
	server.PacketConnConfigs = []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: relay}}
	if err := stream(net.Listen("tcp", cfg.TURN)); err != nil {
		return err
	}
	if cfg.Cert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
		if err != nil {
			return err
		}
		safe := netip.AddrPortFrom(at.Addr(), at.Port()+1)
		if err := stream(tls.Listen("tcp", safe.String(), &tls.Config{Certificates: []tls.Certificate{cert}})); err != nil {
			return err
		}
		if err := stream(dtls.ListenWithOptions("udp", net.UDPAddrFromAddrPort(safe), dtls.WithCertificates(cert))); err != nil {
			return err
		}
	}
	if _, err = turn.NewServer(server); err != nil {
		return err
	}
	fmt.Println("{}")
	select {} // until killed
}

// far is a session in another process.
type far struct {
	t       *testing.T
	name    string
	in      *json.Encoder
	reports chan report
	peer    *far // gets what signalling carries
}

// startChild starts a child in a host of a lab; it dies with the test.
func startChild(t *testing.T, host *netlab.Host, name string, cfg childConfig) *far {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	if cfg.CA != "" {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+cfg.CA) // crypto/x509: instead of the system's
	}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	f := &far{t: t, name: name, in: json.NewEncoder(in), reports: make(chan report, 1000)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := json.NewDecoder(out); ; {
			var r report
			if lines.Decode(&r) != nil {
				return // ended
			}
			f.reports <- r
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-read
		cmd.Wait()
	})
	return f
}

func (f *far) order(do, text string) {
	f.t.Helper()
	if err := f.in.Encode(order{do, text}); err != nil {
		f.t.Fatalf("%s: %v", f.name, err)
	}
}

// next waits for the next report of that kind. Candidates go to the peer at
// once; other kinds are listed in skip or fail the test.
func (f *far) next(kind call.SessionEventKind, skip ...call.SessionEventKind) report {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case r := <-f.reports:
			switch {
			case r.Kind == kind:
				return r
			case r.Kind == call.SessionCandidate:
				f.peer.order("candidate", r.SDP)
			case !slices.Contains(skip, r.Kind):
				f.t.Fatalf("%s: got %+v, want kind %d", f.name, r, kind)
			}
		case <-deadline:
			f.t.Fatalf("%s: nothing of kind %d", f.name, kind)
		}
	}
}

// stats asks for what was measured; candidates and what else comes between is
// passed on or skipped.
func (f *far) stats() report {
	f.t.Helper()
	f.order("stats", "")
	return f.next(0, call.SessionUp, call.SessionLost, call.SessionNetworkChanged)
}

// describe carries an offer and its answer.
func (f *far) describe(do string, skip ...call.SessionEventKind) {
	f.t.Helper()
	f.order(do, "")
	f.peer.order("accept-offer", f.next(call.SessionOffer, skip...).SDP)
	f.order("accept-answer", f.peer.next(call.SessionAnswer, skip...).SDP)
}

// bothUp waits for both ends, while late candidates travel: each end's may be
// what the other waits for.
func bothUp(callee, caller *far, skip ...call.SessionEventKind) {
	callee.t.Helper()
	up := map[*far]bool{}
	deadline := time.After(patience)
	for len(up) < 2 {
		var f *far
		var r report
		select {
		case r = <-callee.reports:
			f = callee
		case r = <-caller.reports:
			f = caller
		case <-deadline:
			callee.t.Fatalf("not both up: %d of 2", len(up))
		}
		switch {
		case r.Kind == call.SessionUp:
			up[f] = true
		case r.Kind == call.SessionCandidate:
			f.peer.order("candidate", r.SDP)
		case !slices.Contains(skip, r.Kind):
			f.t.Fatalf("%s: got %+v, want to be up", f.name, r)
		}
	}
}

// heard waits until more voice arrived at both ends.
func heard(callee, caller *far) {
	callee.t.Helper()
	for _, f := range []*far{callee, caller} {
		before := f.stats().Frames
		until(f.t, f.name+" hears", func() bool { return f.stats().Frames > before+5 })
	}
}
