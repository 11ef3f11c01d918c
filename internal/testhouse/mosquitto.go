package testhouse

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	mosquitto = "/usr/sbin/mosquitto"
	// startTime bounds how long a start may take: only what is broken takes it.
	startTime = 30 * time.Second
)

// Place is where a process runs and connects: a network namespace.
type Place interface {
	Start(*exec.Cmd) error
	Do(func() error) error
}

// here is the test's own network.
type here struct{}

func (here) Start(cmd *exec.Cmd) error     { return cmd.Start() }
func (here) Do(connect func() error) error { return connect() }

// Mosquitto is Debian's broker as a process. It asks for no authentication and
// keeps nothing over a kill. Any goroutine may use it.
type Mosquitto struct {
	Addr string // host and port, the same after each start

	place Place
	conf  string

	mu  sync.Mutex
	cmd *exec.Cmd // nil: killed
}

// StartMosquitto starts it on a free port of this machine, until the test ends.
func StartMosquitto(t testing.TB) *Mosquitto {
	t.Helper()
	return StartMosquittoIn(t, here{}, FreePort(t))
}

// StartMosquittoIn starts it elsewhere, at an address there.
func StartMosquittoIn(t testing.TB, place Place, addr string) *Mosquitto {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	m := &Mosquitto{Addr: addr, place: place, conf: filepath.Join(t.TempDir(), "mosquitto.conf")}
	text := fmt.Sprintf("listener %s %s\nallow_anonymous true\npersistence false\n", port, host)
	if err := os.WriteFile(m.conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	return m
}

// Start starts it, if it does not run, and waits until it listens.
func (m *Mosquitto) Start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd != nil {
		return nil
	}
	cmd := exec.Command(mosquitto, "-c", m.conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.place.Start(cmd); err != nil {
		return fmt.Errorf("mosquitto: %w; apt-get install mosquitto", err)
	}
	m.cmd = cmd
	var err error
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		err = m.place.Do(func() error {
			c, err := net.Dial("tcp", m.Addr)
			if err == nil {
				c.Close()
			}
			return err
		})
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("mosquitto: %w", err)
}

// Kill ends it as a power cut does, if it runs.
func (m *Mosquitto) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd != nil {
		m.cmd.Process.Kill()
		m.cmd.Wait()
		m.cmd = nil
	}
}

// FreePort is an address of this machine where nobody listens.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
