package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"intercom/lab/exchange"
)

// panel is what is wired to a station's lines: buttons that pull them to ground, as the profile has them, and
// lamps that are looked at all the time.
type panel struct {
	*chip
	buttons []string
	stop    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex // guards the rest
	changes []exchange.Change
	now     map[string]bool
}

// lookEvery is how often the lamps are looked at: gpio-sim tells nobody when a line changes.
const lookEvery = 2 * time.Millisecond

// newPanel wires buttons and lamps. A button that is not pressed has its resistor's high level.
func newPanel(label string, buttons, lamps []string) (*panel, error) {
	c, err := newChip(label, append(buttons[:len(buttons):len(buttons)], lamps...))
	if err != nil {
		return nil, err
	}
	p := &panel{chip: c, buttons: buttons, stop: make(chan struct{}), now: map[string]bool{}}
	for _, b := range buttons {
		if err := c.pull(b, true); err != nil {
			return nil, err
		}
	}
	files := map[string]*os.File{}
	for _, l := range lamps {
		if files[l], err = os.Open(c.attribute(l, "value")); err != nil {
			return nil, err
		}
	}
	p.running.Go(func() { p.look(lamps, files) })
	return p, nil
}

func (p *panel) look(lamps []string, files map[string]*os.File) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var value [1]byte
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		for _, l := range lamps {
			if _, err := unix.Pread(int(files[l].Fd()), value[:], 0); err != nil {
				panic(fmt.Sprintf("look at %s: %v", l, err)) // the chip is ours and stays
			}
			p.seen(l, value[0] == '1')
		}
	}
}

func (p *panel) seen(lamp string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now[lamp] != on {
		p.now[lamp] = on
		p.changes = append(p.changes, exchange.Change{At: monotonic(), Line: lamp, Active: on})
	}
}

// bounce is how a contact closes: for how long it is closed, open, closed, ... before it rests closed. The last opening
// is longer than a glitch filter and within a lock-out.
var bounce = []time.Duration{300 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, time.Millisecond, 12 * time.Millisecond, 10 * time.Millisecond}

// press holds a button down for a time, with the bouncing of a bad contact at its beginning.
func (p *panel) press(button string, hold time.Duration) (time.Duration, error) {
	at := monotonic()
	high := false
	for _, d := range append(bounce[:len(bounce):len(bounce)], hold) {
		if err := p.pull(button, high); err != nil {
			return 0, err
		}
		time.Sleep(d)
		high = !high
	}
	return at, p.pull(button, true)
}

// on reports whether a lamp is lit now.
func (p *panel) on(lamp string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now[lamp]
}

// close returns what was seen, as JSON.
func (p *panel) close() []byte {
	close(p.stop)
	p.running.Wait()
	data, err := json.MarshalIndent(p.changes, "", " ")
	if err != nil {
		panic(err) // plain data
	}
	return append(data, '\n')
}
