package broker

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

const (
	maxUnnamed     = 64 // that did not say yet who they are
	maxConns       = maxClients + maxUnnamed
	maxOfDevice    = 8                // of one proven device: its processes, and some that it left in a hurry
	connectTimeout = 10 * time.Second // until a client's CONNECT is read, TLS included
	writeTimeout   = 2 * time.Second  // a client that takes nothing for so long is gone
	unread         = 64 << 10         // bytes that the kernel keeps of a client that is held up
	acceptPause    = 100 * time.Millisecond
)

// listener gives the MQTT server connections that can't hold it up: their
// number is bounded, they must say who they are in time, no write to one
// of them lasts, and whoever opens many ends his own, and keeps nobody else out. (The server's own listeners wait for ever for a CONNECT, and
// a stalled subscriber stalls whoever publishes to it.) And it lets no two
// connections of one client meet in the server, see claim.
type listener struct {
	inner net.Listener
	tls   *tls.Config // nil: none
	log   *slog.Logger

	mu       sync.Mutex
	conns    map[*conn]struct{}
	byClient map[string]*conn // the newest of each client id
	accepted uint64
	closed   bool

	serving sync.WaitGroup // one for each connection
}

var _ listeners.Listener = (*listener)(nil)

func (l *listener) Init(*slog.Logger) error { return nil }
func (l *listener) ID() string              { return "tcp" }
func (l *listener) Protocol() string        { return "tcp" }
func (l *listener) Address() string         { return l.inner.Addr().String() }

func (l *listener) loopback() bool {
	a, ok := l.inner.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// Serve accepts connections until Close, and serves each in its goroutine.
func (l *listener) Serve(establish listeners.EstablishFn) {
	for {
		c, err := l.inner.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, most likely
			l.log.Warn("broker: accept a connection", "err", err)
			time.Sleep(acceptPause)
			continue
		}
		l.serve(c, establish)
	}
}

func (l *listener) serve(accepted net.Conn, establish listeners.EstablishFn) {
	c := &conn{Conn: accepted, raw: accepted, host: host(accepted.RemoteAddr()), ended: make(chan struct{})}
	if tcp, ok := accepted.(*net.TCPConn); ok {
		tcp.SetReadBuffer(unread) // an error leaves the system's
	}
	if l.tls != nil {
		c.Conn = tls.Server(accepted, l.tls)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.makeRoom()
	if l.closed || len(l.conns) >= maxConns {
		c.raw.Close()
		return
	}
	l.accepted++
	c.number = l.accepted
	l.conns[c] = struct{}{}
	l.serving.Go(func() {
		defer l.forget(c)
		defer c.raw.Close()
		c.SetReadDeadline(time.Now().Add(connectTimeout)) // the server sets its own after CONNECT
		if err := establish(l.ID(), c); err != nil {
			l.log.Debug("broker: connection ended", "remote", c.RemoteAddr(), "err", err)
		}
	})
}

// makeRoom ends the oldest unnamed connection of the host that has the most of them, when there are maxUnnamed. A device
// says who it is within milliseconds, so it is seldom its.
func (l *listener) makeRoom() {
	oldest, of, total := make(map[string]*conn), make(map[string]int), 0
	for c := range l.conns {
		if c.client != "" || c.dropped {
			continue
		}
		total++
		of[c.host]++
		if o := oldest[c.host]; o == nil || c.number < o.number {
			oldest[c.host] = c
		}
	}
	if total < maxUnnamed {
		return
	}
	var victim *conn
	for h, c := range oldest {
		if victim == nil || of[h] > of[victim.host] || of[h] == of[victim.host] && c.number < victim.number {
			victim = c
		}
	}
	victim.drop()
}

// host is whose connection it is: an address, of IPv6 the network that one machine has to itself.
func host(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.Is6() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return ip.String()
}

func (l *listener) forget(c *conn) {
	close(c.ended)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if l.byClient[c.client] == c {
		delete(l.byClient, c.client)
	}
}

var (
	errNotForgotten = errors.New("this client's last connection does not end")
	errDropped      = errors.New("too many connections")
)

// limit ends the oldest connection of a proven device that has more than maxOfDevice. Its key may have been stolen, from a
// door's panel for example; the places of all others are not its.
func (l *listener) limit(device string, c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.device = device
	var oldest *conn
	n := 0
	for o := range l.conns {
		if o.device != device || o.dropped {
			continue
		}
		n++
		if oldest == nil || o.number < oldest.number {
			oldest = o
		}
	}
	if n > maxOfDevice {
		oldest.drop()
	}
}

// claim gives a client id to a connection that has proved it. The one that has
// had it ends first, and wholly: the server forgets a client by its id, so that
// the end of an old connection, in the midst of a new one's beginning, would
// take the new one's subscriptions and its place among the clients away. It
// would stay connected, and hear nothing more.
func (l *listener) claim(client string, c *conn) error {
	l.mu.Lock()
	if c.dropped {
		l.mu.Unlock()
		return errDropped
	}
	last := l.byClient[client]
	c.client, l.byClient[client] = client, c
	l.mu.Unlock()
	if last == nil {
		return nil
	}
	last.raw.Close()
	timer := time.NewTimer(2 * writeTimeout)
	defer timer.Stop()
	select {
	case <-last.ended:
		return nil
	case <-timer.C:
		return errNotForgotten
	}
}

// Close closes the listening socket and all connections, and waits until they
// are served no more.
func (l *listener) Close(listeners.CloseFn) {
	l.mu.Lock()
	l.closed = true
	l.inner.Close()
	for c := range l.conns {
		c.raw.Close()
	}
	l.mu.Unlock()
	l.serving.Wait()
}

// conn bounds each write, and ends the connection when one fails: half a packet
// may have gone out.
type conn struct {
	net.Conn
	raw   net.Conn      // below TLS: its Close does not wait for a write
	host  string        // where it comes from
	ended chan struct{} // closed when the server has forgotten it
	paced time.Time     // until when its messages so far take at the rate allowed; its reader's

	// Under the listener's mu.
	number  uint64 // in the order of their beginning
	client  string // the id that it claimed, "" so long as it is unnamed
	device  string // that it has proved to be
	dropped bool
}

// pace holds the reading of a message that comes too fast up, and so the client: whoever floods the others with what they have
// to verify waits for himself.
func (c *conn) pace(rate int) {
	each := time.Second / time.Duration(rate)
	now := time.Now()
	if credit := now.Add(-maxBurst * each); c.paced.Before(credit) {
		c.paced = credit
	}
	c.paced = c.paced.Add(each)
	if wait := c.paced.Sub(now); wait > 0 {
		time.Sleep(wait)
	}
}

func (c *conn) drop() {
	c.dropped = true
	c.raw.Close()
}

// SetDeadline sets the deadline of reads only; the server means the
// keep-alive's.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *conn) Write(b []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.Conn.Write(b)
	if err != nil {
		c.raw.Close()
	}
	return n, err
}
