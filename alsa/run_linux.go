package alsa

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// keptFilled is the periods that the playback buffer holds when a period
	// begins: one that sounds meanwhile, and one for the engine to be late.
	keptFilled = 2
	// leastFilled is the least of it, for periods of 5 ms: an owner needs some
	// ms, however short the period.
	leastFilled = 15 * time.Millisecond
	// observed is the periods after a start in which we see how late the card's
	// driver wakes us.
	observed = 16
	// stall is how long a card may deliver nothing before it is given up.
	stall = time.Second
	// maxRestarts is the xruns in a row, with no period between them.
	maxRestarts = 5
	// maxLean is the late periods in a row, each of which came and was dropped,
	// after which silence is put in for good: the owner is not late, the streams'
	// clocks have drifted apart, which those of one card do not.
	maxLean = 2
)

// run is a Device from Start to Close: two open streams and their thread.
type run struct {
	device        *Device
	kernel        kernel
	capture, play stream
	params        Params
	fill          int // frames in the playback buffer when a period begins

	in, out *Ring
	ready   chan struct{} // a period was captured
	started chan startResult
	done    chan struct{}
	err     error // why the thread ended; read after done

	restarts     atomic.Uint64
	restartsSeen uint64 // by Capture

	// The newest frame in the ring: when it was captured, and the distance of
	// its echo in frames. Written before ready is sent.
	newest atomic.Int64
	echo   atomic.Int64

	closing atomic.Bool
	event   struct { // wakes the thread
		sync.Mutex
		fd   int
		open bool
	}

	// The thread's own.
	fds       [2]unix.PollFd // event, capture
	mono      []int16        // one hardware buffer
	dry       time.Duration  // when silence must be written, lest it run empty
	lastSound time.Duration  // when a period was captured
	debt      int            // frames of silence that stand for late ones
	owed      int            // frames that were captured, and stand to be played
	lean      int            // periods concealed in a row
	lateCame  bool           // meanwhile, late ones were dropped
	failed    int            // restarts in a row
	wakeUp    wakeUp
	more      int // frames of silence by which the playback buffer is yet to be filled higher
}

// wakeUp sees how much later than the end of a period the driver tells of it.
// Hardware with an interrupt is never late. One that is followed by a timer is,
// by some ms each time, and its playback buffer must be filled higher by that.
type wakeUp struct {
	seen      int
	late, max int // frames: the most but one, so that a single hiccup does not count, and the most
}

// see notes one wake-up, and says after the last by how much to fill higher.
func (w *wakeUp) see(late int) (more int) {
	if w.seen >= observed {
		return 0
	}
	w.late, w.max = max(w.late, min(w.max, late)), max(w.max, late)
	if w.seen++; w.seen == observed {
		return w.late
	}
	return 0
}

type startResult struct{ err, urgent error }

func newRun(d *Device) *run {
	r := &run{device: d, kernel: d.kernel, started: make(chan startResult, 1), ready: make(chan struct{}, 1), done: make(chan struct{})}
	r.capture.fd, r.play.fd, r.event.fd = -1, -1, -1
	return r
}

// setUp negotiates, links, and makes what the thread needs.
func (r *run) setUp() (err error) {
	c := r.device.cfg
	capture, play := newSpace(r.kernel, r.capture.fd, r.capture.name), newSpace(r.kernel, r.play.fd, r.play.name)
	if r.params, err = negotiate(c, capture, play); err != nil {
		return err
	}
	if err := capture.apply(); err != nil {
		return err
	}
	if err := play.apply(); err != nil {
		return err
	}
	pick := c.Microphone
	if pick > r.params.Capture.Channels {
		pick = 0
	}
	if err := r.capture.configure(r.params.Capture, pick, r.params); err != nil {
		return err
	}
	if err := r.play.configure(r.params.Play, 0, r.params); err != nil {
		return err
	}
	r.params.Linked = r.kernel.ioctlInt(r.capture.fd, reqLink, r.play.fd) == nil
	// The owner's periods are as asked; where the hardware's are not, one of
	// them may come as much later as it is long.
	asked := framesIn(c.Period, r.params.Rate)
	r.fill = max(keptFilled*r.params.Period, framesIn(leastFilled, r.params.Rate))
	if asked != r.params.Period {
		r.fill += asked
	}
	r.fill = min(r.fill, r.params.Buffer)
	r.mono = make([]int16, r.params.Buffer)
	ring := 2*r.params.Buffer + 2*asked
	if r.in, err = NewRing(ring); err != nil {
		return err
	}
	if r.out, err = NewRing(ring); err != nil {
		return err
	}
	if r.event.fd, err = r.kernel.eventfd(); err != nil {
		return err
	}
	r.event.open = true
	r.fds = [2]unix.PollFd{
		{Fd: int32(r.event.fd), Events: unix.POLLIN},
		{Fd: int32(r.capture.fd), Events: unix.POLLIN | unix.POLLERR},
	}
	return nil
}

