package mqttpush

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// newHalfDeafBroker grants and confirms everything, and delivers of what comes
// on each connection only the first messages.
func newHalfDeafBroker(t *testing.T, delivered int) (addr string) {
	t.Helper()
	return serveEach(t, func(c net.Conn) {
		left := delivered
		serveFake(c, []byte{qos, qos, qos}, func(body []byte) {
			topic := 2 + int(body[0])<<8 + int(body[1]) // then the packet id, and the payload
			id, payload := body[topic:topic+2], body[topic+2:]
			c.Write([]byte{0x40, 2, id[0], id[1]})
			if left--; left >= 0 {
				n := topic + len(payload)
				c.Write(append(append([]byte{0x30, byte(n&0x7f | 0x80), byte(n >> 7)}, body[:topic]...), payload...))
			}
		})
	})
}

// A broker that delivers nothing, or no more, is left for a new connection. As
// it might deliver other things, each that never delivered is kept longer.
func TestDeaf(t *testing.T) {
	for _, tt := range []struct {
		delivered int
		waits     [3]time.Duration // ms
	}{
		{0, [3]time.Duration{20, 40, 80}},
		{1, [3]time.Duration{20, 20, 20}},
		{2, [3]time.Duration{20, 20, 20}},
	} {
		t.Run(fmt.Sprintf("%d delivered", tt.delivered), func(t *testing.T) {
			t.Parallel()
			log := &lines{}
			d := newPeer(t, newHalfDeafBroker(t, tt.delivered), door, func(c *Config) {
				c.Log = log.logger()
				c.echoTime, c.echoEvery = 20*time.Millisecond, time.Millisecond
			})
			eventually(t, "three connections are given up", func() bool { return d.Counters()["deaf"] >= 3 })
			for _, wait := range tt.waits {
				want := fmt.Sprintf("did not deliver within %v what this device had subscribed to; let it read %s", wait*time.Millisecond, d.topics.presences)
				eventually(t, "log of: "+want, func() bool { return log.contains(want) })
			}
		})
	}
}

// A broker that delivers is kept, however often it is asked.
func TestNotDeaf(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		d := newPeer(t, s.addr, door, func(c *Config) { c.echoTime, c.echoEvery = soon, time.Millisecond })
		eventually(t, "its presence was sent 20 times", func() bool { return d.Counters()["sent"] >= 20 })
		if n := d.Counters(); n["deaf"]+n["lost"] > 0 {
			t.Errorf("counters: %v", n)
		}
	})
}
