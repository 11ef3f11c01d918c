package mqttpush

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickAck acknowledges what arrives at once. A broker without TCP_NODELAY, as
// mosquitto is by default, holds a small packet back until the one before it
// was acknowledged, and Linux delays that by 40 ms: two of three messages of a
// ring came so much later. The kernel forgets the wish (tcp(7)), so it is made
// again after each read.
func quickAck(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	q := &quickAckConn{Conn: c, raw: raw}
	q.set = func(fd uintptr) {
		// An error costs 40 ms, not the connection.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
	_ = raw.Control(q.set)
	return q
}

type quickAckConn struct {
	net.Conn
	raw syscall.RawConn
	set func(fd uintptr)
}

func (q *quickAckConn) Read(b []byte) (int, error) {
	n, err := q.Conn.Read(b)
	_ = q.raw.Control(q.set)
	return n, err
}