// wake makes the thread look at the playback ring, or at closing.
func (r *run) wake() error {
	r.event.Lock()
	defer r.event.Unlock()
	if !r.event.open {
		return ErrClosed
	}
	return r.kernel.signal(r.event.fd)
}

// stop ends the thread and waits for it.
func (r *run) stop() error {
	r.closing.Store(true)
	err := r.wake()
	<-r.done
	if errors.Is(err, ErrClosed) { // it had ended by itself
		return nil
	}
	return err
}

// wait returns when n frames are in the capture ring.
func (r *run) wait(n int) error {
	for r.in.Len() < n {
		select {
		case <-r.ready:
		case <-r.done:
			return r.err
		}
	}
	return nil
}

// moment is that of the frame just read.
func (r *run) moment() Moment {
	rest := time.Duration(r.in.Len()) * time.Second / time.Duration(r.params.Rate)
	return Moment{
		At:   time.Duration(r.newest.Load()) - rest,
		Echo: time.Duration(r.echo.Load()) * time.Second / time.Duration(r.params.Rate),
	}
}

// thread owns the streams until they are lost or the device is closed. It
// never unlocks its OS thread, so that one ends with it and takes its priority
// along.
func (r *run) thread() {
	runtime.LockOSThread()
	urgent := r.kernel.urgent()
	err := r.restart()
	r.started <- startResult{err, urgent}
	for err == nil && !r.closing.Load() {
		err = r.turn()
	}
	if err == nil {
		err = ErrClosed
	}
	r.err = err
	r.release()
	close(r.done)
}

// release gives the card back. It must come before done: the kernel lets a
// card go only when nobody has it open.
func (r *run) release() {
	for _, s := range []*stream{&r.capture, &r.play} {
		if s.fd >= 0 {
			_ = r.kernel.close(s.fd) // what failed there has been reported, or is gone
			s.fd = -1
		}
	}
	r.event.Lock()
	defer r.event.Unlock()
	if r.event.fd >= 0 {
		_ = r.kernel.close(r.event.fd)
		r.event.fd, r.event.open = -1, false
	}
}

// turn waits for sound or for a wake-up, and does what is due.
func (r *run) turn() error {
	until := min(r.dry, r.lastSound+stall)
	if err := r.kernel.poll(r.fds[:], until-r.kernel.now()); err != nil {
		return err
	}
	if r.fds[0].Revents != 0 {
		if err := r.kernel.drain(r.event.fd); err != nil {
			return err
		}
	}
	if r.closing.Load() {
		return nil
	}
	var err error
	if r.fds[1].Revents != 0 {
		err = r.captured()
	}
	if err == nil {
		err = r.playback()
	}
	if err == nil && r.kernel.now() >= r.lastSound+stall {
		return unix.EIO // nothing comes, and the driver does not say why
	}
	return r.recover(err)
}

// recover starts both streams anew after an xrun or a suspend; other errors
// are the caller's. PREPARE takes a stream out of both states (pcm_native.c,
// snd_pcm_prepare), so RESUME, which not every driver has, is not needed.
func (r *run) recover(err error) error {
	count := &r.device.count
	for err != nil {
		switch {
		case errors.Is(err, unix.EPIPE):
			count.xruns.Add(1)
		case errors.Is(err, unix.ESTRPIPE):
			count.suspends.Add(1)
		default:
			return err
		}
		if r.failed++; r.failed > maxRestarts {
			return unix.EIO
		}
		err = r.restart()
	}
	return nil
}

