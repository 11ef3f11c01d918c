package broker

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"intercom/identity"
	"intercom/internal/testhouse"
)

// A connection that never says who it is, or takes nothing, does not last.
func TestConnectionTimesOut(t *testing.T) {
	tests := []struct {
		name string
		hang func(net.Conn) error // as the MQTT server would
		want time.Duration
	}{
		{"silent", func(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err }, connectTimeout},
		{"stalled", func(c net.Conn) error { _, err := c.Write(make([]byte, 1)); return err }, writeTimeout},
		{"stalled, but sending, with a long keep-alive", func(c net.Conn) error {
			time.AfterFunc(writeTimeout/2, func() { c.SetDeadline(time.Now().Add(time.Hour)) })
			_, err := c.Write(make([]byte, 1))
			return err
		}, writeTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &listener{log: slog.New(slog.DiscardHandler), conns: make(map[*conn]struct{})}
				ours, theirs := net.Pipe()
				defer theirs.Close()
				begin := time.Now()
				l.serve(ours, func(_ string, c net.Conn) error {
					if err := tt.hang(c); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("ended with %v", err)
					}
					return nil
				})
				l.serving.Wait()
				if got := time.Since(begin); got != tt.want {
					t.Errorf("ended after %v, want %v", got, tt.want)
				}
				if len(l.conns) != 0 {
					t.Error("the connection is still counted")
				}
				if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the other side reads %v, want the end", err)
				}
			})
		})
	}
}

// However slowly the server ends them, the broker holds a bounded number of connections.
func TestConnectionsAreBounded(t *testing.T) {
	l := &listener{log: slog.New(slog.DiscardHandler), conns: make(map[*conn]struct{}), byClient: make(map[string]*conn)}
	release := make(chan struct{})
	for range maxConns + 5 {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		l.serve(ours, func(string, net.Conn) error { <-release; return nil })
	}
	if len(l.conns) != maxConns {
		t.Errorf("%d connections are held, want %d", len(l.conns), maxConns)
	}
	close(release)
	l.serving.Wait()
}

// from is a connection of another address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// However many connections a host opens and leaves unnamed, it ends its own: others have their place.
func TestStrangersKeepNobodyOut(t *testing.T) {
	l := &listener{log: slog.New(slog.DiscardHandler), conns: make(map[*conn]struct{}), byClient: make(map[string]*conn)}
	open := func(ip string) *conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		got := make(chan *conn)
		l.serve(from{ours, &net.TCPAddr{IP: net.ParseIP(ip)}}, func(_ string, c net.Conn) error {
			got <- c.(*conn)
			c.Read(make([]byte, 1)) // until it is closed
			return nil
		})
		return <-got
	}
	early, named := open("192.0.2.1"), open("192.0.2.2")
	if err := l.claim("a device", named); err != nil {
		t.Fatal(err)
	}
	var flood []*conn
	for i := range 2 * maxUnnamed {
		flood = append(flood, open([]string{"2001:db8::1", "2001:db8::2"}[i%2])) // addresses of one machine
	}
	late := open("::ffff:192.0.2.3")
	<-flood[0].ended
	dropped := 0
	l.mu.Lock()
	for i, c := range flood {
		if c.dropped {
			dropped++
		} else if i <= maxUnnamed {
			t.Errorf("connection %d of the flood stands", i)
		}
	}
	for _, c := range []*conn{early, named, late} {
		if c.dropped {
			t.Errorf("that of %s is ended", c.host)
		}
	}
	l.mu.Unlock()
	if want := maxUnnamed + 2; dropped != want { // with early and late there are maxUnnamed
		t.Errorf("%d of the flood are ended, want %d", dropped, want)
	}
	if err := l.claim("an ended one", flood[0]); !errors.Is(err, errDropped) {
		t.Errorf("an ended one claims an id: %v", err)
	}
	l.inner = closedListener{}
	l.Close(nil)
}

type closedListener struct{ net.Listener }

func (closedListener) Close() error { return nil }

// A device, perhaps of a stolen key, has a bounded number of connections; its oldest ends.
func TestConnectionsOfOneDevice(t *testing.T) {
	h := testhouse.New(t)
	b := start(t, Config{Verifier: h.Verifier})
	other := mustAdmit(t, b, h, identity.Address{Service: "home", User: "flat", Device: "p2", Session: "s1"})
	var mine []*client
	for i := range maxOfDevice + 1 {
		a := me
		a.Session = "t" + strconv.Itoa(i)
		mine = append(mine, mustAdmit(t, b, h, a))
	}
	wait(t, mine[0].lost, "end of the oldest connection")
	for i, c := range append(mine[1:], other) {
		if !c.publish(t, "intercom/v1/home/door/push", false, "x") {
			t.Errorf("connection %d has ended", i)
		}
	}
}

func mustAdmit(t *testing.T, b *Broker, h testhouse.House, a identity.Address) *client {
	t.Helper()
	c, err := dial(t, b, admit(t, h, a).logInTo(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Refusals that repeat are summed up, and who asks who is there is none.
func TestRefusalsAreToldSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := &hook{verifier: new(identity.Verifier), log: slog.New(slog.NewTextHandler(&log, nil))}
		cl := &mqtt.Client{ID: ClientID(me)}
		lines := func() int { return bytes.Count(log.Bytes(), []byte("\n")) }
		if h.OnACLCheck(cl, "intercom/v1/home/door/+/+/presence", false) || lines() != 0 {
			t.Errorf("the question who is there: %s", log.String())
		}
		for range 1000 {
			h.OnACLCheck(cl, "intercom/v1/home/door/push", false)
		}
		if lines() != maxTold {
			t.Errorf("1000 refusals made %d lines, want %d", lines(), maxTold)
		}
		time.Sleep(tellTime)
		h.OnACLCheck(cl, "intercom/v1/home/door/d1/s1/presence", true)
		if lines() != maxTold+2 || !strings.Contains(log.String(), "times=980") {
			t.Errorf("a minute later: %d lines, %s", lines(), log.String())
		}
	})
}

// A client that publishes without pause is held up, and may do so again after a rest.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(conn)
		took := func(messages int) time.Duration {
			begin := time.Now()
			for range messages {
				c.pace(100)
			}
			return time.Since(begin)
		}
		if got := took(maxBurst); got != 0 {
			t.Errorf("a burst took %v", got)
		}
		if got := took(200); got != 2*time.Second {
			t.Errorf("200 more took %v, want 2 s", got)
		}
		time.Sleep(time.Second)
		if got := took(110); got != 100*time.Millisecond {
			t.Errorf("110 after a rest of a second took %v, want 100 ms", got)
		}
	})
}

// Config.rate is kept on the wire.
func TestPaceOfAClient(t *testing.T) {
	b := start(t, Config{rate: 1000})
	c := mustDial(t, b, "c")
	begin := time.Now()
	for range maxBurst + 100 {
		c.publish(t, signal, false, "x")
	}
	if took := time.Since(begin); took < 99*time.Millisecond {
		t.Errorf("100 messages over the burst took %v, want 100 ms", took)
	}
}
