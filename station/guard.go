package station

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"intercom/config"
	"intercom/watchdog"
)

// guard feeds the watchdogs, the board's and the service manager's, from the station's own goroutine, and only while
// the sound's turns too: a station that hangs, or a program or kernel that does, starves them, and the program is
// killed or the board reset. The zero guard has no watchdog.
type guard struct {
	dogs  []func() error
	due   <-chan time.Time // nil: never
	turns uint64           // of the sound, at the last feed
	reset string           // what reset the board before this start; see Status
	log   *slog.Logger
	bad   bool // the last feed failed
}

// feedsEach is how many times the watchdog is fed in its timeout.
const feedsEach = 5

func (g *guard) open(cfg *config.Config, service Service, open *closers, log *slog.Logger) error {
	g.log, g.turns = log, math.MaxUint64
	timeout := service.Watchdog
	if timeout > 0 {
		g.dogs = append(g.dogs, func() error { return service.Notify("WATCHDOG=1") })
	}
	if cfg.Board.Watchdog != "" {
		dog, err := watchdog.Open(cfg.Board.Watchdog, cfg.Board.WatchdogTimeout)
		if err != nil {
			return fmt.Errorf("station: %w; correct watchdog in [board]", err)
		}
		open.add(dog.Close)
		if dog.WasReset() {
			g.reset = "watchdog"
			log.Error("the watchdog has reset this board: before that, the station or the system hung")
		}
		g.dogs = append(g.dogs, dog.Feed)
		if timeout == 0 || dog.Timeout() < timeout {
			timeout = dog.Timeout()
		}
	}
	if timeout == 0 {
		return nil
	}
	t := time.NewTicker(timeout / feedsEach)
	open.add(func() error { t.Stop(); return nil })
	g.due = t.C
	return nil
}

// feed is for the station's goroutine. turns has moved while the sound's goroutine lives. What fails again and again
// is told once.
func (g *guard) feed(turns uint64) {
	if turns == g.turns {
		return
	}
	g.turns = turns
	var errs []error
	for _, feed := range g.dogs {
		errs = append(errs, feed())
	}
	err := errors.Join(errs...)
	if err != nil && !g.bad {
		g.log.Error("watchdog", "err", err)
	}
	g.bad = err != nil
}