// restart fills the playback buffer with silence and starts both streams at
// once; what was meant for before is dropped.
func (r *run) restart() error {
	for _, s := range [...]*stream{&r.capture, &r.play} {
		_ = s.command(reqDrop) // refused where there is nothing to stop
	}
	for _, s := range [...]*stream{&r.capture, &r.play} {
		if err := s.command(reqPrepare); err != nil {
			return err
		}
	}
	r.device.count.late.Add(uint64(r.out.Discard(r.out.Cap())))
	r.debt, r.owed, r.lean, r.lateCame = 0, 0, 0, false
	silence := r.mono[:r.fill]
	clear(silence)
	if n, err := r.play.write(silence); err != nil {
		return err
	} else if n < len(silence) {
		return unix.EIO
	}
	if !r.params.Linked {
		if err := r.play.command(reqStart); err != nil {
			return err
		}
	}
	if err := r.capture.command(reqStart); err != nil {
		return err
	}
	r.lastSound = r.kernel.now()
	r.setDry(r.fill)
	if r.failed > 0 {
		r.restarts.Add(1)
	}
	return nil
}

// captured moves the whole periods that there are to the engine.
func (r *run) captured() error {
	s := &r.capture
	if err := s.look(); err != nil {
		return err
	}
	frames := s.avail() / r.params.Period * r.params.Period
	if frames == 0 {
		return nil
	}
	now := r.kernel.now()
	r.more += r.wakeUp.see(s.avail() - r.params.Period)
	rest := s.avail() - frames
	n, err := s.read(r.mono[:frames])
	if err != nil {
		return err
	}
	r.owed += r.in.Write(r.mono[:n])
	r.newest.Store(int64(now - r.timeOf(rest+s.beyond())))
	r.lastSound, r.failed = now, 0
	select {
	case r.ready <- struct{}{}:
	default:
	}
	return nil
}

// playback moves what the engine has for it to the hardware; when that is late,
// silence, just before the hardware runs empty.
func (r *run) playback() error {
	late := r.kernel.now() >= r.dry
	if r.out.Len() == 0 && !late {
		return nil
	}
	s := &r.play
	if err := s.look(); err != nil {
		return err
	}
	if r.more > 0 {
		return r.fillHigher()
	}
	r.dropLate(s.buffer - s.avail())
	frames := min(r.out.Len(), s.avail())
	period := r.mono[:frames]
	switch {
	case frames > 0:
		r.owed -= r.out.Read(period)
		r.lean, r.lateCame = 0, false
	case late:
		period = r.mono[:min(r.params.Period, s.avail())]
		clear(period)
		r.device.count.concealed.Add(uint64(len(period)))
		if r.lean++; r.lean > maxLean && r.lateCame {
			r.lean, r.lateCame = 0, false // it stands for nothing: what comes next is played after it
		} else {
			r.debt += len(period)
		}
	default:
		return nil
	}
	n, err := s.write(period)
	if err != nil {
		return err
	}
	queued := s.buffer - s.avail()
	r.setDry(queued + n)
	r.echo.Store(int64(r.fill + max(0, s.status.Delay-queued) + r.capture.beyond()))
	return nil
}

// fillHigher lets everything sound later, by silence that stands for nothing.
// The next period then finds room for both.
func (r *run) fillHigher() error {
	n := min(r.more, r.play.avail()-r.params.Period, r.play.buffer-r.fill)
	r.more = 0
	if n <= 0 {
		return nil
	}
	silence := r.mono[:n]
	clear(silence)
	n, err := r.play.write(silence)
	r.fill += n
	r.setDry(r.play.buffer - r.play.avail() + n)
	if err != nil {
		return err
	}
	return r.playback()
}

// dropLate drops what silence has stood for, and what would make the delay
// longer than it may be. The owner plays as much as it captures: what is more
// than was captured since the start is from before an xrun, and all that
// follows would be later by it for good. Its rate converter may be some frames
// ahead.
func (r *run) dropLate(queued int) {
	n := r.out.Discard(r.debt)
	r.debt -= n
	if n > 0 {
		r.lateCame = true
	}
	r.owed -= n
	if over := r.out.Len() - r.owed; over >= r.params.Period/2 {
		n += r.out.Discard(over)
	}
	if over := queued + r.out.Len() - r.fill - r.params.Period; over > 0 {
		over = r.out.Discard(over)
		r.owed -= over
		n += over
	}
	r.device.count.late.Add(uint64(n))
}

// setDry says when the hardware, with queued frames, needs more: a quarter of
// a period before it is empty.
func (r *run) setDry(queued int) {
	r.dry = r.kernel.now() + r.timeOf(queued-r.params.Period/4)
}

func (r *run) timeOf(frames int) time.Duration {
	return time.Duration(frames) * time.Second / time.Duration(r.params.Rate)
}
