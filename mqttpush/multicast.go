package mqttpush

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/logging"
	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	multicastLimit    = 1500 * time.Millisecond // for an answer, of the connection's time
	multicastInterval = 250 * time.Millisecond  // between two questions
)

// Dial connects to host:port. A host whose name ends in .local is asked for
// in its own network (RFC 6762, section 3): Go's resolver, the only one in a
// static program, asks DNS servers alone. If nobody answers it is asked, too:
// some networks have such names in DNS or /etc/hosts.
func Dial(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".local") {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	ip, notFound := askNetwork(ctx, host)
	if notFound == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), port))
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; and in this network %w", err, notFound)
	}
	return conn, nil
}

// askNetwork asks by multicast DNS who has a name.
func askNetwork(ctx context.Context, host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, multicastLimit)
	defer cancel()
	conn, err := listenMulticast(mdns.WithQueryInterval(multicastInterval), mdns.WithCacheRefresh(false))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close() // ends its goroutines
	_, ip, err := conn.QueryAddr(ctx, strings.TrimSuffix(host, "."))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("nobody answers to %s (multicast DNS): is it on, and does it run avahi-daemon? %w", host, err)
	}
	return ip, nil
}

// listenMulticast opens multicast DNS on every interface, for IPv4 and IPv6 as far as the machine has them.
func listenMulticast(o ...mdns.ServerOption) (*mdns.Conn, error) {
	var v4 *ipv4.PacketConn
	var v6 *ipv6.PacketConn
	c4, err4 := listenUDP("udp4", mdns.DefaultAddressIPv4)
	if err4 == nil {
		v4 = ipv4.NewPacketConn(c4)
	}
	c6, err6 := listenUDP("udp6", mdns.DefaultAddressIPv6)
	if err6 == nil {
		v6 = ipv6.NewPacketConn(c6)
	}
	if v4 == nil && v6 == nil {
		return nil, fmt.Errorf("multicast DNS: %w", errors.Join(err4, err6))
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	conn, err := mdns.NewServer(v4, v6, append(o, mdns.WithLoggerFactory(quiet))...)
	if err != nil {
		for _, c := range []*net.UDPConn{c4, c6} {
			if c != nil {
				c.Close()
			}
		}
		return nil, fmt.Errorf("multicast DNS: %w", err)
	}
	return conn, nil
}

func listenUDP(network, address string) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP(network, a)
}
