package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"intercom/board/sim"
	"intercom/identity"
	"intercom/station"
)

// house is a broker, a door and an indoor station as processes of this
// program, on simulated boards, with keys of their own.
type house struct {
	dir       string
	url       string // of the broker
	authority identity.Key
	now       time.Time // from which its tokens count
	guests    string    // folder that a guest's key is in; "": none
	broker    *process  // nil: somebody else's
	door      *member
	indoor    *member
}

// member is one station of the house.
type member struct {
	*process
	name   string
	config string // file
	status string // socket
	board  string // socket
	sim    *sim.Client
}

const startTime = 15 * time.Second

// openHouse makes all that a house needs in a folder of its own and starts it.
// Its tokens count from now.
func openHouse(ctx context.Context, brokerURL string, now time.Time) (h *house, err error) {
	dir, err := os.MkdirTemp("", "intercom-demo-")
	if err != nil {
		return nil, fmt.Errorf("demo: make a folder: %w", err)
	}
	h = &house{dir: dir, now: now}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if h.authority, err = identity.CreateKey(filepath.Join(dir, "authority.key")); err != nil {
		return h, err
	}
	if brokerURL == "" {
		public := filepath.Join(dir, "authority.pub")
		if err = identity.WriteAuthority(public, h.authority.Public()); err != nil {
			return h, err
		}
		if h.broker, err = start("broker", "broker", "--listen", "127.0.0.1:0", "--authority", public, "--service", "demo"); err != nil {
			return h, err
		}
		if brokerURL, err = h.broker.line(startTime); err != nil {
			return h, fmt.Errorf("demo: the broker did not start: %w", err)
		}
	}
	h.url = brokerURL
	for _, m := range []struct {
		to         **member
		kind, user string
		ppm        int
		rest       string
	}{
		{&h.door, "door", "front-door", 25, doorConfig},
		{&h.indoor, "indoor", "home", -25, indoorConfig},
	} {
		if *m.to, err = h.add(m.kind, m.user, m.ppm, m.rest); err != nil {
			return h, err
		}
		if (*m.to).process, err = start(m.kind, "run", "--config", (*m.to).config); err != nil {
			return h, err
		}
	}
	for _, m := range []*member{h.door, h.indoor} {
		if err = m.ready(ctx); err != nil {
			return h, err
		}
	}
	return h, nil
}

const doorConfig = `
[[button]]
name = "bell-1"
action = "call"
callee = "home"
[[lamp]]
name = "call-lamp"
shows = "call"
[[lamp]]
name = "open-lamp"
shows = "open"
[[lamp]]
name = "fault-lamp"
shows = "fault"
[door]
relay = "strike"
open_time = "1s"
`

const indoorConfig = `
[[button]]
name = "accept"
action = "accept"
[[button]]
name = "end"
action = "end"
[[button]]
name = "mute"
action = "mute"
[[button]]
name = "open"
action = "open"
[[button]]
name = "volume-up"
action = "volume-up"
[[button]]
name = "volume-down"
action = "volume-down"
[[button]]
name = "ringer-mute"
action = "ringer-mute"
[[button]]
name = "call-door"
action = "call"
callee = "front-door"
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
`

// enrol makes a folder with what a device of the house is known by.
func (h *house) enrol(dir, user, device string) error {
	return identity.Authority{Key: h.authority}.Enrol(dir, identity.TokenRequest{
		Service: "demo", User: user, Device: device, Now: h.now, Lifetime: 24 * time.Hour,
	})
}

// guest makes a folder for one more phone of the home, such as
// examples/softphone. It is removed with the house, whose keys it needs.
func (h *house) guest(dir string) error {
	if err := h.enrol(dir, "home", "softphone"); err != nil {
		return fmt.Errorf("demo: make the guest's folder: %w; give one that does not exist yet", err)
	}
	dir, err := filepath.Abs(dir)
	h.guests = dir
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "broker.url"), []byte(h.url+"\n"))
}

