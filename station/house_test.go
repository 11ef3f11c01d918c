package station

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"intercom/board/sim"
	"intercom/broker"
	"intercom/call"
	"intercom/config"
	"intercom/gpio"
	"intercom/identity"
	"intercom/internal/testhouse"
)

// limit is how long a test waits for anything at all; a machine under load
// needs it.
const limit = 30 * time.Second

// house is several stations in one process, on simulated boards, and a broker.
type house struct {
	testhouse.House
	t      *testing.T
	dir    string
	broker *broker.Broker
	addr   string                     // the broker's
	onLog  func(station, line string) // may block, and with it who logs
}

func newHouse(t *testing.T) *house {
	t.Helper()
	t.Parallel() // most of a house's time is spent waiting
	// Not t.TempDir: its long names do not fit a socket's path.
	dir, err := os.MkdirTemp("", "house")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &house{House: testhouse.New(t), t: t, dir: dir, addr: "127.0.0.1:0"}
	h.brokerUp()
	t.Cleanup(h.brokerDown)
	return h
}

// brokerUp starts the broker, again at the same address.
func (h *house) brokerUp() {
	h.t.Helper()
	var err error
	if h.broker, err = broker.Start(broker.Config{Listen: h.addr, Verifier: h.Verifier}); err != nil {
		h.t.Fatal(err)
	}
	h.addr = h.broker.Addr()
}

func (h *house) brokerDown() {
	if h.broker == nil {
		return
	}
	if err := h.broker.Close(); err != nil {
		h.t.Error(err)
	}
	h.broker = nil
}

// config returns a station's configuration, with keys and token made.
func (h *house) config(kind config.Kind, name, user, text string) *config.Config {
	h.t.Helper()
	dir := filepath.Join(h.dir, name)
	if err := h.Authority.Enrol(dir, identity.TokenRequest{Service: testhouse.Service, User: user, Device: name, Lifetime: time.Hour}); err != nil {
		h.t.Fatal(err)
	}
	text = fmt.Sprintf(`
[station]
kind = %q
name = %q
service = "home"
user = %q
[broker]
url = "mqtt://%s"
%s
[[lamp]]
name = "call-lamp"
shows = "call"
[[lamp]]
name = "mute-lamp"
shows = "mute"
[[lamp]]
name = "open-lamp"
shows = "open"
[[lamp]]
name = "fault-lamp"
shows = "fault"
[[lamp]]
name = "ringer-lamp"
shows = "ringer"
`, kind, name, user, h.addr, text)
	cfg, err := config.Parse(filepath.Join(dir, "station.toml"), []byte(text))
	if err != nil {
		h.t.Fatal(err)
	}
	return cfg
}

const doorText = `
[[button]]
name = "bell-1"
action = "call"
callee = "flat-1"
[[button]]
name = "bell-2"
action = "call"
callee = "flat-2"
[door]
relay = "strike"
open_users = ["flat-1"]
`

var indoorText = buttonsText("accept", "end", "mute", "open", "volume-up", "volume-down", "ringer-mute") + `
[[button]]
name = "call-door"
action = "call"
callee = "door"
`

func buttonsText(actions ...string) string {
	var b strings.Builder
	for _, a := range actions {
		fmt.Fprintf(&b, "[[button]]\nname = %q\naction = %q\n", a, a)
	}
	return b.String()
}

func (h *house) door(change ...func(*config.Config)) *running {
	return h.start(h.config(config.Door, "front", "door", doorText), change...)
}

func (h *house) indoor(name, user string, change ...func(*config.Config)) *running {
	return h.start(h.config(config.Indoor, name, user, indoorText), change...)
}

// running is a station that runs, and the world around its board.
type running struct {
	t     *testing.T
	cfg   *config.Config
	world *sim.Client
	stop  func() error // ends it, and gives what run returned; again: the same
	log   *syncBuffer
}

