package station

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"intercom/audio"
	"intercom/call"
	"intercom/config"
	"intercom/gpio"
)

// Status is what a station says of itself.
type Status struct {
	Version      string        `json:"version"`
	Kind         config.Kind   `json:"kind"`
	Name         string        `json:"name"`
	Session      string        `json:"session"`
	State        string        `json:"state"`     // what a person sees: idle, trying, ringback, ringing, answering, talking, busy, ...
	Connected    bool          `json:"connected"` // to the broker
	Fault        string        `json:"fault,omitempty"`
	Muted        bool          `json:"muted"`
	Held         bool          `json:"held"`       // by the other side
	PeerMuted    bool          `json:"peer_muted"` // the other side's microphone is off, or it has none
	Missed       int           `json:"missed"`     // calls since somebody last pressed a button here
	Open         bool          `json:"open"`       // the door
	Quiet        bool          `json:"do_not_disturb"`
	QuietFault   string        `json:"quiet_hours_fault,omitempty"` // why the quiet hours are not kept
	Call         *CallStatus   `json:"call,omitempty"`
	Waiting      *CallStatus   `json:"waiting,omitempty"`       // a second call, that waits or is held
	Last         []call.Record `json:"last"`                    // calls that are over, also before a restart, the latest last; at most 8
	LastFault    string        `json:"last_fault,omitempty"`    // why those are not kept on disk
	JournalFault string        `json:"journal_fault,omitempty"` // why a call that rings here does not outlive a kill
	Counters     Counters      `json:"counters"`
	Goroutines   int           `json:"goroutines"`
	RSS          int64         `json:"rss_bytes"` // resident memory; 0: not known
	Uptime       time.Duration `json:"uptime_ns"`
	TokenUntil   time.Time     `json:"token_until"`     // the access token's end
	Reset        string        `json:"reset,omitempty"` // what reset the board before this start, if it was no person: "watchdog"
	Now          time.Duration `json:"now_ns"`          // on the clock of the stages
}

// CallStatus is a call that is not over.
type CallStatus struct {
	ID     string       `json:"call"`
	Role   call.Role    `json:"role"`
	Peer   call.Address `json:"peer"`
	Users  []string     `json:"users"` // whom it is with; of a ring group, who are rung
	State  call.State   `json:"state"`
	Phase  string       `json:"phase"` // as Status.State
	Stages []call.Stage `json:"stages"`
}

// Counters are what was counted since the start, those of Media and Audio
// since the beginning of the present call.
type Counters struct {
	Kit     map[string]uint64       `json:"kit"`
	MQTT    map[string]uint64       `json:"mqtt"`
	Media   *call.Statistics        `json:"media,omitempty"`
	Audio   *audio.ReceiverStats    `json:"audio,omitempty"`
	Card    CardStatus              `json:"card"`
	Buttons map[string]ButtonStatus `json:"buttons"`
}

// CardStatus is what the sound card has lived through.
type CardStatus struct {
	Periods      uint64 `json:"periods"`
	Absent       uint64 `json:"absent"` // periods that the card did not give: silence took their place
	CaptureXruns uint64 `json:"capture_xruns"`
	PlayXruns    uint64 `json:"play_xruns"`
	Starts       uint64 `json:"starts"`
	Faults       uint64 `json:"faults"`
	CodecErrors  uint64 `json:"codec_errors"`
	Fault        string `json:"fault,omitempty"` // why it does not run

	// Of a real card only.
	Concealed uint64        `json:"concealed,omitempty"` // frames of silence in place of late ones
	Late      uint64        `json:"late,omitempty"`      // frames that were late, and dropped
	Echo      time.Duration `json:"echo_ns,omitempty"`   // from played to captured, without the air
	Hardware  string        `json:"hardware,omitempty"`  // what it runs at
}

// ButtonStatus is what a button has lived through, see gpio.Health.
type ButtonStatus struct {
	Presses     uint64        `json:"presses"`
	Glitches    uint64        `json:"glitches"`
	Bounces     uint64        `json:"bounces"`
	LongestHold time.Duration `json:"longest_hold_ns"`
	Stuck       bool          `json:"stuck,omitempty"`
	Lost        string        `json:"lost,omitempty"` // why
}

const (
	maxStatus     = 1 << 20         // bytes of a reply
	statusTimeout = 2 * time.Second // to write, or read, one reply
	acceptRetry   = time.Second     // between two tries to take a client
)

