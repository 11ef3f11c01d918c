package alsa

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Params are what the hardware was asked for, and what it gave.
type Params struct {
	Rate    int // Hz, of both streams
	Period  int // frames between two wake-ups
	Buffer  int // frames in the hardware's buffer
	Linked  bool
	Capture Form
	Play    Form
	// Asked has what was wanted where the hardware gave something else, as in
	// "rate 48000 Hz: got 44100"; empty when all is as asked.
	Asked string
}

// Form is what samples of one stream look like on the hardware.
type Form struct {
	Format   Format
	Channels int
}

func (f Form) String() string { return fmt.Sprintf("%v x %d", f.Format, f.Channels) }

// String is for people.
func (p Params) String() string {
	linked := "not linked"
	if p.Linked {
		linked = "linked"
	}
	s := fmt.Sprintf("%d Hz, period %d, buffer %d, capture %v, playback %v, %s", p.Rate, p.Period, p.Buffer, p.Capture, p.Play, linked)
	if p.Asked != "" {
		s += "; " + p.Asked
	}
	return s
}

// space is what one stream can still be set up to: the kernel narrows it with
// each choice (Documentation/sound/designs: hw_params refinement).
type space struct {
	k    kernel
	fd   int
	name string
	p    hwParams
	err  error // not that a choice is impossible, but that the device is lost
}

func newSpace(k kernel, fd int, name string) *space {
	s := &space{k: k, fd: fd, name: name}
	for i := range s.p.Masks {
		for j := range s.p.Masks[i] {
			s.p.Masks[i][j] = math.MaxUint32
		}
	}
	for i := range s.p.Intervals {
		s.p.Intervals[i].Max = math.MaxUint32
	}
	return s
}

// try makes a choice if the hardware can do it.
func (s *space) try(choose func(*hwParams)) bool {
	if s.err != nil {
		return false
	}
	p := s.p
	choose(&p)
	p.Rmask, p.Cmask, p.Info = math.MaxUint32, 0, 0
	err := s.k.ioctl(s.fd, reqHwRefine, unsafe.Pointer(&p))
	if err == nil {
		s.p = p
		return true
	}
	if !errors.Is(err, unix.EINVAL) {
		s.err = err
	}
	return false
}

func (s *space) tryMask(param int, bit uint) bool {
	return s.try(func(p *hwParams) {
		m := &p.Masks[param]
		for i := range m {
			m[i] &= 0
		}
		m[bit/32] = 1 << (bit % 32)
	})
}

func (s *space) tryRange(param, low, high int) bool {
	return s.try(func(p *hwParams) {
		p.Intervals[param-firstInterval] = interval{Min: uint32(low), Max: uint32(high)}
	})
}

// bounds returns the least and the most that a parameter can still be.
func (s *space) bounds(param int) (low, high int) {
	i := s.p.Intervals[param-firstInterval]
	low, high = int(i.Min), int(min(i.Max, math.MaxInt32))
	if i.Flags&openMin != 0 {
		low++
	}
	if i.Flags&openMax != 0 {
		high--
	}
	return low, high
}

// nearest returns the value next to want, up or down, that the hardware can do
// within low to high; 0 when there is none.
func (s *space) nearest(param, want, low, high int) int {
	best := 0
	for _, r := range [2][2]int{{want, high}, {low, want}} {
		probe := *s
		if r[0] > r[1] || !probe.tryRange(param, r[0], r[1]) {
			continue
		}
		least, most := probe.bounds(param)
		got := least
		if r[1] == want {
			got = most
		}
		if best == 0 || distance(got, want) < distance(best, want) {
			best = got
		}
	}
	return best
}

func distance(a, b int) int { return max(a-b, b-a) }

// pair is the two streams of a card, which need one rate and one period.
type pair []*space

// agree sets a parameter of all streams to the first of the values that all
// can do, and returns it; 0 when there is none.
func (all pair) agree(param int, values ...int) int {
	for _, v := range values {
		was := make([]space, len(all))
		ok := v > 0
		for i, s := range all {
			was[i] = *s
			ok = ok && s.tryRange(param, v, v)
		}
		if ok {
			return v
		}
		for i, s := range all {
			lost := s.err
			*s = was[i]
			s.err = lost
		}
	}
	return 0
}

