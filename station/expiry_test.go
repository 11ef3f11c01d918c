package station

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"intercom/config"
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
