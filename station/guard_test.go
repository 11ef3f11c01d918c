package station

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"intercom/config"
)

// TestGuard feeds while the sound turns, and starves the watchdog otherwise.
func TestGuard(t *testing.T) {
	var log bytes.Buffer
	var told []string
	var broken error
	service := Service{Watchdog: 1e9, Notify: func(state string) error {
		told = append(told, state)
		return broken
	}}
	var g guard
	var open closers
	if err := g.open(&config.Config{}, service, &open, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	defer open.close()
	for _, turns := range []uint64{0, 1, 1, 1, 2} {
		g.feed(turns)
	}
	if diff := cmp.Diff([]string{"WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	broken = errors.New("broken")
	for turns := range uint64(5) {
		g.feed(turns + 10)
	}
	if n := strings.Count(log.String(), "broken"); n != 1 {
		t.Errorf("told %d times of a watchdog that can not be fed:\n%s", n, &log)
	}
	if g.due == nil {
		t.Error("never due")
	}
	var none guard
	if err := none.open(&config.Config{}, Service{}, &open, slog.New(slog.DiscardHandler)); err != nil || none.due != nil {
		t.Errorf("without any watchdog: %v, due %v", err, none.due)
	}
}
