package station

import (
	"fmt"
	"log/slog"
	"time"

	"intercom/config"
	"intercom/watchdog"
)

// guard feeds the watchdog from the station's own goroutine: a station that hangs, or a program or kernel that does,
// starves it, and the board is reset. The zero guard has no watchdog.
type guard struct {
	dog   *watchdog.Watchdog
	due   <-chan time.Time // nil: never
	reset string           // what reset the board before this start; see Status
	log   *slog.Logger
	bad   bool // the last feed failed
}

// feedsEach is how many times the watchdog is fed in its timeout.
const feedsEach = 5

func (g *guard) open(cfg *config.Config, open *closers, log *slog.Logger) (err error) {
	if cfg.Board.Watchdog == "" {
		return nil
	}
	g.log = log
	if g.dog, err = watchdog.Open(cfg.Board.Watchdog, cfg.Board.WatchdogTimeout); err != nil {
		return fmt.Errorf("station: %w; correct watchdog in [board]", err)
	}
	open.add(g.dog.Close)
	if g.dog.WasReset() {
		g.reset = "watchdog"
		log.Error("the watchdog has reset this board: before that, the station or the system hung")
	}
	t := time.NewTicker(g.dog.Timeout() / feedsEach)
	open.add(func() error { t.Stop(); return nil })
	g.due = t.C
	return nil
}

// feed is for the station's goroutine. What fails again and again is told once.
func (g *guard) feed() {
	err := g.dog.Feed()
	if err != nil && !g.bad {
		g.log.Error("watchdog", "err", err)
	}
	g.bad = err != nil
}
