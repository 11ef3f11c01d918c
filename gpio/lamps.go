package gpio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// lamp is one output and how far its pattern is.
type lamp struct {
	name    string
	out     Output
	pattern Pattern
	step    int
	until   time.Time // end of the step; zero: for ever
	set     bool      // the level last written
	err     error     // of the last write: the level is unknown
}

// Lamps shows patterns on all lamps of a board, from one goroutine with one
// timer. It writes to a line only when its level changes.
type Lamps struct {
	log  *slog.Logger
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	lamps map[string]*lamp
}

// NewLamps switches all the lamps off and returns. The lines stay the
// caller's. A lamp that can not be written is logged once and tried again
// whenever a pattern of any lamp goes on; the others go on. log may be nil.
func NewLamps(outs map[string]Output, log *slog.Logger) *Lamps {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Lamps{
		log:   log,
		wake:  make(chan struct{}, 1),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
		lamps: make(map[string]*lamp, len(outs)),
	}
	for name, out := range outs {
		p := &lamp{name: name, out: out}
		l.lamps[name] = p
		l.write(p, false)
	}
	go l.run()
	return l
}

// Show starts a pattern on a lamp. To show what it shows already changes
// nothing, also if that has come to its end: a caller may show all its lamps
// again after every event. It may be called from any goroutine, and does not
// wait for the line.
func (l *Lamps) Show(name string, p Pattern) error {
	if int(p) >= len(patterns) {
		return fmt.Errorf("gpio: lamp %s: there is no %v", name, p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.lamps[name]
	if !ok {
		return fmt.Errorf("gpio: there is no lamp %q; there are %q", name, slices.Sorted(maps.Keys(l.lamps)))
	}
	if a.pattern == p {
		return nil
	}
	a.pattern, a.step, a.until = p, -1, time.Now()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// Err joins the errors of the lamps that could not be written last time, or
// returns nil.
func (l *Lamps) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(l.lamps)) {
		errs = append(errs, l.lamps[name].err)
	}
	return errors.Join(errs...)
}

// Close switches all lamps off, waits for the goroutine and returns the errors
// of those that could not be. The lines stay open. Show has no effect after it.
func (l *Lamps) Close() error {
	l.once.Do(func() {
		close(l.stop)
		<-l.done
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, a := range l.lamps {
			l.write(a, false)
		}
	})
	<-l.done
	return l.Err()
}

func (l *Lamps) run() {
	defer close(l.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
		if next := l.advance(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// advance brings every lamp to the step of its pattern that is due, and
// returns when the next one is; zero: not before the next Show.
func (l *Lamps) advance(now time.Time) (next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.lamps {
		p := &patterns[a.pattern]
		for !a.until.IsZero() && !a.until.After(now) {
			a.step++
			if a.step == len(p.steps) {
				a.step = p.again
			}
			d := p.steps[a.step].d
			if d == forever {
				a.until = time.Time{}
			} else if a.until = a.until.Add(d); !a.until.After(now) {
				a.until = now.Add(d) // late: no step is made up for
			}
		}
		if on := a.step >= 0 && p.steps[a.step].on; on != a.set || a.err != nil {
			l.write(a, on)
		}
		if !a.until.IsZero() && (next.IsZero() || a.until.Before(next)) {
			next = a.until
		}
	}
	return next
}

// write sets a lamp; it logs when that begins to fail and when it works again.
func (l *Lamps) write(a *lamp, on bool) {
	err := a.out.Set(on)
	if err != nil {
		err = fmt.Errorf("gpio: lamp %s: switch: %w", a.name, err)
	}
	if (err == nil) != (a.err == nil) {
		level, what := slog.LevelWarn, "lamp can not be switched"
		if err == nil {
			level, what = slog.LevelInfo, "lamp can be switched again"
		}
		l.log.Log(context.Background(), level, what, "lamp", a.name, "err", err)
	}
	a.set, a.err = on, err
}
