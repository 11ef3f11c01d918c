package alsa

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Config says which card, and how it should sound. The zero value of all but
// Card is a good choice.
type Config struct {
	// Card is its id or its place on the USB: "Door", "hw:CARD=Door,DEV=0",
	// "usb:1-1.2".
	Card string
	// Rate in Hz, 8000 to 96000; 0 means 48000. See Params for what was got.
	Rate int
	// Channels of both streams, 1 to 8; 0 means 1.
	Channels int
	// Microphone is the capture channel that is heard, from 1; 0 means the
	// mean of all.
	Microphone int
	// Period is 5 to 20 ms; 0 means 10 ms.
	Period time.Duration
	// Periods in the hardware's buffer, 2 to 4; 0 means 4. More of them
	// forgive a later thread; they do not delay, as no more than two (and
	// 15 ms) are kept filled, unless the driver wakes us late.
	Periods int
	// Mixer is set, in this order, each time the card is opened.
	Mixer []Setting
	// Log hears once what is not as it should be; nil means slog.Default.
	Log *slog.Logger
}

// Setting is one control of the mixer and its value, see Mixer.Set.
type Setting struct{ Control, Value string }

// ErrClosed is returned by a Device that is not started, or was closed.
var ErrClosed = errors.New("alsa: device is closed")

// Device is a microphone and a loudspeaker: one card's capture and playback,
// running on one clock, mono and 16 bit. A thread of its own moves the periods
// between the hardware and two rings:
//
//	capture ──▶ READI ─ decode ─▶ Ring ──▶ Capture ┐
//	                   device's thread             │ engine's goroutine
//	playback ◀─ WRITEI ─ encode ◀─ Ring ◀──── Play ┘
//
// The owner calls Play once for each Capture, with as much. When it is late, a
// period of silence takes the place of its own, which is dropped when it comes:
// the delay stays what it was. After an xrun or a suspend both streams start
// anew, and Capture says EPIPE once.
//
// One goroutine calls Capture and Play; any may call Start, Close, Params and
// Stats.
type Device struct {
	cfg     Config
	address address
	kernel  kernel
	log     *slog.Logger

	mu     sync.Mutex // Start and Close
	run    atomic.Pointer[run]
	count  counters
	told   atomic.Bool // about xruns
	warned bool        // about what the thread may not do; under mu
}

type counters struct {
	xruns, suspends, concealed, late, starts atomic.Uint64
}

// Stats count since the Device was made.
type Stats struct {
	Xruns     uint64 // the hardware's buffer was overrun or ran empty; both streams started anew
	Suspends  uint64 // the machine slept
	Concealed uint64 // frames of silence in place of a late Play
	Late      uint64 // frames that came too late to be played, and were dropped
	Overruns  uint64 // frames captured and not fetched in time, since the last Start
	Starts    uint64
}

// Moment is when a period was, and how far its echo is.
type Moment struct {
	// At is when the last of its frames was captured, on CLOCK_MONOTONIC.
	At time.Duration
	// Echo is the least time from a frame given to Play after this Capture to
	// the same frame in a later Capture: what both hardware buffers hold. The
	// air between loudspeaker and microphone comes on top.
	Echo time.Duration
}

// NewDevice checks c; Start opens the card.
func NewDevice(c Config) (*Device, error) {
	k, err := newLinux()
	if err != nil {
		return nil, err
	}
	return newDevice(c, k)
}

func newDevice(c Config, k kernel) (*Device, error) {
	a, err := parseAddress(c.Card)
	if err != nil {
		return nil, err
	}
	if c, err = c.complete(); err != nil {
		return nil, fmt.Errorf("alsa: card %s: %w", c.Card, err)
	}
	return &Device{cfg: c, address: a, kernel: k, log: c.Log.With("card", a.String())}, nil
}

func (c Config) complete() (Config, error) {
	defaultTo(&c.Rate, 48000)
	defaultTo(&c.Channels, 1)
	defaultTo(&c.Period, 10*time.Millisecond)
	defaultTo(&c.Periods, 4)
	defaultTo(&c.Log, slog.Default())
	switch {
	case c.Rate < 8000 || c.Rate > 96000:
		return c, fmt.Errorf("rate of %d Hz: want 8000 to 96000", c.Rate)
	case c.Channels < 1 || c.Channels > MaxChannels:
		return c, fmt.Errorf("%d channels: want 1 to %d", c.Channels, MaxChannels)
	case c.Microphone < 0 || c.Microphone > MaxChannels:
		return c, fmt.Errorf("microphone on channel %d: want 1 to %d, or 0 for the mean", c.Microphone, MaxChannels)
	case c.Period < minPeriod || c.Period > maxPeriod:
		return c, fmt.Errorf("period of %v: want %v to %v", c.Period, minPeriod, maxPeriod)
	case c.Periods < 2 || c.Periods > 4:
		return c, fmt.Errorf("%d periods: want 2 to 4", c.Periods)
	}
	return c, nil
}

func defaultTo[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Start finds and opens the card, sets its mixer, and starts both streams
// together. Errors keep the errno; ErrNoCard and ENODEV mean that the card is
// not there, EBUSY that another program has it.
func (d *Device) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.run.Load() != nil {
		return fmt.Errorf("alsa: %s is started already", d.address)
	}
	r, err := d.open()
	if err != nil {
		return err
	}
	go r.thread()
	start := <-r.started
	if start.err != nil {
		<-r.done
		return fmt.Errorf("alsa: start %s: %w", d.address, start.err)
	}
	d.run.Store(r)
	d.count.starts.Add(1)
	d.report(r.params, start.urgent)
	return nil
}

