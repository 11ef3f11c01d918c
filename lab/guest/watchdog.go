package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// stopped is a file on the host by which a boot knows that the one before it stopped the station.
const stopped = "stopped"

// watchdogCase runs a station with a watchdog. In the first boot it stops properly, which must disarm the watchdog;
// then it starts again and hangs. The board must be reset by that, and the station say so in the second boot.
func watchdogCase(g *guest) error {
	if err := insert("i6300esb", ""); err != nil {
		return err
	}
	m, err := g.guarded()
	if err != nil {
		return err
	}
	if hostFileExists(stopped) {
		return g.afterReset(m)
	}
	if err := m.start(); err != nil {
		return err
	}
	if err := poll(startTime, func() error { return m.reset("") }); err != nil {
		return fmt.Errorf("%w: %s", err, m.said)
	}
	time.Sleep(10 * time.Second) // more than twice the timeout: it is fed
	if err := m.end(10 * time.Second); err != nil {
		return err
	}
	time.Sleep(10 * time.Second) // and disarmed
	if err := m.start(); err != nil {
		return err
	}
	if err := poll(startTime, func() error { return m.reset("") }); err != nil {
		return fmt.Errorf("%w: %s", err, m.said)
	}
	f, err := createHostFile(stopped)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := m.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(30 * time.Second)
	return errors.New("the station hangs, and nothing resets the board")
}

// guarded makes a station's folder with its keys.
func (g *guest) guarded() (*member, error) {
	m := &member{name: "indoor", dir: "/tmp/indoor"}
	authority := "/tmp/authority.key"
	if _, err := command("key", "make", authority); err != nil {
		return nil, err
	}
	if err := m.identity(authority, "home"); err != nil {
		return nil, err
	}
	cfg, err := os.ReadFile(filepath.Join(configDir, "guarded.toml"))
	if err != nil {
		return nil, err
	}
	return m, os.WriteFile(filepath.Join(m.dir, "station.toml"), cfg, 0o600)
}

// reset wants this cause in the station's status.
func (m *member) reset(want string) error {
	st, err := m.status()
	if err == nil && st.Reset != want {
		err = fmt.Errorf("the station says that it was reset by %q, want %q", st.Reset, want)
	}
	return err
}

func (g *guest) afterReset(m *member) error {
	g.check("reset", true, "a station that is fed and one that was stopped properly live on; one that hangs resets the board")
	if err := m.start(); err != nil {
		return err
	}
	err := poll(startTime, func() error { return m.reset("watchdog") })
	g.check("cause", err == nil, "the station names it afterwards in its status%s", because(err))
	return m.end(10 * time.Second)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
