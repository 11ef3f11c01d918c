package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestOpenService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	if len(path) > 100 {
		t.Skip("the temporary folder's name is too long for a socket")
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	own := strconv.Itoa(os.Getpid())
	tests := []struct {
		name, socket, usec, pid string
		want                    time.Duration
		none, fails             bool
	}{
		{"no manager", "", "", "", 0, true, false},
		{"no watchdog", path, "", "", 0, false, false},
		{"with watchdog", path, "2000000", own, 2 * time.Second, false, false},
		{"with a watchdog for all", path, "500000", "", 500 * time.Millisecond, false, false},
		{"another's watchdog", path, "2000000", "1", 0, false, false},
		{"no number", path, "soon", own, 0, false, true},
		{"negative", path, "-1", own, 0, false, true},
		{"huge", path, "99999999999999", own, 0, false, true},
		{"no socket there", path + "x", "", "", 0, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", test.socket)
			t.Setenv("WATCHDOG_USEC", test.usec)
			t.Setenv("WATCHDOG_PID", test.pid)
			s, err := openService()
			if (err != nil) != test.fails || (s.Notify == nil) != (test.none || test.fails) || s.Watchdog != test.want {
				t.Fatalf("%+v, %v", s, err)
			}
			if os.Getenv("NOTIFY_SOCKET") != "" {
				t.Error("children would hear of it")
			}
			if s.Notify == nil {
				return
			}
			if err := s.Notify("READY=1"); err != nil {
				t.Fatal(err)
			}
			var buf [64]byte
			n, err := conn.Read(buf[:])
			if err != nil || string(buf[:n]) != "READY=1" {
				t.Errorf("told %q, %v", buf[:n], err)
			}
		})
	}
}

// TestRunAsService runs a station as a service manager does.
func TestRunAsService(t *testing.T) {
	h := open(t)
	h.door.stop()
	path := filepath.Join(h.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "1000000")
	p, err := start("door", "run", "--config", filepath.Join(h.dir, "door", "station.toml"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	next := func() string {
		var buf [64]byte
		if err := conn.SetReadDeadline(time.Now().Add(startTime)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf[:])
		if err != nil {
			t.Fatalf("%v%s", err, p.tail())
		}
		return string(buf[:n])
	}
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := next(); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for got := next(); got != "STOPPING=1"; got = next() {
		if got != "WATCHDOG=1" {
			t.Errorf("told %q before the end", got)
		}
	}
	<-p.done
	if s := p.cmd.ProcessState; s.ExitCode() != exitOK {
		t.Errorf("%v%s", s, p.tail())
	}
}
