package main

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"intercom/board/sim"
	"intercom/gpio"
	"intercom/identity"
	"intercom/internal/netlab"
	"intercom/internal/testhouse"
	"intercom/station"
)

// site is a house for the reliability run: mosquitto, a door and an indoor
// station as processes, each in a network namespace of its own, and each
// restarted when it died, as a supervisor does.
type site struct {
	t      *testing.T
	lab    *netlab.Lab
	broker *testhouse.Mosquitto
	door   *watched
	indoor *watched
}

const (
	restartAfter = 300 * time.Millisecond
	ringTime     = 10 * time.Second
)

func newSite(t *testing.T, seed uint64) *site {
	t.Helper()
	s := &site{t: t, lab: netlab.New(t, seed)}
	host := s.lab.Host()
	host.Link("eth0", "10.77.0.1/16")
	s.broker = testhouse.StartMosquittoIn(t, host, "10.77.0.1:1883")
	h := &house{dir: t.TempDir(), url: "mqtt://10.77.0.1"}
	var err error
	if h.authority, err = identity.CreateKey(filepath.Join(h.dir, "authority.key")); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		to               **watched
		kind, user, addr string
		rest             string
	}{
		{&s.door, "door", "front-door", "10.77.0.2/16", doorConfig + fmt.Sprintf("[call]\nring_time = %q\nsame_button = \"end\"\n", ringTime)},
		{&s.indoor, "indoor", "home", "10.77.0.3/16", indoorConfig},
	} {
		member, err := h.add(m.kind, m.user, 0, m.rest)
		if err != nil {
			t.Fatal(err)
		}
		host := s.lab.Host()
		*m.to = watchOver(t, member, host, host.Link("eth0", m.addr))
	}
	return s
}

func (s *site) brokerUp() {
	if err := s.broker.Start(); err != nil {
		s.t.Error(err)
	}
}

// watched is a station that is restarted when it died, and of which all that a
// person would see and hear is kept.
type watched struct {
	t    *testing.T
	m    *member // but process and sim
	host *netlab.Host
	link *netlab.Link
	quit chan struct{}
	over sync.WaitGroup

	mu     sync.Mutex
	life   *process
	sim    *sim.Client
	events []sim.Event // of the call lamp and the speaker; levels of silence are left out
	deaths []time.Duration
}

func watchOver(t *testing.T, m *member, host *netlab.Host, link *netlab.Link) *watched {
	w := &watched{t: t, m: m, host: host, link: link, quit: make(chan struct{})}
	w.over.Go(w.supervise)
	t.Cleanup(func() {
		close(w.quit)
		w.over.Wait()
	})
	return w
}

// supervise starts the station, again and again.
func (w *watched) supervise() {
	for {
		p, err := startBy(w.host.Start, w.m.name, "run", "--config", w.m.config)
		if err != nil {
			w.t.Errorf("%s: %v", w.m.name, err)
			return
		}
		w.mu.Lock()
		w.life = p
		w.mu.Unlock()
		w.follow(p)
		select {
		case <-w.quit:
			p.stop()
			return
		case <-p.done:
			w.mu.Lock()
			w.deaths = append(w.deaths, gpio.Monotonic())
			w.mu.Unlock()
			if code := p.cmd.ProcessState.ExitCode(); code >= 0 { // -1: killed, by this test
				w.t.Errorf("%s station ended by itself with code %d%s", w.m.name, code, p.tail())
			}
		}
		select {
		case <-w.quit:
			return
		case <-time.After(restartAfter):
		}
	}
}

// speakerSilent is the level, dBFS, under which nobody hears anything.
const speakerSilent = -70

// follow keeps what the board shows, until the station dies.
func (w *watched) follow(p *process) {
	for {
		client, err := sim.Dial(w.m.board)
		if err == nil {
			var events *sim.Watch
			if events, err = client.Watch(); err == nil {
				w.mu.Lock()
				w.sim = client
				w.mu.Unlock()
				w.keep(events)
			}
			client.Close()
		}
		select {
		case <-p.done:
			return
		case <-w.quit:
			return
		case <-time.After(pollInterval):
		}
	}
}

func (w *watched) keep(watch *sim.Watch) {
	defer watch.Close()
	for {
		select {
		case <-w.quit:
			return
		case e, ok := <-watch.Events:
			if !ok {
				return
			}
			if e.Event == sim.EventOutput && e.Name == "call-lamp" || e.Event == sim.EventLevel && e.Speaker > speakerSilent {
				w.mu.Lock()
				w.events = append(w.events, e)
				w.mu.Unlock()
			}
		}
	}
}

// since gives what was seen and heard after a time, and forgets the rest.
func (w *watched) since(at time.Duration) []sim.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.events) > 0 && w.events[0].At < at {
		w.events = w.events[1:]
	}
	return append([]sim.Event(nil), w.events...)
}

// diedIn reports whether the station died between two times, and when last.
func (w *watched) diedIn(from, to time.Duration) (at time.Duration, died bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.deaths {
		if d >= from && d <= to {
			at, died = d, true
		}
	}
	return at, died
}

// tap presses a button; false where the station is dead.
func (w *watched) tap(button string) (time.Duration, bool) {
	w.mu.Lock()
	client := w.sim
	w.mu.Unlock()
	if client == nil {
		return 0, false
	}
	at, err := client.Tap(button, 100*time.Millisecond)
	return at, err == nil
}

func (w *watched) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.life != nil {
		w.life.cmd.Process.Kill()
	}
}

// last are the present process's last words.
func (w *watched) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.life.tail()
}

// state is what a person sees at the station, "dead" where it is.
func (w *watched) state() (string, station.Status) {
	st, err := station.ReadStatus(w.m.status)
	if err != nil {
		return "dead", st
	}
	return st.State, st
}
