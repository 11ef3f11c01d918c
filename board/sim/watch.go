package sim

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	levelEvery  = 100 * time.Millisecond
	watchBuffer = 64
)

// Values of Event.Event.
const (
	EventOutput = "output" // an output changed: Name, Active, At
	EventLevel  = "level"  // every 100 ms: At, Mic, Speaker
)

// ErrSlow tells that a watch was dropped because it was not read in time.
var ErrSlow = errors.New("sim: watch was read too slowly")

// Event is what a Watch tells.
type Event struct {
	Event   string        `json:"event"`
	Name    string        `json:"name,omitempty"`
	Active  bool          `json:"active"`
	At      time.Duration `json:"at_ns"`
	Mic     float64       `json:"mic_dbfs,omitzero"`     // of the last 100 ms; -96: silence
	Speaker float64       `json:"speaker_dbfs,omitzero"` // of the last 100 ms; -96: silence
}

// Watch is a subscription to what happens on a board.
type Watch struct {
	// Events has room for 64 events. It is closed when the watch ends.
	Events <-chan Event

	close func()
	mu    sync.Mutex
	err   error
	send  chan Event // of a board's watch: sends and the close under Board.mu
	gone  context.CancelFunc
}

// Close ends the watch. Closing twice does nothing.
func (w *Watch) Close() error {
	w.close()
	return nil
}

// Err tells why Events was closed: ErrSlow, os.ErrClosed, or an error of the
// connection; nil before, and after Close.
func (w *Watch) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *Watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// Watch subscribes to the board. The caller closes it.
func (b *Board) Watch() (*Watch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errBoardClosed
	}
	ctx, cancel := context.WithCancel(context.Background())
	send := make(chan Event, watchBuffer)
	w := &Watch{Events: send, send: send, gone: cancel}
	w.close = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(w, nil)
	}
	b.watches[w] = struct{}{}
	b.wg.Go(func() { b.tellLevels(ctx, w) })
	return w, nil
}

// drop ends a watch; b.mu is held.
func (b *Board) drop(w *Watch, why error) {
	if _, ok := b.watches[w]; !ok {
		return
	}
	delete(b.watches, w)
	w.fail(why)
	w.gone()
	close(w.send)
}

// tell sends an event to all watches; b.mu is held.
func (b *Board) tell(e Event) {
	for w := range b.watches {
		b.tellOne(w, e)
	}
}

// tellOne sends an event to a watch, and drops it if it is slow; b.mu is held.
func (b *Board) tellOne(w *Watch, e Event) {
	select {
	case w.send <- e:
	default:
		b.drop(w, ErrSlow)
	}
}

func (b *Board) tellLevels(ctx context.Context, w *Watch) {
	tick := time.NewTicker(levelEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e := Event{Event: EventLevel, At: b.clock.now(), Mic: silentDBFS, Speaker: silentDBFS}
		if b.card.running() != nil {
			e.Mic, e.Speaker = b.card.mic.dbfs(), b.card.speaker.dbfs()
		}
		b.mu.Lock()
		if _, ok := b.watches[w]; ok {
			b.tellOne(w, e)
		}
		b.mu.Unlock()
	}
}