// add makes a member's folder, with its key, token and configuration.
func (h *house) add(kind, user string, ppm int, rest string) (*member, error) {
	dir := filepath.Join(h.dir, kind)
	if err := h.enrol(dir, user, kind); err != nil {
		return nil, err
	}
	m := &member{name: kind, status: filepath.Join(dir, "status.sock"), board: filepath.Join(dir, "board.sock")}
	cfg := fmt.Sprintf("[station]\nkind = %q\nname = %q\nservice = \"demo\"\nuser = %q\n[broker]\nurl = %q\n"+
		"[board]\nprofile = \"simulated\"\n[board.simulated]\nsocket = %q\nrate_ppm = %d.0\n[status]\nsocket = %q\n%s",
		kind, kind, user, h.url, m.board, ppm, m.status, rest)
	m.config = filepath.Join(dir, "station.toml")
	return m, writeFile(m.config, []byte(cfg))
}

// ready waits until the station is connected and its board can be reached.
func (m *member) ready(ctx context.Context) error {
	err := poll(ctx, startTime, func() error {
		st, err := station.ReadStatus(m.status)
		if err == nil && !st.Connected {
			err = errors.New("not connected to the broker")
		}
		if err == nil && m.sim == nil {
			m.sim, err = sim.Dial(m.board)
		}
		if err != nil && m.exited() {
			return stop{err}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("demo: the %s station is not ready: %w%s", m.name, err, m.tail())
	}
	return nil
}

// Close ends all processes and removes the folder.
func (h *house) Close() {
	var wg sync.WaitGroup
	for _, m := range []*member{h.door, h.indoor} {
		if m == nil {
			continue
		}
		if m.sim != nil {
			m.sim.Close()
		}
		if m.process != nil {
			wg.Go(m.stop)
		}
	}
	wg.Wait()
	if h.broker != nil {
		h.broker.stop()
	}
	os.RemoveAll(h.dir)
	if h.guests != "" {
		os.RemoveAll(h.guests)
	}
}

// process is one child.
type process struct {
	what string
	cmd  *exec.Cmd
	out  *bufio.Reader
	log  tailWriter
	done chan struct{}
}

// start runs this program again with other arguments.
func start(what string, args ...string) (*process, error) {
	return startBy((*exec.Cmd).Start, what, args...)
}

// startBy is start by something else than cmd.Start.
func startBy(run func(*exec.Cmd) error, what string, args ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("demo: find this program: %w", err)
	}
	p := &process{what: what, cmd: exec.Command(exe, args...), done: make(chan struct{})}
	p.cmd.Stderr = &p.log
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = w
	p.out = bufio.NewReader(r)
	// A group of its own keeps Ctrl-C for the parent; if that dies, so does the child.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	err = run(p.cmd)
	w.Close()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("demo: start the %s: %w", what, err)
	}
	go func() {
		p.cmd.Wait() // the exit status is told by what did not happen
		r.Close()
		close(p.done)
	}()
	return p, nil
}

// line reads one line of the child's output.
func (p *process) line(d time.Duration) (string, error) {
	type result struct {
		s   string
		err error
	}
	got := make(chan result, 1)
	go func() {
		s, err := p.out.ReadString('\n')
		got <- result{strings.TrimSpace(s), err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			<-p.done
			return "", fmt.Errorf("it ended%s", p.tail())
		}
		return r.s, nil
	case <-time.After(d):
		return "", fmt.Errorf("nothing after %v%s", d, p.tail())
	}
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

const stopTime = 3 * time.Second

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM) // an error: it is gone already
	select {
	case <-p.done:
	case <-time.After(stopTime):
		p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) tail() string {
	if s := p.log.String(); s != "" {
		return "; its last words:\n" + s
	}
	return ""
}

// tailWriter keeps the last 2 KiB.
type tailWriter struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tailWriter) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	t.buf = t.buf[max(0, len(t.buf)-2048):]
	return len(b), nil
}

func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}

// stop wraps an error that waiting can't mend.
type stop struct{ error }

// pollInterval is rare enough not to disturb what is measured: a call is set up between two looks.
const pollInterval = 50 * time.Millisecond

// poll asks each pollInterval from now, until f is content, d is over or ctx is done.
func poll(ctx context.Context, d time.Duration, f func() error) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	err := errors.New("not asked yet")
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", time.Since(began).Round(time.Millisecond), err)
		case <-tick.C:
		}
		var s stop
		if err = f(); err == nil || errors.As(err, &s) {
			return err
		}
	}
}
