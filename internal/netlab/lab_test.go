package netlab

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// pair is two hosts with one socket each, which sees whole packets arrive.
func pair(t *testing.T) (lab *Lab, links [2]*Link, sockets [2]net.PacketConn) {
	t.Helper()
	lab = New(t, 1)
	for i, addr := range []string{"10.77.0.1", "10.77.0.2"} {
		h := lab.Host()
		links[i] = h.Link("eth0", addr+"/16")
		if err := h.Do(func() (err error) {
			sockets[i], err = net.ListenPacket("udp", addr+":5000")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sockets[i].Close() })
	}
	return lab, links, sockets
}

func send(t *testing.T, from net.PacketConn, to, text string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, at net.PacketConn) (text, from string) {
	t.Helper()
	if err := at.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, a, err := at.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n]), a.String()
}

func counted(t *testing.T, lab *Lab, what string, reached func(Counts) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !reached(lab.Counts()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not counted in %+v", what, lab.Counts())
		}
	}
}

func TestCutAndHeal(t *testing.T) {
	lab, links, s := pair(t)
	send(t, s[0], "10.77.0.2:5000", "one")
	if text, from := receive(t, s[1]); text != "one" || from != "10.77.0.1:5000" {
		t.Errorf("got %q from %s", text, from)
	}
	cut := func(what string, on, off func()) {
		before := lab.Counts().Cut
		on()
		send(t, s[0], "10.77.0.2:5000", what)
		counted(t, lab, what, func(c Counts) bool { return c.Cut > before })
		off()
		send(t, s[0], "10.77.0.2:5000", "after "+what)
		if text, _ := receive(t, s[1]); text != "after "+what {
			t.Errorf("got %q", text)
		}
	}
	cut("cut", func() { links[1].Cut(true) }, func() { links[1].Cut(false) })
	cut("block", func() { lab.Block(links[0].host, links[1].host, true) }, func() { lab.Block(links[1].host, links[0].host, false) })
	cut("carrier", func() { links[1].Carrier(false) }, func() { links[1].Carrier(true) })
}

func TestImpair(t *testing.T) {
	lab, links, s := pair(t)
	links[0].Impair(Impairment{Duplicate: 1, Delay: time.Millisecond})
	send(t, s[0], "10.77.0.2:5000", "twice")
	for range 2 {
		if text, _ := receive(t, s[1]); text != "twice" {
			t.Errorf("got %q", text)
		}
	}
	before := lab.Counts().Lost
	links[0].Impair(Impairment{Loss: 1})
	send(t, s[0], "10.77.0.2:5000", "lost")
	counted(t, lab, "loss", func(c Counts) bool { return c.Lost > before })
}

// A wrong checksum would be dropped by the receiving kernel.
func TestNAT(t *testing.T) {
	lab := New(t, 1)
	home, public := lab.Host(), lab.Host()
	home.Link("eth0", "192.168.1.2/24").NAT("192.168.1.2", "203.0.113.5")
	public.Link("eth0", "203.0.113.9/1")
	var inside, outside net.PacketConn
	for h, open := range map[*Host]func() error{
		home:   func() (err error) { inside, err = net.ListenPacket("udp4", "192.168.1.2:5000"); return },
		public: func() (err error) { outside, err = net.ListenPacket("udp4", "203.0.113.9:5000"); return },
	} {
		if err := h.Do(open); err != nil {
			t.Fatal(err)
		}
	}
	defer inside.Close()
	defer outside.Close()
	send(t, inside, "203.0.113.9:5000", "out")
	if text, from := receive(t, outside); text != "out" || from != "203.0.113.5:5000" {
		t.Errorf("got %q from %s", text, from)
	}
	send(t, outside, "203.0.113.5:5000", "in")
	if text, from := receive(t, inside); text != "in" || from != "203.0.113.9:5000" {
		t.Errorf("got %q from %s", text, from)
	}
	send(t, outside, "192.168.1.2:5000", "around the NAT")
	counted(t, lab, "unroutable", func(c Counts) bool { return c.Unroutable > 0 })
}
