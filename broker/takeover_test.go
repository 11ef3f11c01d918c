package broker

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// slowEnd holds the server up where it forgets its first client: until the next one has
// subscribed, or shown that it does not get that far.
type slowEnd struct {
	mqtt.HookBase
	held               atomic.Bool
	ending, subscribed chan struct{}
}

func (h *slowEnd) Provides(b byte) bool { return b == mqtt.OnUnsubscribed }

func (h *slowEnd) OnUnsubscribed(*mqtt.Client, packets.Packet) {
	if h.held.Swap(true) {
		return
	}
	close(h.ending)
	select {
	case <-h.subscribed:
	case <-time.After(100 * time.Millisecond):
	}
}

// A device that comes back while the server is still busy forgetting its last
// connection hears what is sent to it.
func TestBackAtOnce(t *testing.T) {
	b := start(t, Config{})
	slow := &slowEnd{ending: make(chan struct{}), subscribed: make(chan struct{})}
	if err := b.server.AddHook(slow, nil); err != nil {
		t.Fatal(err)
	}
	const id = "intercom:home:ann:door:s1"
	mustDial(t, b, id).subscribe(t, "news")
	b.listener.mu.Lock()
	first := b.listener.byClient[id]
	b.listener.mu.Unlock()
	first.raw.Close()
	wait(t, slow.ending, "end of the first connection")

	again := mustDial(t, b, id)
	again.subscribe(t, "news")
	close(slow.subscribed)
	wait(t, first.ended, "end of the first connection's service")
	mustDial(t, b, "other").publish(t, "news", false, "a ring")
	again.wants(t, "news a ring")
}

// A connection whose predecessor can't be ended is refused in time.
func TestClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{byClient: make(map[string]*conn)}
		var conns [3]*conn
		for i := range conns {
			c, _ := net.Pipe()
			conns[i] = &conn{Conn: c, raw: c, ended: make(chan struct{})}
		}
		if err := l.claim("a", conns[0]); err != nil {
			t.Fatalf("the first: %v", err)
		}
		begin := time.Now()
		if err := l.claim("a", conns[1]); !errors.Is(err, errNotForgotten) {
			t.Errorf("after one that stays: %v, want %v", err, errNotForgotten)
		}
		if took := time.Since(begin); took != 2*writeTimeout {
			t.Errorf("refused after %v, want %v", took, 2*writeTimeout)
		}
		if _, err := conns[0].Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the first reads %v, want that it was closed", err)
		}
		time.AfterFunc(writeTimeout, func() { l.forget(conns[1]) })
		if err := l.claim("a", conns[2]); err != nil {
			t.Errorf("after one that ends: %v", err)
		}
		if l.forget(conns[0]); l.byClient["a"] != conns[2] {
			t.Error("an old connection took the id along")
		}
		if l.forget(conns[2]); len(l.byClient) != 0 {
			t.Errorf("%d ids are left", len(l.byClient))
		}
	})
}
