package broker

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
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

// However many connect and say nothing, the broker holds a bounded number.
func TestConnectionsAreBounded(t *testing.T) {
	b := start(t, Config{})
	dial := func() net.Conn {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for range maxConns {
		dial()
	}
	over := dial() // is accepted after all the others
	over.SetReadDeadline(time.Now().Add(soon))
	if _, err := over.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection %d: %v, want the end", maxConns+1, err)
	}
}
