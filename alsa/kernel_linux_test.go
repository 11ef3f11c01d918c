package alsa

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests named TestKernel drive the loopback cards Door and Indoor of the
// virtual board: what one end of a cable (device 0) plays, the other (device 1)
// captures. One end is an owner, the other says again what it hears.

func needBoard(t *testing.T) {
	t.Helper()
	if os.Getenv("ALSA_LAB") == "" {
		t.Skip("needs the sound cards of the virtual board: make test-board CASE=alsa")
	}
}

// noCollector stops the garbage collector until its result is called: on one
// slow CPU, under the race detector, it would make the owners late.
func noCollector() func() {
	percent := debug.SetGCPercent(-1)
	return func() { debug.SetGCPercent(percent) }
}

func realDevice(t *testing.T, c Config) *Device {
	t.Helper()
	k, err := newLinux()
	if err != nil {
		t.Fatal(err)
	}
	return mustStart(t, k, c)
}

// mirror plays what it captures until its device is closed.
type mirror struct {
	d    *Device
	done sync.WaitGroup
	err  error
}

func startMirror(t *testing.T, c Config) *mirror {
	t.Helper()
	m := &mirror{d: realDevice(t, c)}
	period := make([]int16, framesIn(m.d.cfg.Period, m.d.Params().Rate))
	m.done.Go(func() {
		for {
			_, err := m.d.Capture(period)
			if err == nil {
				err = m.d.Play(period)
			}
			if errors.Is(err, ErrClosed) {
				return
			}
			if err != nil && !errors.Is(err, unix.EPIPE) {
				m.err = err
				return
			}
		}
	})
	return m
}

func (m *mirror) stop(t *testing.T) {
	t.Helper()
	if err := m.d.Close(); err != nil {
		t.Error(err)
	}
	m.done.Wait()
	if m.err != nil {
		t.Errorf("the other end: %v", m.err)
	}
}

// settled is the periods after which both ends have seen how late the driver
// wakes them (it may tell of two periods at once), and that has been heard.
const settled = 2*observed + 20

// Every sample goes out of one card and back in unchanged and at a delay that
// stays: 2 channels are the mean of two equal ones.
func TestKernelTone(t *testing.T) {
	needBoard(t)
	defer noCollector()()
	for _, rate := range []int{48000, 44100, 16000} {
		for _, channels := range []int{1, 2} {
			for _, period := range []time.Duration{5, 10, 20} {
				t.Run(fmt.Sprintf("%d Hz/%d channels/%d ms", rate, channels, period), func(t *testing.T) {
					c := Config{Card: "hw:CARD=Door", Rate: rate, Channels: channels, Period: period * time.Millisecond}
					other := c
					other.Card = "hw:CARD=Door,DEV=1"
					m := startMirror(t, other)
					defer m.stop(t)
					d := realDevice(t, c)
					defer d.Close()
					o := &owner{d: d, heard: make([]int16, 0, 2*rate), said: make([]int16, 0, 2*rate)}
					o.turns(t, settled)
					before := d.Stats().Xruns + m.d.Stats().Xruns
					o.heard = o.heard[:0]
					o.turns(t, 30)
					silent := inOrder(t, o.heard)
					ends := [2]Stats{d.Stats(), m.d.Stats()}
					// 5 ms is little for a timer of 4 ms, one slow CPU and two owners.
					if silent > 0 && (period != 5 || silent > len(o.heard)/3 || ends[0].Concealed+ends[1].Concealed == 0) {
						t.Errorf("%d frames of silence among %d", silent, len(o.heard))
					}
					if after := ends[0].Xruns + ends[1].Xruns; after != before {
						t.Errorf("%d xruns, want none: %+v", after-before, ends)
					}
					if p := d.Params(); p.Rate != rate || p.Asked != "" {
						t.Errorf("Params = %+v, want all as asked", p)
					}
					back := int(o.said[len(o.said)-1]) - int(o.heard[len(o.heard)-1])
					t.Logf("%v: there and back %v, echo %v, %d silent; both ends %+v",
						d.Params(), d.run.Load().timeOf((back+30000)%30000), o.last.Echo, silent, ends)
				})
			}
		}
	}
}

