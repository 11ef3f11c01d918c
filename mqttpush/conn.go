package mqttpush

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// maxPacket is the largest packet that is read, in bytes. It is well above
// MaxPayload, so that a message that is only too large costs no connection.
const maxPacket = 256 << 10

// watchedConn is a connection that tells when and why it ended, bounds each
// write, and lets no packet in that would harm: paho takes a packet of 256 MB
// if it is told so, which is more than a board has, and panics on a SUBACK
// with more codes than it asked for. The broker is not trusted.
type watchedConn struct {
	net.Conn
	packets packetCheck // used by the one goroutine that reads

	once   sync.Once
	closed chan struct{}
	err    error // set before closed is
}

func watch(c net.Conn, filters int) *watchedConn {
	return &watchedConn{Conn: c, packets: packetCheck{filters: filters}, closed: make(chan struct{})}
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bad := c.packets.check(b[:n]); bad != nil {
		n, err = 0, bad
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("closed by the broker: %w", err)
	}
	if err != nil {
		// Not err: paho takes "use of closed network connection" for its own
		// doing, and would go on as if nothing had happened.
		c.fail(err)
		err = c.err
	}
	return n, err
}

func (c *watchedConn) Write(b []byte) (int, error) {
	c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.Conn.Write(b)
	if err != nil {
		c.fail(err)
	}
	return n, err
}

// Close is called by paho when its ping was not answered; what other reasons
// it has come from Read or Write, and were noted there.
func (c *watchedConn) Close() error {
	c.fail(errors.New("the broker did not answer in time"))
	return nil
}

// fail closes the connection; the first reason is kept.
func (c *watchedConn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.closed)
		c.Conn.Close()
	})
}

// cause is why the connection ended; it did.
func (c *watchedConn) cause() error {
	<-c.closed
	return c.err
}

// explain is the reason why the connection ended, or err if it stands.
func (c *watchedConn) explain(err error) error {
	select {
	case <-c.closed:
		return fmt.Errorf("%w (%w)", err, c.err)
	default:
		return err
	}
}

const (
	typeSuback = 9    // MQTT 3.1.1 section 2.2.1
	more       = 0x80 // in a length: another byte follows (section 2.2.3)
)

// packetCheck follows the packets of a stream by their fixed headers (MQTT
// 3.1.1 section 2.2).
type packetCheck struct {
	filters int // subscriptions in one SUBSCRIBE

	kind   byte // type of the packet
	part   int  // 0: before the type; 1 to 4: before this byte of the length; 5: in the body
	length int  // as far as read; in the body: bytes still to come
}

const inBody = 5

// check reads on, through b, and returns an error at a packet that must not be
// read. After an error it is not used again.
func (p *packetCheck) check(b []byte) error {
	for len(b) > 0 {
		if p.part == inBody {
			n := min(p.length, len(b))
			p.length -= n
			b = b[n:]
			if p.length == 0 {
				p.part = 0
			}
			continue
		}
		c := b[0]
		b = b[1:]
		if p.part == 0 {
			p.kind, p.length, p.part = c>>4, 0, 1
			continue
		}
		p.length |= int(c&^more) << (7 * (p.part - 1))
		if c&more != 0 {
			if p.part++; p.part == inBody {
				return errors.New("packet with a length of more than 4 bytes")
			}
			continue
		}
		if err := p.allowed(); err != nil {
			return err
		}
		p.part = inBody
		if p.length == 0 {
			p.part = 0
		}
	}
	return nil
}

func (p *packetCheck) allowed() error {
	if p.length > maxPacket {
		return fmt.Errorf("packet of %d bytes, at most %d are read", p.length, maxPacket)
	}
	if p.kind == typeSuback && p.length > 2+p.filters { // a packet id and the codes
		return fmt.Errorf("SUBACK of %d bytes for %d subscriptions", p.length, p.filters)
	}
	return nil
}
