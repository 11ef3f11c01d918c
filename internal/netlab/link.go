package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	tunDevice = "/dev/net/tun"
	maxPacket = 2048 // bytes; the MTU of a TUN device is 1500
)

// Link is an interface of a host, and the cable from it to the switch.
type Link struct {
	host *Host
	name string
	tun  *os.File

	cut  atomic.Bool
	sent atomic.Uint64

	// guarded by Lab.mu
	impairment Impairment
	private    netip.Addr // address behind the NAT
	public     netip.Addr // address that others see; invalid: no NAT
}

// Link adds an interface with these addresses, each on-link with the whole
// network of its prefix ("10.77.0.1/16", "fd77::1/64"), and takes it up.
func (h *Host) Link(name string, addrs ...string) *Link {
	t := h.lab.t
	t.Helper()
	link := &Link{host: h, name: name}
	err := h.Do(func() (err error) {
		// No duplicate address detection, or each new IPv6 address costs a second.
		for _, f := range []string{"all/accept_dad", "default/accept_dad", "default/accept_ra", "default/router_solicitations"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+f, []byte("0"), 0); err != nil {
				return err
			}
		}
		if link.tun, err = openTUN(name); err != nil {
			return err
		}
		return setUp(name)
	})
	if err != nil {
		t.Fatalf("netlab: make interface %s: %v", name, err)
	}
	h.lab.mu.Lock()
	h.lab.links = append(h.lab.links, link)
	h.lab.running.Go(link.read)
	h.lab.mu.Unlock()
	for _, a := range addrs {
		link.AddAddr(a)
	}
	return link
}

// openTUN makes a TUN device in the namespace of this thread.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", tunDevice, err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make TUN device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), tunDevice), nil
}

func setUp(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// AddAddr adds an address; the switch delivers packets to it here.
func (k *Link) AddAddr(prefix string) { k.address(prefix, netlink.AddrAdd, k) }

// DelAddr takes an address away.
func (k *Link) DelAddr(prefix string) { k.address(prefix, netlink.AddrDel, nil) }

func (k *Link) address(prefix string, do func(netlink.Link, *netlink.Addr) error, route *Link) {
	lab := k.host.lab
	lab.t.Helper()
	p := netip.MustParsePrefix(prefix)
	err := k.host.Do(func() error {
		l, err := netlink.LinkByName(k.name)
		if err != nil {
			return err
		}
		return do(l, &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}})
	})
	if err != nil {
		lab.t.Fatalf("netlab: address %s of %s: %v", prefix, k.name, err)
	}
	lab.mu.Lock()
	defer lab.mu.Unlock()
	if route == nil {
		delete(lab.routes, p.Addr())
		return
	}
	lab.routes[p.Addr()] = route
}

// NAT hides the link's IPv4 address behind another one, port for port and open
// to all: as a router with a public address does for its one client. Everything
// else is reached through the interface.
func (k *Link) NAT(private, public string) {
	lab := k.host.lab
	lab.t.Helper()
	err := k.host.Do(func() error {
		l, err := netlink.LinkByName(k.name)
		if err != nil {
			return err
		}
		_, all, _ := net.ParseCIDR("0.0.0.0/0")
		return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: all})
	})
	if err != nil {
		lab.t.Fatalf("netlab: default route of %s: %v", k.name, err)
	}
	lab.mu.Lock()
	defer lab.mu.Unlock()
	k.private, k.public = netip.MustParseAddr(private), netip.MustParseAddr(public)
	delete(lab.routes, k.private)
	lab.routes[k.public] = k
}

// Cut drops every packet, both ways, and tells nobody: a switch that failed
// further on. With false it heals.
func (k *Link) Cut(on bool) { k.cut.Store(on) }

// Carrier takes the link's carrier away, as a pulled cable does: the kernel
// tells the host's programs. With true it is back.
func (k *Link) Carrier(on bool) {
	k.host.lab.t.Helper()
	k.cut.Store(!on)
	value := 0
	if on {
		value = 1
	}
	conn, err := k.tun.SyscallConn()
	if err == nil {
		control := conn.Control(func(fd uintptr) { err = unix.IoctlSetPointerInt(int(fd), unix.TUNSETCARRIER, value) })
		if err == nil {
			err = control
		}
	}
	if err != nil {
		k.host.lab.t.Fatalf("netlab: carrier of %s: %v", k.name, err)
	}
}

// Impair sets what happens to packets on this link from now on.
func (k *Link) Impair(i Impairment) {
	k.host.lab.mu.Lock()
	defer k.host.lab.mu.Unlock()
	k.impairment = i
}

// Sent is how many packets came from the host for another host of the lab.
func (k *Link) Sent() uint64 { return k.sent.Load() }

// read switches what the host sends.
func (k *Link) read() {
	buf := make([]byte, maxPacket)
	for {
		n, err := k.tun.Read(buf)
		if err != nil {
			return // closed
		}
		k.host.lab.forward(k, buf[:n])
	}
}

// forward delivers a packet, or does to it what the test wants.
func (l *Lab) forward(from *Link, raw []byte) {
	p, ok := parse(raw)
	if !ok {
		l.counts.unroutable.Add(1)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if from.public.IsValid() && p.src() == from.private {
		p.setSrc(from.public)
	}
	to := l.routes[p.dst()]
	switch {
	case l.closed:
	case p.multicastUDP(): // what kernels say to groups by themselves (IGMP, MLD) stays out
		for _, to := range l.links {
			if to != from {
				l.pass(from, to, p)
			}
		}
	case to == nil:
		l.counts.unroutable.Add(1)
	default:
		l.pass(from, to, p)
	}
}

// pass takes a packet from one link to another. Lab.mu is held.
func (l *Lab) pass(from, to *Link, p packet) {
	if l.blocked[[2]*Host{from.host, to.host}] {
		l.counts.cut.Add(1)
		return
	}
	from.sent.Add(1)
	if to.public.IsValid() && !p.dst().IsMulticast() {
		p.setDst(to.private)
	}
	copies := 1
	var delay time.Duration
	for _, i := range []Impairment{from.impairment, to.impairment} {
		if l.random.Float64() < i.Loss {
			l.counts.lost.Add(1)
			return
		}
		if l.random.Float64() < i.Duplicate {
			copies++
		}
		delay += i.Delay
		if i.Jitter > 0 {
			delay += time.Duration(l.random.Int64N(int64(i.Jitter)))
		}
	}
	for range copies {
		if delay == 0 {
			l.deliver(from, to, p.raw)
			continue
		}
		late := append([]byte(nil), p.raw...)
		time.AfterFunc(delay, func() { l.deliver(from, to, late) })
	}
}

func (l *Lab) deliver(from, to *Link, raw []byte) {
	if from.cut.Load() || to.cut.Load() {
		l.counts.cut.Add(1)
		return
	}
	if _, err := to.tun.Write(raw); err != nil { // down, or closed
		l.counts.cut.Add(1)
		return
	}
	l.counts.delivered.Add(1)
}