// inOrder holds that what an owner said is heard frame by frame, each in its
// place also after silence, and returns how many frames were silent.
func inOrder(t *testing.T, heard []int16) (silent int) {
	t.Helper()
	last, gap := 0, 0
	for i, s := range heard {
		if s == 0 {
			silent++
			gap++
			continue
		}
		if want := (last+gap)%30000 + 1; last != 0 && int(s) != want {
			t.Fatalf("frame %d: heard %d after %d and %d silent ones, want %d", i, s, last, gap, want)
		}
		last, gap = int(s), 0
	}
	return silent
}

// stoppable is Linux with a device thread that can be held up.
type stoppable struct {
	*linux
	hold atomic.Int64 // ns, once
}

func (s *stoppable) poll(fds []unix.PollFd, timeout time.Duration) error {
	if hold := s.hold.Swap(0); hold > 0 {
		time.Sleep(time.Duration(hold))
	}
	return s.linux.poll(fds, timeout)
}

// The thread stands still for longer than the hardware's buffers last.
func TestKernelXrun(t *testing.T) {
	needBoard(t)
	defer noCollector()()
	k, err := newLinux()
	if err != nil {
		t.Fatal(err)
	}
	s := &stoppable{linux: k}
	m := startMirror(t, Config{Card: "hw:CARD=Door,DEV=1"})
	defer m.stop(t)
	d := mustStart(t, s, Config{Card: "Door"})
	defer d.Close()
	o := &owner{d: d}
	o.turns(t, settled)
	before := d.Stats().Xruns
	o.interrupted = 0
	for i := 1; i <= 2; i++ {
		s.hold.Store(int64(200 * time.Millisecond))
		*o = owner{d: d, interrupted: o.interrupted}
		o.turns(t, 25)
		if o.interrupted != i {
			t.Errorf("after xrun %d Capture has said EPIPE %d times", i, o.interrupted)
		}
		silence := 0
		for _, s := range o.heard[len(o.heard)/2:] {
			if s == 0 {
				silence++
			}
		}
		if silence > 0 {
			t.Errorf("after xrun %d: %d silent frames in the second half", i, silence)
		}
	}
	if got := d.Stats().Xruns - before; got != 2 {
		t.Errorf("counted %d xruns, want 2: %+v", got, d.Stats())
	}
}

const driver = "/sys/bus/platform/drivers/snd_aloop/"

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// boardOf returns the platform device of a card.
func boardOf(t *testing.T, id string) string {
	t.Helper()
	c, err := find(os.DirFS("/"), address{id: id})
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink(fmt.Sprintf("/sys/class/sound/card%d/device", c.Index))
	if err != nil {
		t.Fatal(err)
	}
	return link[strings.LastIndex(link, "/")+1:]
}

// The card is unbound from its driver while it sounds, and bound again. The
// unbinding waits until every descriptor is closed: a leak would hang here.
func TestKernelUnplug(t *testing.T) {
	needBoard(t)
	where := boardOf(t, "Door")
	d := realDevice(t, Config{Card: "Door"})
	defer d.Close()
	for range 2 {
		o := &owner{d: d}
		o.turns(t, 20)
		unbound := make(chan error, 1)
		go func() { unbound <- os.WriteFile(driver+"unbind", []byte(where), 0) }()
		period := make([]int16, 480)
		var err error
		for err == nil || errors.Is(err, unix.EPIPE) {
			_, err = d.Capture(period)
		}
		if !errors.Is(err, unix.ENODEV) {
			t.Errorf("Capture of a card that is gone: %v, want ENODEV", err)
		}
		if err := <-unbound; err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Start(); !errors.Is(err, ErrNoCard) || !strings.Contains(err.Error(), "present: Indoor") {
			t.Errorf("Start without the card: %v, want ErrNoCard that names Indoor", err)
		}
		write(t, driver+"bind", where)
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		o = &owner{d: d}
		o.turns(t, 20)
	}
}

