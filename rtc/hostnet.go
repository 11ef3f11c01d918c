package rtc

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"golang.org/x/sys/unix"
)

// connectTime bounds a lookup of a name, or a connection to a server. pion can
// not call these off, and the end of a session waits for them: to a TURN server
// that takes no TCP, Linux would try for two minutes.
const connectTime = 3 * time.Second

// hostNet is this machine's network for pion, as it is at each gathering of
// candidates: pion's own keeps the addresses of the session's start, so an ICE
// restart after the station got another address could not offer it.
type hostNet struct {
	*stdnet.Net
	ctx     context.Context // ends what waits for a server
	chosen  []string        // interfaces; empty: all
	listing *listing
	log     *slog.Logger
}

func newHostNet(ctx context.Context, chosen []string, l *listing, log *slog.Logger) transport.Net {
	return hostNet{&stdnet.Net{}, ctx, chosen, l, log}
}

// Interfaces lists the interfaces and their addresses of now.
func (n hostNet) Interfaces() ([]*transport.Interface, error) { return n.listing.get() }

// listing is the interfaces of now. pion asks three or four times for each session;
// asking the kernel was a fifth of the processor's time that a session's set-up
// took, so what it answered is kept for as long as it tells of no change.
type listing struct {
	mu      sync.Mutex
	told    bool // the kernel tells of changes
	changes int
	now     []*transport.Interface // nil: to be asked for
}

func (l *listing) get() ([]*transport.Interface, error) {
	l.mu.Lock()
	now, changes := l.now, l.changes
	l.mu.Unlock()
	if now != nil {
		return now, nil
	}
	n, err := stdnet.NewNet()
	if err != nil {
		return nil, err
	}
	if now, err = n.Interfaces(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told && changes == l.changes {
		l.now = now
	}
	return now, nil
}

// change forgets what was listed; told is whether the next change will be told
// of, too.
func (l *listing) change(told bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told, l.now = told, nil
	l.changes++
}

// ListenUDP opens a socket that sends through the chosen interface only: Linux
// sends from any address through whatever interface leads to the destination.
func (n hostNet) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	config := net.ListenConfig{Control: n.through(n.deviceOf(addr.IP))}
	conn, err := config.ListenPacket(n.ctx, network, addr.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// ListenPacket is ListenUDP, for the way to a TURN server.
func (n hostNet) ListenPacket(network, address string) (net.PacketConn, error) {
	addr, err := net.ResolveUDPAddr(network, address) // of numbers only: asks nobody
	if err != nil {
		return nil, err
	}
	return n.ListenUDP(network, addr)
}

// DialTCP is how pion reaches a TURN server by TCP or TLS, from any address.
func (n hostNet) DialTCP(network string, _, to *net.TCPAddr) (transport.TCPConn, error) {
	conn, err := n.dial(network, to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// DialUDP is how pion reaches a TURN server by DTLS, from any address.
func (n hostNet) DialUDP(network string, _, to *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := n.dial(network, to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

func (n hostNet) dial(network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTime, Control: n.through(n.deviceOf(nil))}
	return d.DialContext(n.ctx, network, address)
}

// ResolveUDPAddr and ResolveTCPAddr look up a server's name.
func (n hostNet) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	a, err := n.resolve(network, address)
	return net.UDPAddrFromAddrPort(a), err
}

func (n hostNet) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	a, err := n.resolve(network, address)
	return net.TCPAddrFromAddrPort(a), err
}

// resolve returns the first address of a network such as udp, tcp4 or udp6.
func (n hostNet) resolve(network, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ctx, cancel := context.WithTimeout(n.ctx, connectTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip"+strings.TrimLeft(network, "udtcp"), host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil // LookupNetIP never returns none without an error
}

// through makes sockets send through an interface; "": through any.
func (n hostNet) through(device string) func(_, _ string, conn syscall.RawConn) error {
	if device == "" {
		return nil
	}
	return func(_, _ string, conn syscall.RawConn) error {
		var err error
		control := conn.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) })
		if err != nil { // before Linux 5.7 only for root
			n.log.Warn("rtc: packets may leave through another interface than the chosen one", "interface", device, "err", err)
		}
		return control
	}
}

// deviceOf is the chosen interface that has an address; for no address in
// particular, the only chosen one. "" where there is none such.
func (n hostNet) deviceOf(ip net.IP) string {
	if len(n.chosen) == 1 && (ip == nil || ip.IsUnspecified()) {
		return n.chosen[0]
	}
	for _, name := range n.chosen {
		i, err := net.InterfaceByName(name)
		if err != nil {
			continue // not there now
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		if slices.ContainsFunc(addrs, func(a net.Addr) bool {
			has, ok := a.(*net.IPNet)
			return ok && has.IP.Equal(ip)
		}) {
			return name
		}
	}
	return ""
}
