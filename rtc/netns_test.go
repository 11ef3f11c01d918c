package rtc

import (
	"strings"
	"testing"
	"time"

	"intercom/call"
	"intercom/internal/netlab"
	"intercom/internal/testhouse"
)

// neighbours are two hosts of one network; eth is the first one's way into it.
func neighbours(t *testing.T) (lab *netlab.Lab, a, b *netlab.Host, eth *netlab.Link) {
	t.Helper()
	t.Parallel()
	lab = netlab.New(t, 1)
	a, b = lab.Host(), lab.Host()
	eth = a.Link("eth0", "10.77.0.1/16")
	b.Link("eth0", "10.77.0.2/16")
	return lab, a, b, eth
}

// farPair is two sessions in two hosts, not yet connected.
func farPair(t *testing.T, callee, caller *netlab.Host, a, b Config) (*far, *far) {
	t.Helper()
	return farPairOf(t, callee, caller, childConfig{Media: a}, childConfig{Media: b})
}

func farPairOf(t *testing.T, callee, caller *netlab.Host, a, b childConfig) (*far, *far) {
	t.Helper()
	a.Role, b.Role = call.RoleCallee, call.RoleCaller
	x, y := startChild(t, callee, "callee", a), startChild(t, caller, "caller", b)
	x.peer, y.peer = y, x
	return x, y
}

// connectFar connects a pair, and lets both talk and hear.
func connectFar(callee, caller *far) (took time.Duration) {
	callee.t.Helper()
	start := time.Now()
	callee.describe("offer")
	bothUp(callee, caller)
	took = time.Since(start)
	callee.order("talk", "")
	caller.order("talk", "")
	heard(callee, caller)
	return took
}

// wants checks the kinds or addresses of the pair in use, at the callee.
func (f *far) wants(local, remote string) {
	f.t.Helper()
	s := f.stats().Stats
	if !strings.HasPrefix(s.LocalCandidate, local) || !strings.HasPrefix(s.RemoteCandidate, remote) {
		f.t.Errorf("%s: the path is %q to %q, want %q to %q", f.name, s.LocalCandidate, s.RemoteCandidate, local, remote)
	}
}

// Where two stations can not reach one another, TURN carries the call.
func TestRelayOnly(t *testing.T) {
	for _, url := range []string{
		"turn:10.77.0.9:3478", "turn:10.77.0.9:3478?transport=tcp", "turns:10.77.0.9:3479", "turns:10.77.0.9:3479?transport=udp",
	} {
		t.Run(url, func(t *testing.T) {
			lab, a, b, _ := neighbours(t)
			server := lab.Host()
			server.Link("eth0", "10.77.0.9/16")
			lab.Block(a, b, true)
			cert, key := testhouse.Certificate(t, "10.77.0.9")
			startChild(t, server, "TURN server", childConfig{TURN: "10.77.0.9:3478", Cert: cert, Key: key}).next(0)
			cfg := childConfig{CA: cert, Media: Config{ICEServers: []ICEServer{{URL: url, Username: turnUser, Password: turnPassword}}}}
			callee, caller := farPairOf(t, a, b, cfg, cfg)
			t.Logf("up after %v", connectFar(callee, caller))
			// One of the two relays is enough: the server is reached by both.
			if s := callee.stats().Stats; !strings.HasPrefix(s.LocalCandidate, "relay 10.77.0.9:") && !strings.HasPrefix(s.RemoteCandidate, "relay 10.77.0.9:") {
				t.Errorf("the path is %q to %q, want a relay", s.LocalCandidate, s.RemoteCandidate)
			}
			callee.order("send", "through the relay")
			if got := string(caller.next(call.SessionMessage).Data); got != "through the relay" {
				t.Errorf("got message %q", got)
			}
		})
	}
}

// A server that never answers holds up neither the call nor its end.
func TestSilentServer(t *testing.T) {
	for _, url := range []string{
		"stun:10.77.0.9", "turn:10.77.0.9", "turn:10.77.0.9?transport=tcp", "turns:10.77.0.9", "turns:10.77.0.9?transport=udp",
	} {
		t.Run(url, func(t *testing.T) {
			lab, a, b, _ := neighbours(t)
			server := lab.Host()
			server.Link("eth0", "10.77.0.9/16")
			lab.Block(a, server, true)
			cfg := Config{ICEServers: []ICEServer{{URL: url, Username: turnUser, Password: turnPassword}}}
			callee, caller := farPair(t, a, b, cfg, Config{})
			t.Logf("up after %v", connectFar(callee, caller))
			start := time.Now()
			callee.order("close", "")
			callee.next(0)
			t.Logf("closed after %v", time.Since(start))
		})
	}
}

// Two stations behind NATs of their own know their public addresses by STUN.
func TestSTUN(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t, 1)
	a, b, server := lab.Host(), lab.Host(), lab.Host()
	a.Link("eth0", "192.168.1.2/24").NAT("192.168.1.2", "203.0.113.1")
	b.Link("eth0", "192.168.2.2/24").NAT("192.168.2.2", "203.0.113.2")
	server.Link("eth0", "203.0.113.9/24")
	startChild(t, server, "STUN server", childConfig{TURN: "203.0.113.9:3478"}).next(0)
	cfg := Config{ICEServers: []ICEServer{{URL: "stun:203.0.113.9:3478"}}}
	callee, caller := farPair(t, a, b, cfg, cfg)
	t.Logf("up after %v", connectFar(callee, caller))
	// srflx, or prflx where its check came before the candidate.
	if s := callee.stats().Stats; !strings.Contains(s.RemoteCandidate, "flx 203.0.113.2:") {
		t.Errorf("the path is %q to %q, want the public address", s.LocalCandidate, s.RemoteCandidate)
	}
}