func (all pair) lost() error {
	for _, s := range all {
		if s.err != nil {
			return fmt.Errorf("alsa: set up %s: %w", s.name, s.err)
		}
	}
	return nil
}

// otherRates are tried in this order when the wanted one can not be had.
var otherRates = [...]int{48000, 96000, 44100, 88200, 32000, 64000, 24000, 22050, 16000, 12000, 11025, 8000}

const (
	minPeriod = 5 * time.Millisecond
	maxPeriod = 20 * time.Millisecond
)

func framesIn(d time.Duration, rate int) int {
	return int((d*time.Duration(rate) + time.Second/2) / time.Second)
}

// negotiate finds the set-up of both streams that is next to c.
func negotiate(c Config, capture, play *space) (Params, error) {
	var p Params
	var err error
	if p.Capture, err = capture.form(c); err == nil {
		p.Play, err = play.form(c)
	}
	if err != nil {
		return p, err
	}
	all := pair{capture, play}
	if p.Rate = all.agree(paramRate, append([]int{c.Rate}, otherRates[:]...)...); p.Rate == 0 {
		return p, all.refused("no rate from 8000 to 96000 Hz for both streams")
	}
	want := framesIn(c.Period, p.Rate)
	low, high := framesIn(minPeriod, p.Rate), framesIn(maxPeriod, p.Rate)
	if p.Period = all.agree(paramPeriodSize, want, capture.nearest(paramPeriodSize, want, low, high), play.nearest(paramPeriodSize, want, low, high)); p.Period == 0 {
		return p, all.refused(fmt.Sprintf("no period from %d to %d frames at %d Hz", low, high, p.Rate))
	}
	size := p.Period * c.Periods
	most := MaxRing / MaxChannels / 4
	if p.Buffer = all.agree(paramBufferSize, size, 4*p.Period, 3*p.Period, 2*p.Period,
		play.nearest(paramBufferSize, size, 2*p.Period, most), capture.nearest(paramBufferSize, size, 2*p.Period, most)); p.Buffer == 0 {
		return p, all.refused(fmt.Sprintf("no buffer of two periods of %d frames", p.Period))
	}
	p.Asked = c.differences(p)
	return p, all.lost()
}

func (all pair) refused(what string) error {
	if err := all.lost(); err != nil {
		return err
	}
	return fmt.Errorf("alsa: set up %s: the hardware has %s", all[0].name, what)
}

// form chooses access, sample format and channels.
func (s *space) form(c Config) (f Form, err error) {
	refused := func(what string) (Form, error) { return f, pair{s}.refused(what) }
	if !s.tryMask(paramAccess, accessRWInterleaved) {
		return refused("no interleaved access")
	}
	for _, format := range formats {
		if s.tryMask(paramFormat, uint(format)) {
			f.Format = format
			break
		}
	}
	if f.Format == 0 {
		return refused("none of the formats S16_LE, S32_LE, S24_LE, S24_3LE")
	}
	if f.Channels = (pair{s}).agree(paramChannels, c.Channels, 1, 2, 3, 4, 5, 6, 7, 8); f.Channels == 0 {
		low, high := s.bounds(paramChannels)
		return refused(fmt.Sprintf("%d to %d channels, not 1 to %d", low, high, MaxChannels))
	}
	return f, nil
}

// differences says what c asked for and p does not have.
func (c Config) differences(p Params) string {
	var all []string
	note := func(what string, want, got int) {
		if want != got {
			all = append(all, fmt.Sprintf("%s %d: got %d", what, want, got))
		}
	}
	note("rate", c.Rate, p.Rate)
	note("channels of capture", c.Channels, p.Capture.Channels)
	note("channels of playback", c.Channels, p.Play.Channels)
	note("frames in a period", framesIn(c.Period, p.Rate), p.Period)
	note("frames in the buffer", p.Period*c.Periods, p.Buffer)
	return strings.Join(all, ", ")
}

// apply gives the hardware its set-up; every parameter has one value by now.
func (s *space) apply() error {
	if err := s.k.ioctl(s.fd, reqHwParams, unsafe.Pointer(&s.p)); err != nil {
		return fmt.Errorf("alsa: set up %s: %w", s.name, err)
	}
	return nil
}