// report says once what is less than wanted.
func (d *Device) report(p Params, urgent error) {
	d.log.Info("sound card runs", "at", p)
	if urgent != nil && !d.warned {
		d.warned = true
		d.log.Warn("sound may stutter under load: its thread is not as it should be", "err", urgent)
	}
}

// open does all of Start that takes no thread.
func (d *Device) open() (*run, error) {
	card, err := find(d.kernel.files(), d.address)
	if err != nil {
		return nil, err
	}
	if err := card.check(d.address); err != nil {
		return nil, err
	}
	if err := d.setMixer(card); err != nil {
		return nil, err
	}
	r := newRun(d)
	err = r.openStream(&r.capture, card, d.address, 'c')
	if err == nil {
		err = r.openStream(&r.play, card, d.address, 'p')
	}
	if err == nil {
		err = r.setUp()
	}
	if err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

func (c Card) check(a address) error {
	var have []string
	for _, p := range c.PCMs {
		if p.Device != a.device {
			have = append(have, "DEV="+strconv.Itoa(p.Device))
			continue
		}
		switch {
		case !p.Capture:
			return fmt.Errorf("alsa: open %s: %s has no capture: no microphone", a, c)
		case !p.Playback:
			return fmt.Errorf("alsa: open %s: %s has no playback: no loudspeaker", a, c)
		}
		return nil
	}
	return fmt.Errorf("alsa: open %s: %s has no such device; it has %s", a, c, strings.Join(have, ", "))
}

func (d *Device) setMixer(card Card) error {
	if len(d.cfg.Mixer) == 0 {
		return nil
	}
	m, err := openMixer(d.kernel, card)
	if err != nil {
		return err
	}
	defer m.Close()
	for _, s := range d.cfg.Mixer {
		if err := m.Set(s.Control, s.Value); err != nil {
			return err
		}
	}
	return nil
}

// openStream opens one device node; its error says who has it, or what to do.
func (r *run) openStream(s *stream, card Card, a address, direction byte) error {
	what := map[byte]string{'c': "capture", 'p': "playback"}[direction]
	s.name = what + " " + a.String()
	path := fmt.Sprintf("/dev/snd/pcmC%dD%d%c", card.Index, a.device, direction)
	fd, err := r.kernel.open(path)
	if err == nil {
		s.k, s.fd = r.kernel, fd
		return nil
	}
	err = fmt.Errorf("alsa: open %s: %w", s.name, err)
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w; add this user to the group audio, which owns %s", err, path)
	case errors.Is(err, unix.EBUSY):
		sub := fmt.Sprintf("proc/asound/card%d/pcm%d%c/sub0/status", card.Index, a.device, direction)
		return fmt.Errorf("%w; %s", err, usedBy(r.kernel.files(), sub))
	}
	return err
}

// usedBy names the process that has a device, from the kernel's status file.
func usedBy(root fs.FS, file string) string {
	const stop = "stop the program that uses it"
	data, err := fs.ReadFile(root, file)
	if err != nil {
		return stop
	}
	_, rest, found := strings.Cut(string(data), "owner_pid")
	if !found {
		return stop
	}
	pid, _, _ := strings.Cut(strings.TrimLeft(rest, " \t:"), "\n")
	pid = processOf(root, strings.TrimSpace(pid))
	name, err := fs.ReadFile(root, "proc/"+pid+"/comm")
	if err != nil {
		return "it is used by process " + pid
	}
	return fmt.Sprintf("stop %s (process %s), which uses it", strings.TrimSpace(string(name)), pid)
}

// processOf returns the process of a thread: the kernel notes which thread
// opened a device.
func processOf(root fs.FS, thread string) string {
	status, err := fs.ReadFile(root, "proc/"+thread+"/status")
	if err != nil {
		return thread
	}
	_, rest, found := strings.Cut(string(status), "\nTgid:")
	if !found {
		return thread
	}
	process, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(process)
}

// Params returns what the hardware gave at the last Start; zero before.
func (d *Device) Params() Params {
	if r := d.run.Load(); r != nil {
		return r.params
	}
	return Params{}
}

// Stats returns what was counted.
func (d *Device) Stats() Stats {
	c := &d.count
	s := Stats{
		Xruns: c.xruns.Load(), Suspends: c.suspends.Load(), Concealed: c.concealed.Load(),
		Late: c.late.Load(), Starts: c.starts.Load(),
	}
	if r := d.run.Load(); r != nil {
		s.Overruns = r.in.Overruns()
	}
	return s
}

// Capture waits until len(dst) frames have been captured and moves them to dst.
// EPIPE means that sound was lost by an xrun or a suspend; calling again goes
// on. ENODEV and every other error means that the card is gone: Close, and
// Start when it is back. len(dst) is what one period should hold, at most two.
func (d *Device) Capture(dst []int16) (Moment, error) {
	r := d.run.Load()
	if r == nil {
		return Moment{}, ErrClosed
	}
	if err := r.wait(len(dst)); err != nil {
		return Moment{}, err
	}
	if n := r.restarts.Load(); n != r.restartsSeen {
		r.restartsSeen = n
		if !d.told.Swap(true) {
			d.log.Warn("sound was interrupted by an xrun; such ones are only counted from now on", "stats", d.Stats())
		}
		return Moment{}, unix.EPIPE
	}
	r.in.Read(dst)
	return r.moment(), nil
}

// Play hands src to the loudspeaker. It never waits: what finds no room is
// counted as late.
func (d *Device) Play(src []int16) error {
	r := d.run.Load()
	if r == nil {
		return ErrClosed
	}
	if n := r.out.Write(src); n < len(src) {
		d.count.late.Add(uint64(len(src) - n))
	}
	return r.wake()
}

// Close stops both streams, ends a Capture that waits, and frees the card. A
// closed Device may be started again.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.run.Swap(nil)
	if r == nil {
		return nil
	}
	return r.stop()
}
