package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const program = "/bin/intercom"

// process is a long-running intercom.
type process struct {
	name string
	cmd  *exec.Cmd
	out  *bufio.Reader
	said *lockedBuffer
	done chan struct{} // closed when it is gone
	err  error         // of Wait
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(name string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(program, args...), said: &lockedBuffer{}, done: make(chan struct{})}
	r, w := io.Pipe()
	p.out = bufio.NewReader(r)
	p.cmd.Stdout, p.cmd.Stderr = w, p.said
	p.cmd.Env = []string{"HOME=/tmp", "TMPDIR=/tmp", "PATH=/bin"}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		w.Close()
		close(p.done)
	}()
	return p, nil
}

// end asks it to stop and waits.
func (p *process) end(wait time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(wait):
		return fmt.Errorf("%s did not stop in %v", p.name, wait)
	}
}

// cpu returns what the process has used of the processor.
func (p *process) cpu() time.Duration {
	// CPUCLOCK_SCHED of a process: include/linux/posix-timers_types.h.
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|2), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// status is what the cases need of a station's status; see station.Status.
type status struct {
	State     string `json:"state"`
	Connected bool   `json:"connected"`
	Fault     string `json:"fault"`
	Muted     bool   `json:"muted"`
	PeerMuted bool   `json:"peer_muted"`
	Reset     string `json:"reset"`
	Call      *struct {
		ID     string  `json:"id"`
		Stages []stage `json:"stages"`
	} `json:"call"`
	Last []struct {
		Stages       []stage `json:"stages"`
		Disconnected struct {
			Reason string `json:"reason"`
		} `json:"disconnected"`
	} `json:"last"`
	Counters struct {
		Card struct {
			CaptureXruns uint64 `json:"capture_xruns"`
			PlayXruns    uint64 `json:"play_xruns"`
			Fault        string `json:"fault"`
			Faults       uint64 `json:"faults"`
			Starts       uint64 `json:"starts"`
			Absent       uint64 `json:"absent"`
		} `json:"card"`
		Audio struct {
			PlayoutDelayMS float64 `json:"playout_delay_ms"`
		} `json:"audio"`
	} `json:"counters"`
}

type stage struct {
	Name string        `json:"name"`
	At   time.Duration `json:"at_ns"`
}

func stageAt(stages []stage, name string) (time.Duration, bool) {
	for _, s := range stages {
		if s.Name == name {
			return s.At, true
		}
	}
	return 0, false
}

func readStatus(socket string) (st status, raw []byte, err error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return st, nil, err
	}
	defer c.Close()
	raw, err = io.ReadAll(c)
	if err != nil {
		return st, nil, err
	}
	return st, raw, json.Unmarshal(raw, &st)
}

// command runs the program to its end, which must be a good one, and returns what it printed.
func command(args ...string) (string, error) {
	r, err := runAs(0, args...)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("exit status %d: %s", r.code, r.said)
	}
	if err != nil {
		err = fmt.Errorf("intercom %s: %w", strings.Join(args, " "), err)
	}
	return r.out, err
}

// result is what a run of the program gave.
type result struct {
	code      int
	out, said string // on its standard output and error
}

// runAs runs the program to its end as a user.
func runAs(user uint32, args ...string) (result, error) {
	var out, said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Env = []string{"HOME=/tmp", "TMPDIR=/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	code, err := exitCode(cmd)
	return result{code, out.String(), strings.TrimSpace(said.String())}, err
}

var errTimeout = errors.New("timed out")

// pollEvery is how often a station is asked for its status: often enough, and not so often that asking is its main work.
const pollEvery = 40 * time.Millisecond

// poll waits until what is true.
func poll(limit time.Duration, what func() error) error {
	for end := monotonic() + limit; ; time.Sleep(pollEvery) {
		err := what()
		if err == nil {
			return nil
		}
		if monotonic() > end {
			return fmt.Errorf("%w after %v: %w", errTimeout, limit, err)
		}
	}
}