// Each card is found by its id, at whatever index it has; the control device,
// asked for itself, agrees.
func TestKernelByID(t *testing.T) {
	needBoard(t)
	cards, err := Cards()
	if err != nil {
		t.Fatal(err)
	}
	if len(cards) != 2 {
		t.Fatalf("cards: %v, want Door and Indoor", cards)
	}
	for _, c := range cards {
		if got, err := os.ReadFile(fmt.Sprintf("/sys/class/sound/card%d/id", c.Index)); err != nil || strings.TrimSpace(string(got)) != c.ID {
			t.Errorf("card %d is %q (%v), want %s", c.Index, got, err, c.ID)
		}
		if len(c.PCMs) != 2 || !c.PCMs[0].Capture || !c.PCMs[0].Playback {
			t.Errorf("%s has %+v, want two devices, both ways", c, c.PCMs)
		}
		d := realDevice(t, Config{Card: c.ID})
		(&owner{d: d}).turns(t, 3)
		status, err := os.ReadFile("/proc/asound/" + c.ID + "/pcm0c/sub0/status")
		if err != nil || !strings.HasPrefix(string(status), "state: RUNNING") {
			t.Errorf("%s: its capture says %q (%v), want that it runs", c.ID, status, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("card %d: %v", c.Index, c)
	}
}

func TestKernelBusy(t *testing.T) {
	needBoard(t)
	d := realDevice(t, Config{Card: "Door"})
	defer d.Close()
	other, err := NewDevice(Config{Card: "Door", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	err = other.Start()
	if want := fmt.Sprintf("(process %d), which uses it", os.Getpid()); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), want) {
		t.Errorf("second Start: %v, want EBUSY with %q", err, want)
	}
}

// Close comes while Capture waits, at every moment of a period.
func TestKernelCloseWhileBlocked(t *testing.T) {
	needBoard(t)
	d := realDevice(t, Config{Card: "Door"})
	for i := range 10 {
		ended := make(chan error, 1)
		go func() {
			var err error
			for err == nil {
				_, err = d.Capture(make([]int16, 480))
			}
			ended <- err
		}()
		time.Sleep(time.Duration(i) * time.Millisecond)
		began := time.Now()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("Capture during Close: %v, want ErrClosed", err)
		}
		if took := time.Since(began); took > 5*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Captured, through both rings and played, a period allocates nothing; the log
// says what it costs.
func TestKernelSteadyPath(t *testing.T) {
	needBoard(t)
	d := realDevice(t, Config{Card: "Door"})
	defer d.Close()
	period := make([]int16, 480)
	turn := func() {
		if _, err := d.Capture(period); err != nil {
			t.Error(err)
		}
		if err := d.Play(period); err != nil {
			t.Error(err)
		}
	}
	for range 20 {
		turn()
	}
	const periods = 100
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(periods, turn)
	if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	if allocations != 0 {
		t.Errorf("%v allocations a period, want 0", allocations)
	}
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	t.Logf("%v of the board's CPU a period of 10 ms; thread priority and locked memory: %v", time.Duration(used/(periods+1)), urgentState(t))
}

// urgentState counts this process's threads that go before others, and its locked pages.
func urgentState(t *testing.T) string {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	urgent := 0
	_, nice := Urgency(1) // the board has one processor
	for _, task := range tasks {
		stat, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if err != nil {
			continue
		}
		// proc(5): field 19 is the nice value; the second, in brackets, may hold spaces.
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 16 && f[16] == fmt.Sprint(nice) {
			urgent++
		}
	}
	// Go ends a thread with the goroutine that is locked to it, but for the
	// first one, which it only parks.
	if urgent != 1 && urgent != 2 {
		t.Errorf("%d threads with nice value %d, want the device's one", urgent, nice)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, locked, _ := strings.Cut(string(status), "VmLck:")
	locked, _, _ = strings.Cut(locked, "\n")
	return fmt.Sprintf("%d thread, %s", urgent, strings.TrimSpace(locked))
}

// A thread that may not have real-time priority, or should not, has a nice value.
func TestGoFirst(t *testing.T) {
	for _, tt := range []struct{ processors, fifo, nice int }{{1, 0, -5}, {2, 40, 0}, {4, 40, 0}} {
		t.Run(fmt.Sprint(tt.processors), func(t *testing.T) {
			var err error
			var attr *unix.SchedAttr
			var thread sync.WaitGroup
			thread.Go(func() {
				runtime.LockOSThread() // and never unlocked: it ends with its priority
				if err = goFirst(tt.processors); err != nil && !errors.Is(err, unix.EPERM) {
					t.Error(err)
				}
				var readErr error
				if attr, readErr = unix.SchedGetAttr(0, 0); readErr != nil {
					t.Error(readErr)
				}
			})
			thread.Wait()
			if t.Failed() {
				return
			}
			policy, want := unix.SCHED_NORMAL, unix.SchedAttr{Nice: int32(tt.nice)}
			if tt.fifo > 0 {
				policy, want.Priority = unix.SCHED_FIFO, uint32(tt.fifo)
			}
			if err != nil { // then by as much as this user may
				if limit := "LimitNICE=-5"; tt.fifo == 0 && !strings.Contains(err.Error(), limit) {
					t.Errorf("%v; it does not name %s", err, limit)
				}
				if limit := "LimitRTPRIO=40"; tt.fifo > 0 && !strings.Contains(err.Error(), limit) {
					t.Errorf("%v; it does not name %s", err, limit)
				}
				policy, want.Priority, want.Nice = unix.SCHED_NORMAL, 0, attr.Nice
			}
			if int(attr.Policy) != policy || attr.Priority != want.Priority || attr.Nice != want.Nice {
				t.Errorf("policy %d, priority %d, nice %d; want %d, %d, %d (%v)",
					attr.Policy, attr.Priority, attr.Nice, policy, want.Priority, want.Nice, err)
			}
			if err == nil && attr.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 {
				t.Error("what is started from here inherits it")
			}
		})
	}
}

// Where a device's thread takes the one processor from an ordinary thread that
// holds what it needs, and waits for it as Go's runtime does, that one comes to
// its end in time: a thread of a real-time class would wait for 0.95 s.
func TestKernelYields(t *testing.T) {
	needBoard(t)
	defer noCollector()()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // only the processor is to be waited for
	var asked, answered atomic.Int32
	var stop atomic.Bool
	var threads sync.WaitGroup
	threads.Go(func() { // uses the processor whenever it may
		for !stop.Load() {
			answered.Store(asked.Load())
		}
	})
	var worst time.Duration
	threads.Go(func() {
		defer stop.Store(true)
		runtime.LockOSThread() // and never unlocked: it ends with its priority
		l := &linux{}
		if err := l.urgent(); err != nil {
			t.Error(err)
		}
		for i := int32(1); i <= 4; i++ {
			if err := l.poll(nil, 20*time.Millisecond); err != nil {
				t.Error(err)
			}
			began := time.Now()
			asked.Store(i)
			for answered.Load() != i {
				unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			}
			worst = max(worst, time.Since(began))
		}
	})
	threads.Wait()
	t.Logf("the other thread came to its end within %v", worst)
	if worst > 20*time.Millisecond {
		t.Errorf("an ordinary thread had to wait %v, want at most 20 ms", worst)
	}
}

// The loopback's own controls: a number and a switch.
func TestKernelMixer(t *testing.T) {
	needBoard(t)
	m, err := OpenMixer("Door")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const shift = "PCM Rate Shift 100000"
	for _, tc := range []struct {
		control, value, shown string
	}{
		{shift, "100020", shift + ": 100020"},
		{shift, "0%", shift + ": 80000"},
		{shift, "50%", shift + ": 100000"},
		{"PCM Notify", "on", "PCM Notify: on"},
		{"PCM Notify", "off", "PCM Notify: off"},
	} {
		if err := m.Set(tc.control, tc.value); err != nil {
			t.Fatal(err)
		}
		c, err := m.Get(tc.control)
		if err != nil {
			t.Fatal(err)
		}
		if c.String() != tc.shown {
			t.Errorf("after %s: %q, want %q", tc.value, c, tc.shown)
		}
	}
	for _, value := range []string{"1", "-6dB", "120001"} {
		if err := m.Set(shift, value); err == nil {
			t.Errorf("Set(%q): no error", value)
		}
	}
	if _, err := m.Controls(); err != nil {
		t.Error(err)
	}
}