func (h *house) start(cfg *config.Config, change ...func(*config.Config)) *running {
	h.t.Helper()
	for _, f := range change {
		f(cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r := &running{t: h.t, cfg: cfg, log: &syncBuffer{}}
	if h.onLog != nil {
		r.log.on = func(line string) { h.onLog(cfg.Station.Name, line) }
	}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelInfo})).With("station", cfg.Station.Name)
	go func() {
		done <- Run(ctx, cfg, Options{Log: log, Version: "test", Build: time.Now().Add(-time.Minute)})
	}()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	h.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			h.t.Errorf("%s: run returned %v", cfg.Station.Name, err)
		}
		if h.t.Failed() {
			h.t.Log("\n" + r.log.String())
		}
	})
	until(h.t, cfg.Station.Name+" to run", func() bool {
		select {
		case err := <-done:
			done <- err // for stop
			h.t.Fatalf("%s: Run returned %v", cfg.Station.Name, err)
		default:
		}
		_, err := ReadStatus(cfg.Status.Socket)
		return err == nil
	})
	var err error
	if r.world, err = sim.Dial(cfg.Board.Simulated.Socket); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { r.world.Close() })
	if h.broker != nil {
		r.waitConnected() // what is sent before is lost, and only said again a second later
	}
	return r
}

// until calls f again and again until it is true: not so often that the
// stations beside it miss their periods.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for !f() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited %v in vain for %s", limit, what)
		}
	}
}

// wait waits until the station's status is as f wants it.
func (r *running) wait(what string, f func(Status) bool) (st Status) {
	r.t.Helper()
	until(r.t, r.cfg.Station.Name+" "+what, func() bool {
		var err error
		st, err = ReadStatus(r.cfg.Status.Socket)
		return err == nil && f(st)
	})
	return st
}

func (r *running) waitConnected() Status {
	r.t.Helper()
	return r.wait("to be connected", func(st Status) bool { return st.Connected })
}

func (r *running) waitState(p phase) Status {
	r.t.Helper()
	return r.wait("to be "+p.String(), func(st Status) bool { return st.State == p.String() })
}

// tap presses a button, and returns when.
func (r *running) tap(button string) time.Duration {
	r.t.Helper()
	at, err := r.world.Tap(button, 60*time.Millisecond)
	if err != nil {
		r.t.Fatal(err)
	}
	// Until the release has been seen and the lock-out is over, the next tap
	// of this button would not count.
	until(r.t, button+" to be released", func() bool {
		lines, err := r.world.Lines()
		if err != nil {
			r.t.Fatal(err)
		}
		for _, l := range lines {
			if l.Name == button && !l.Output {
				return !l.Active && gpio.Monotonic()-l.At > gpio.DefaultLockout+10*time.Millisecond
			}
		}
		r.t.Fatalf("no button %s", button)
		return false
	})
	return at
}

// lit reports whether a lamp is on, or was since a moment.
func (r *running) lit(lamp string, since time.Duration) bool {
	r.t.Helper()
	lines, err := r.world.Lines()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, l := range lines {
		if l.Name == lamp && l.Output && (l.Active || l.At > since) {
			return true
		}
	}
	return false
}

// hears waits until the speaker plays a tone of so many Hz.
func (r *running) hears(hz float64) {
	r.t.Helper()
	until(r.t, fmt.Sprintf("%s to hear %v Hz", r.cfg.Station.Name, hz), func() bool { return r.toneShare(hz) > 0.5 })
}

// toneShare is the part of the power of the speaker's last 200 ms that is at
// hz, measured in pieces of 20 ms: a machine under load loses periods, and with
// them the phase.
func (r *running) toneShare(hz float64) float64 {
	r.t.Helper()
	pcm, _, err := r.world.Speaker(200 * time.Millisecond)
	if err != nil {
		r.t.Fatal(err)
	}
	var tone, all float64
	turn := 2 * math.Cos(2*math.Pi*hz/48000)
	for piece := range slices.Chunk(pcm, 960) { // Goertzel's algorithm
		var now, before float64
		for _, v := range piece {
			x := float64(v)
			now, before = x+turn*now-before, now
			all += x * x
		}
		tone += 2 * (now*now + before*before - turn*now*before) / float64(len(piece))
	}
	if all < 1e6 { // silence
		return 0
	}
	return tone / all
}

// last waits for so many records, and returns the latest.
func (r *running) last(n int) call.Record {
	r.t.Helper()
	st := r.wait(fmt.Sprintf("to have %d records", n), func(st Status) bool { return len(st.Last) >= n })
	return st.Last[n-1]
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	on func(line string) // nil: nothing
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	if s.on != nil {
		s.on(string(p))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.b.String(), "(no log)")
}