// ReadStatus asks the station that listens at path.
func ReadStatus(path string) (st Status, err error) {
	c, err := net.DialTimeout("unix", path, statusTimeout)
	if err != nil {
		return st, fmt.Errorf("station: ask for status: %w; is the station running, and is this its status.socket?", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(statusTimeout)); err != nil {
		return st, fmt.Errorf("station: ask for status: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(c, maxStatus))
	if err == nil && len(data) == 0 {
		err = errors.New("the station is stopping")
	}
	if err == nil {
		err = json.Unmarshal(data, &st)
	}
	if err != nil {
		return st, fmt.Errorf("station: read status from %s: %w", path, err)
	}
	return st, nil
}

// statusSocket answers everyone who connects with one Status.
type statusSocket struct {
	listener net.Listener
	serving  sync.WaitGroup
}

// listenStatus takes the path, also from a process that died. Being taken
// before all else, it keeps a station from being started twice.
func listenStatus(path string) (*statusSocket, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		c, dialErr := net.DialTimeout("unix", path, statusTimeout)
		if dialErr == nil {
			c.Close()
		}
		if dialErr == nil || errors.Is(dialErr, syscall.EAGAIN) { // EAGAIN: more clients wait there than it takes, connect(2)
			return nil, fmt.Errorf("station: status socket %s: a station runs with it already; stop that one, or give this one another state_dir", path)
		}
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("station: status socket %s: a file is there that is no socket; move it away, or correct socket in [status]", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("station: status socket: remove the one of a station that died: %w", err)
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("station: status socket: %w; correct socket in [status]", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("station: status socket: %w", err), l.Close())
	}
	return &statusSocket{listener: l}, nil
}

// serve answers one client after the other, each within statusTimeout.
func (ss *statusSocket) serve(s *station) {
	for {
		c, err := ss.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("status socket", "err", err)
			select { // out of descriptors, most likely: that passes, or not
			case <-time.After(acceptRetry):
			case <-s.quit:
			}
			continue
		}
		ss.answer(s, c)
	}
}

func (ss *statusSocket) answer(s *station, c net.Conn) {
	defer c.Close()
	reply := make(chan Status, 1)
	s.post(func() { reply <- s.status() })
	select {
	case st := <-reply:
		if err := send(c, st); err != nil {
			s.log.Info("status not sent", "err", err)
		}
	case <-s.quit:
	}
}

func send(c net.Conn, st Status) error {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(statusTimeout)); err != nil {
		return err
	}
	_, err = c.Write(append(data, '\n'))
	return err
}

// Close removes the socket and waits for the client that is being served.
func (ss *statusSocket) Close() error {
	err := ss.listener.Close()
	ss.serving.Wait()
	return err
}

// status is put together by the station's goroutine.
func (s *station) status() Status {
	v := s.view()
	st := Status{
		Version: s.opts.Version, Kind: s.cfg.Station.Kind, Name: s.cfg.Station.Name, Session: s.self.Session,
		State: v.phase.String(), Connected: s.connected, Muted: v.muted, Open: v.open, Held: v.held, Missed: s.missed, Quiet: v.quiet,
		Call: callStatus(s.front), Waiting: callStatus(s.back), Last: s.records.last(), LastFault: s.records.fault(),
		Goroutines: runtime.NumGoroutine(), RSS: resident(s.log),
		Uptime: time.Since(s.began), TokenUntil: s.until, Reset: s.guard.reset, Now: gpio.Monotonic(),
		Counters: Counters{Kit: s.kit.Counters(), MQTT: s.link.Counters(), Card: s.sound.status(), Buttons: map[string]ButtonStatus{}},
	}
	if s.front != nil {
		st.PeerMuted = s.front.peerMuted
		m, a := s.front.c.Statistics(), s.front.voice.Stats()
		st.Counters.Media, st.Counters.Audio = &m, &a
	}
	for name, b := range s.buttons {
		st.Counters.Buttons[name] = health(b)
	}
	if err := s.kit.JournalErr(); err != nil {
		st.JournalFault = err.Error()
	}
	if s.quiet.unknown {
		st.QuietFault = "the clock is not known"
	}
	st.Fault = s.faults(st.Counters.Card.Fault)
	return st
}

// faults says what the fault lamp is for.
func (s *station) faults(card string) string {
	var all []string
	if !s.connected {
		all = append(all, "no connection to the broker at "+s.cfg.Broker.URL)
	}
	if card != "" {
		all = append(all, card)
	}
	if s.expired {
		all = append(all, "the access token has expired on "+s.until.Format(time.RFC3339)+"; put a new one to "+s.cfg.Identity.Token+", and restart")
	}
	if s.lostButtons > 0 {
		all = append(all, strconv.Itoa(s.lostButtons)+" buttons are lost")
	}
	return strings.Join(all, "; ")
}

func callStatus(t *talk) *CallStatus {
	if t == nil {
		return nil
	}
	r := t.c.Record()
	return &CallStatus{ID: r.CallID, Role: r.Role, Peer: r.Peer, Users: t.users, State: t.c.State(), Phase: t.phase.String(), Stages: r.Stages}
}

func (s *sound) status() CardStatus {
	c := &s.count
	st := CardStatus{
		Periods: c.periods.Load(), Absent: c.absent.Load(), CaptureXruns: c.captureXruns.Load(), PlayXruns: c.playXruns.Load(),
		Starts: c.starts.Load(), Faults: c.faults.Load(), CodecErrors: c.codecErrors.Load(),
	}
	if c, ok := s.card.(interface{ status(*CardStatus) }); ok {
		c.status(&st)
	}
	if err := s.Microphone(); err != nil {
		st.Fault = err.Error()
	}
	return st
}

// resident is the process's resident memory in bytes: the second number of
// /proc/self/statm (proc(5)), in pages; 0 where there is none.
func resident(log *slog.Logger) int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(data))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		log.Debug("resident memory not known", "err", err)
		return 0
	}
	return pages * int64(os.Getpagesize())
}
