package station

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"intercom/config"
	"intercom/identity"
)

// A station whose token has expired while it runs rings nobody: it says so.
func TestTokenExpires(t *testing.T) {
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	floor := until.Add(-1)
	s := &station{
		cfg: &config.Config{Identity: config.Identity{Token: "the.token"}}, log: slog.New(slog.DiscardHandler),
		floor: func() time.Time { return floor }, until: until, connected: true,
	}
	if s.tellTime(); s.expired || s.faults("") != "" {
		t.Errorf("before its end: %q", s.faults(""))
	}
	floor = until
	s.tellTime()
	if f := s.faults(""); !strings.Contains(f, "expired on 2030-01-01") || !strings.Contains(f, "the.token") || !s.view().fault {
		t.Errorf("at its end: %q, fault lamp %t", f, s.view().fault)
	}
}

// A clock floor of a time to come keeps a station out: the check says so before the start does, with the way out, and
// leaves no floor of its own.
func TestFutureFloor(t *testing.T) {
	cfg := newHouse(t).config(config.Door, "front", "door", doorText)
	if err := os.MkdirAll(cfg.Station.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	future := time.Now().AddDate(50, 0, 0)
	if err := identity.OpenFloor(floorPath(cfg), future, nil).Close(); err != nil {
		t.Fatal(err)
	}
	_, check := CheckKeys(cfg, time.Time{})
	for what, err := range map[string]error{"the check": check, "the start": Run(t.Context(), cfg, Options{})} {
		if !errors.Is(err, identity.ErrExpired) || !strings.Contains(err.Error(), "delete "+floorPath(cfg)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.Remove(floorPath(cfg)); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckKeys(cfg, time.Time{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(floorPath(cfg)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the check left a floor: %v", err)
	}
}
