package broker

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

const (
	maxConns       = maxClients + 32  // some more that did not say who they are yet
	connectTimeout = 10 * time.Second // until a client's CONNECT is read, TLS included
	writeTimeout   = 2 * time.Second  // a client that takes nothing for so long is gone
	acceptPause    = 100 * time.Millisecond
)

// listener gives the MQTT server connections that can't hold it up: their
// number is bounded, they must say who they are in time, and no write to one
// of them lasts. (The server's own listeners wait for ever for a CONNECT, and
// a stalled subscriber stalls whoever publishes to it.)
type listener struct {
	inner net.Listener
	tls   *tls.Config // nil: none
	log   *slog.Logger

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool

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

func (l *listener) serve(c net.Conn, establish listeners.EstablishFn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.conns) >= maxConns {
		c.Close()
		return
	}
	l.conns[c] = struct{}{}
	l.serving.Go(func() {
		defer l.forget(c)
		c.SetReadDeadline(time.Now().Add(connectTimeout)) // the server sets its own after CONNECT
		remote := c.RemoteAddr()
		if err := establish(l.ID(), bounded(c, l.tls)); err != nil {
			l.log.Debug("broker: connection ended", "remote", remote, "err", err)
		}
	})
}

func (l *listener) forget(c net.Conn) {
	c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// Close closes the listening socket and all connections, and waits until they
// are served no more.
func (l *listener) Close(listeners.CloseFn) {
	l.mu.Lock()
	l.closed = true
	l.inner.Close()
	for c := range l.conns {
		c.Close()
	}
	l.mu.Unlock()
	l.serving.Wait()
}

// boundedConn bounds each write, and ends the connection when one fails: half
// a packet may have gone out.
type boundedConn struct{ net.Conn }

func bounded(c net.Conn, tlsConfig *tls.Config) net.Conn {
	if tlsConfig != nil {
		return boundedConn{tls.Server(c, tlsConfig)}
	}
	return boundedConn{c}
}

// SetDeadline sets the deadline of reads only; the server means the
// keep-alive's.
func (c boundedConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c boundedConn) Write(b []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.Conn.Write(b)
	if err != nil {
		c.Conn.Close()
	}
	return n, err
}