func TestIPv6Only(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t, 1)
	a, b := lab.Host(), lab.Host()
	a.Link("eth0", "fd77::1/64")
	b.Link("eth0", "fd77::2/64")
	callee, caller := farPair(t, a, b, Config{}, Config{})
	connectFar(callee, caller)
	callee.wants("host [fd77::1]:", "host [fd77::2]:")
}

// A station with two networks uses the one it was told to.
func TestChosenInterface(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t, 1)
	a, b := lab.Host(), lab.Host()
	other := a.Link("eth0", "10.77.0.1/16")
	a.Link("wlan0", "10.78.0.1/16")
	b.Link("eth0", "10.77.0.2/16")
	b.Link("wlan0", "10.78.0.2/16")
	var servers []ICEServer // they are asked through it, too, although the way there is another
	for _, url := range []string{"turn:10.77.0.2", "turn:10.77.0.2?transport=tcp", "turns:10.77.0.2?transport=udp"} {
		servers = append(servers, ICEServer{URL: url, Username: turnUser, Password: turnPassword})
	}
	callee, caller := farPair(t, a, b, Config{Interfaces: []string{"wlan0"}, ICEServers: servers}, Config{})
	callee.order("offer", "")
	offer := callee.next(call.SessionOffer).SDP
	if strings.Contains(offer, "10.77.") || !strings.Contains(offer, "10.78.0.1") {
		t.Errorf("offered are the addresses in:\n%s", offer)
	}
	caller.order("accept-offer", offer)
	callee.order("accept-answer", caller.next(call.SessionAnswer).SDP)
	bothUp(callee, caller)
	callee.wants("host 10.78.0.1:", "")
	if n := other.Sent(); n > 0 {
		t.Errorf("%d packets left through the other interface", n)
	}
}

// The kernel's messages are heard: addresses and carriers that come and go.
func TestNetworkChanges(t *testing.T) {
	_, a, b, eth := neighbours(t)
	callee, caller := farPair(t, a, b, Config{}, Config{})
	connectFar(callee, caller)
	for _, change := range []struct {
		name string
		do   func()
	}{
		{"address added", func() { eth.AddAddr("10.77.0.3/16") }},
		{"address gone", func() { eth.DelAddr("10.77.0.3/16") }},
		{"IPv6 address added", func() { eth.AddAddr("fd77::1/64") }},
		{"interface added", func() { a.Link("wlan0", "10.79.0.1/16") }},
		{"cable pulled", func() { eth.Carrier(false) }},
		{"cable back", func() { eth.Carrier(true) }},
	} {
		start := time.Now()
		change.do()
		r := callee.next(call.SessionNetworkChanged, call.SessionLost, call.SessionUp)
		t.Logf("%s: told after %v", change.name, r.At.Sub(start))
	}
}

// A station that gets another address in a call goes on with it after an ICE
// restart: new candidates are of the new address, though the session is older.
func TestRestartWithAnotherAddress(t *testing.T) {
	_, a, b, eth := neighbours(t)
	callee, caller := farPair(t, a, b, Config{}, Config{})
	connectFar(callee, caller)
	start := time.Now()
	eth.DelAddr("10.77.0.1/16")
	eth.AddAddr("10.77.0.7/16")
	lost := []call.SessionEventKind{call.SessionLost, call.SessionNetworkChanged}
	callee.next(call.SessionNetworkChanged, lost...)
	callee.describe("restart", lost...)
	bothUp(callee, caller, lost...)
	heard(callee, caller)
	t.Logf("voice again after %v", time.Since(start))
	callee.wants("host 10.77.0.7:", "host 10.77.0.2:")
	caller.wants("host 10.77.0.2:", "")
}

// A path that dies without a sign is noticed. The promise is 2 s: the figure is
// told, and held by TestLostWithinTwoSeconds, which depends on no machine.
func TestDeadPath(t *testing.T) {
	_, a, b, eth := neighbours(t)
	callee, caller := farPair(t, a, b, Config{}, Config{})
	connectFar(callee, caller)
	eth.Cut(true)
	start := time.Now()
	t.Logf("noticed after %v and %v", callee.next(call.SessionLost).At.Sub(start), caller.next(call.SessionLost).At.Sub(start))
	eth.Cut(false)
	healed := time.Now()
	bothUp(callee, caller)
	heard(callee, caller)
	t.Logf("back after %v", time.Since(healed))
}

// Voice of a network that loses a tenth, delays and reorders still arrives.
func TestBadNetwork(t *testing.T) {
	lab, a, b, eth := neighbours(t)
	eth.Impair(netlab.Impairment{Loss: 0.1, Duplicate: 0.02, Delay: 20 * time.Millisecond, Jitter: 30 * time.Millisecond})
	callee, caller := farPair(t, a, b, Config{}, Config{})
	t.Logf("up after %v", connectFar(callee, caller))
	callee.order("send", "still in order")
	if got := string(caller.next(call.SessionMessage).Data); got != "still in order" {
		t.Errorf("got message %q", got)
	}
	if c := lab.Counts(); c.Lost == 0 {
		t.Errorf("no packet was lost: %+v", c)
	}
}
