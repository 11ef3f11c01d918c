package rtc

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"syscall"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"golang.org/x/sys/unix"
)

// hostNet is this machine's network for pion, as it is at each gathering of
// candidates: pion's own keeps the addresses of the session's start, so an ICE
// restart after the station got another address could not offer it.
type hostNet struct {
	*stdnet.Net
	chosen []string // interfaces; empty: all
	log    *slog.Logger
}

func newHostNet(chosen []string, log *slog.Logger) (transport.Net, error) {
	n, err := stdnet.NewNet()
	if err != nil {
		return nil, err
	}
	return hostNet{n, chosen, log}, nil
}

// Interfaces lists the interfaces and their addresses of now.
func (n hostNet) Interfaces() ([]*transport.Interface, error) {
	now, err := stdnet.NewNet()
	if err != nil {
		return nil, err
	}
	return now.Interfaces()
}

// ListenUDP opens a socket that sends through the chosen interface only: Linux
// sends from any address through whatever interface leads to the destination.
func (n hostNet) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	device := n.deviceOf(addr.IP)
	if device == "" {
		return n.Net.ListenUDP(network, addr)
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var err error
		control := conn.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) })
		if err != nil { // before Linux 5.7 only for root
			n.log.Warn("rtc: packets may leave through another interface than the chosen one", "interface", device, "err", err)
		}
		return control
	}}
	conn, err := config.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
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
