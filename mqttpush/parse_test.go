package mqttpush

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"intercom/call"
)

// lines is a log that a test can look into.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), s)
}

func writeFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNewRefuses(t *testing.T) {
	self := address("door", "d1", "s1")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no URL", Config{Self: self}, `starts with ""`},
		{"another protocol", Config{URL: "https://broker", Self: self}, `starts with "https"`},
		{"no host", Config{URL: "mqtt://", Self: self}, "mqtt://host or mqtt://host:port"},
		{"a password", Config{URL: "mqtt://u:secret@broker", Self: self}, "u:xxxxx@broker"},
		{"a damaged password", Config{URL: "mqtt://u:secret%zz@broker", Self: self}, "is not one"},
		{"a path", Config{URL: "mqtt://broker/x", Self: self}, "nothing else"},
		{"no session", Config{URL: "mqtt://broker", Self: call.Address{Service: "s", User: "u", Device: "d"}}, "own address"},
		{"half a second", Config{URL: "mqtt://broker", Self: self, KeepAlive: time.Second / 2}, "keep-alive is 500ms"},
		{"a second and a half", Config{URL: "mqtt://broker", Self: self, KeepAlive: 1500 * time.Millisecond}, "whole seconds"},
		{"time out before it began", Config{URL: "mqtt://broker", Self: self, ConnectTimeout: -1}, "connect timeout"},
		{"a CA for nothing", Config{URL: "mqtt://broker", Self: self, CAFile: "x.pem"}, "only used with mqtts"},
		{"no CA file", Config{URL: "mqtts://broker", Self: self, CAFile: "/none.pem"}, "/none.pem"},
		{"an empty CA file", Config{URL: "mqtts://broker", Self: self, CAFile: writeFile(t, "")}, "no certificate"},
		{"a CA file that nobody writes", Config{URL: "mqtts://broker", Self: self, CAFile: fifo}, "no certificate"},
		{"a CA file without end", Config{URL: "mqtts://broker", Self: self, CAFile: "/dev/zero"}, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := New(tt.cfg)
			if err == nil {
				tr.Close()
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error is %q, want one with %q and no secret", err, tt.want)
			}
		})
	}
}

func TestDefaultPorts(t *testing.T) {
	for url, want := range map[string]string{
		"mqtt://broker": "broker:1883", "mqtts://broker": "broker:8883",
		"mqtt://broker:1/": "broker:1", "mqtts://[::1]:2": "[::1]:2",
	} {
		c := Config{URL: url, Self: address("u", "d", "s")}
		if got, tlsConfig, err := c.check(); err != nil || got != want || (tlsConfig != nil) != strings.HasPrefix(url, "mqtts") {
			t.Errorf("%s: %q, TLS %t, %v; want %q", url, got, tlsConfig != nil, err, want)
		}
	}
}

func TestWaitBefore(t *testing.T) {
	var got []time.Duration
	for failures := range 8 {
		got = append(got, waitBefore(failures, 0))
	}
	s := time.Second
	if diff := cmp.Diff([]time.Duration{0, s / 2, s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}, got); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	if got := waitBefore(3, 1); got != s {
		t.Errorf("with the most jitter %v, want a half", got)
	}
	if got := waitBefore(1<<40, 0.5); got != 7500*time.Millisecond {
		t.Errorf("after very many failures %v", got)
	}
}

func TestPacketCheck(t *testing.T) {
	publish := append([]byte{0x30, 0x80, 0x01}, make([]byte, 128)...)
	tests := []struct {
		name   string
		stream []byte
		want   string
	}{
		{"a CONNACK, a ping answer, a SUBACK", []byte{0x20, 2, 0, 0, 0xd0, 0, 0x90, 5, 0, 1, 1, 1, 1, 0xd0, 0}, ""},
		{"two publishes", append(publish, publish...), ""},
		{"the largest", []byte{0x30, 0x80, 0x80, 0x10}, ""},
		{"one more byte", []byte{0x30, 0x81, 0x80, 0x10}, "packet of 262145 bytes"},
		{"all of MQTT", []byte{0x30, 0xff, 0xff, 0xff, 0x7f}, "packet of 268435455 bytes"},
		{"a length without end", []byte{0x30, 0xff, 0xff, 0xff, 0xff}, "more than 4 bytes"},
		{"a SUBACK with a code too many", []byte{0xd0, 0, 0x90, 6, 0, 1, 1, 1, 1, 1}, "SUBACK of 6 bytes for 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{1, 3, len(tt.stream)} {
				p := packetCheck{filters: 3}
				got := ""
				for b := tt.stream; len(b) > 0 && got == ""; b = b[min(step, len(b)):] {
					if err := p.check(b[:min(step, len(b))]); err != nil {
						got = err.Error()
					}
				}
				if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
					t.Errorf("in steps of %d: %q, want %q", step, got, tt.want)
				}
			}
		})
	}
}

// FuzzPacketCheck: how a stream is cut into reads changes nothing, and no
// packet over the bound gets by.
func FuzzPacketCheck(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0, 0xd0, 0, 0x90, 5, 0, 1, 1, 1, 1}, 3)
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		whole := packetCheck{filters: 3}
		want := whole.check(stream)
		cut := packetCheck{filters: 3}
		var got error
		for b := stream; len(b) > 0 && got == nil; {
			n := min(max(step, 1), len(b))
			got = cut.check(b[:n])
			b = b[n:]
		}
		if (want == nil) != (got == nil) || want == nil && whole != cut {
			t.Errorf("whole: %v %+v, cut: %v %+v", want, whole, got, cut)
		}
		if want == nil && whole.part == inBody && whole.length > maxPacket {
			t.Errorf("a packet of %d bytes got by", whole.length)
		}
	})
}

// No address makes a topic that is another's.
func TestTopicsAreDistinct(t *testing.T) {
	id := rapid.StringMatching(`[a-zA-Z0-9._-]{1,8}`).Filter(call.ValidID) // . and .. are none
	rapid.Check(t, func(t *rapid.T) {
		draw := func() call.Address {
			a := call.Address{Service: id.Draw(t, "service"), User: id.Draw(t, "user")}
			if rapid.Bool().Draw(t, "process") {
				a.Device, a.Session = id.Draw(t, "device"), id.Draw(t, "session")
			}
			return a
		}
		a, b := draw(), draw()
		ta, errA := topicFor(a)
		tb, errB := topicFor(b)
		if errA != nil || errB != nil || (ta == tb) != (a == b) {
			t.Fatalf("%s: %q %v, %s: %q %v", a, ta, errA, b, tb, errB)
		}
	})
}
