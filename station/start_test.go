package station

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"intercom/config"
)

// TestStartErrors: what is wrong at start is an error that says where, and
// what to do.
func TestStartErrors(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		change func(t *testing.T, c *config.Config)
		want   []string
	}{
		{"no such button", strings.Replace(doorText, `"bell-1"`, `"bell-9"`, 1), nil,
			[]string{"station.toml:", "button[0].name", "bell-9", "bell-1"}},
		{"no such relay", strings.Replace(doorText, `"strike"`, `"call-lamp"`, 1), nil,
			[]string{"station.toml:", "door.relay", "strike"}},
		{"open too long", doorText + "open_time = \"30s\"\n", nil,
			[]string{"station.toml:", "door.open_time", "10s"}},
		{"no such board", doorText, func(_ *testing.T, c *config.Config) { c.Board.Profile = "none" },
			[]string{"no such board profile", "simulated"}},
		{"no key", doorText, func(_ *testing.T, c *config.Config) { c.Identity.Key += "-none" },
			[]string{"device.key-none", "intercom key"}},
		{"no token", doorText, func(_ *testing.T, c *config.Config) { c.Identity.Token += "-none" },
			[]string{"device.token-none", "ask the service"}},
		{"no authority", doorText, func(_ *testing.T, c *config.Config) { c.Identity.Authority += "-none" },
			[]string{"authority.pub-none"}},
		{"token of another device", doorText, func(_ *testing.T, c *config.Config) { c.Station.Name = "rear" },
			[]string{"device.token", "rear", "ask the service"}},
		{"bad CA file", doorText, func(_ *testing.T, c *config.Config) {
			c.Broker.URL, c.Broker.CA = "mqtts://localhost:1", c.Identity.Key
		}, []string{"CA file", "no certificate"}},
		{"no password file", doorText, func(_ *testing.T, c *config.Config) {
			c.Network.TURN = []config.TURN{{URL: "turn:localhost:1", Username: "u", PasswordFile: c.Identity.Key + "-none"}}
		}, []string{"network.turn[0].password_file", "no such file"}},
		{"state folder is a file", doorText, func(_ *testing.T, c *config.Config) { c.Station.StateDir = c.Identity.Key },
			[]string{"state_dir"}},
		{"a file in the socket's place", doorText, func(t *testing.T, c *config.Config) {
			if err := os.MkdirAll(c.Station.StateDir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.Status.Socket, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"status.sock", "no socket"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := newHouse(t).config(config.Door, "front", "door", tt.text)
			if tt.change != nil {
				tt.change(t, cfg)
			}
			err := Run(t.Context(), cfg, Options{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in the error: %v", w, err)
				}
			}
		})
	}
}

// TestStatusSocket: a dead station's is taken over, a live one's is not.
func TestStatusSocket(t *testing.T) {
	h := newHouse(t)
	cfg := h.config(config.Door, "front", "door", doorText)
	if err := os.MkdirAll(cfg.Station.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: cfg.Status.Socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	door := h.start(cfg)
	info, err := os.Stat(cfg.Status.Socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket: %v, %v", info.Mode(), err)
	}
	err = Run(t.Context(), cfg, Options{})
	if err == nil || !strings.Contains(err.Error(), "a station runs with it already") {
		t.Errorf("a second station: %v", err)
	}
	st := door.waitState(idle)
	if st.Version != "test" || st.Kind != config.Door || st.Name != "front" || st.Goroutines == 0 || st.RSS == 0 || st.Uptime == 0 {
		t.Errorf("status %+v", st)
	}
	if _, ok := st.Counters.Buttons["bell-1"]; !ok {
		t.Errorf("no counters of bell-1: %+v", st.Counters)
	}
	if err := door.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadStatus(cfg.Status.Socket); err == nil || !strings.Contains(err.Error(), "is the station running") {
		t.Errorf("status of a station that stopped: %v", err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Station.StateDir, "clock-floor")); err != nil {
		t.Errorf("the clock floor was not stored: %v", err)
	}
}

// A station whose status socket has more clients than it takes is no dead one: its socket stays.
func TestStatusSocketCrowded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 64 { // until no more are taken
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if l, err := listenStatus(path); err == nil || !strings.Contains(err.Error(), "a station runs with it already") {
		t.Errorf("%v, %v", l, err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}
