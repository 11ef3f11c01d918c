package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The world's own way into ALSA. It is kept apart from package alsa on purpose: what that one gets wrong, this one
// must not get wrong in the same way. Only 16 bit, blocking, interleaved. From include/uapi/sound/asound.h.
const (
	ioctlHWParams = 0xc2604111
	ioctlSWParams = 0xc0884113
	ioctlPrepare  = 0x4140
	ioctlStart    = 0x4142
	ioctlDelay    = 0x80084121
	ioctlWrite    = 0x40184150
	ioctlRead     = 0x80184151

	maskAccess, maskFormat, maskSubformat      = 0, 1, 2 // masks, by their number
	intervalFirst                              = 8       // SNDRV_PCM_HW_PARAM_SAMPLE_BITS
	intervalChannels, intervalRate             = 10, 11
	intervalPeriodSize, intervalPeriods        = 13, 15
	accessInterleaved, formatS16, subformatStd = 3, 2, 0
	intervalInteger                            = 1 << 2
	infinite                                   = ^uint32(0)
)

type hwInterval struct{ min, max, flags uint32 }

type hwParams struct {
	flags                    uint32
	masks                    [3][8]uint32
	_                        [5][8]uint32
	intervals                [12]hwInterval
	_                        [9]hwInterval
	rmask, cmask, info       uint32
	msbits, rateNum, rateDen uint32
	fifoSize                 uint64
	_                        [64]byte
}

type swParams struct {
	tstampMode                              int32
	periodStep, sleepMin                    uint32
	availMin, xferAlign                     uint64
	startThreshold, stopThreshold           uint64
	silenceThreshold, silenceSize, boundary uint64
	proto, tstampType                       uint32
	_                                       [56]byte
}

type transfer struct {
	result int64
	buf    unsafe.Pointer
	frames uint64
}

// pcm is one open stream.
type pcm struct {
	file     *os.File
	name     string
	capture  bool
	channels int
	xruns    atomic.Int64
}

// pcmConfig is what both ends of a loop must agree upon.
type pcmConfig struct {
	rate, channels, period, periods int // Hz, 1, frames, 1
}

var airConfig = pcmConfig{rate: 48000, channels: 1, period: 480, periods: 8}

// openPCM opens a stream of a card, by the card's id.
func openPCM(card string, device int, capture bool, c pcmConfig) (*pcm, error) {
	link, err := os.Readlink("/proc/asound/" + card)
	if err != nil {
		return nil, fmt.Errorf("card %s: %w", card, err)
	}
	way := "p"
	if capture {
		way = "c"
	}
	name := "/dev/snd/pcmC" + strings.TrimPrefix(link, "card") + "D" + strconv.Itoa(device) + way
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	p := &pcm{file: f, name: card + "," + strconv.Itoa(device) + way, capture: capture, channels: c.channels}
	if err := p.configure(c); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p, nil
}

func (p *pcm) configure(c pcmConfig) error {
	hw := hwParams{rmask: infinite, info: infinite}
	for i := range hw.masks {
		for j := range 2 {
			hw.masks[i][j] = infinite
		}
	}
	for i := range hw.intervals {
		hw.intervals[i] = hwInterval{max: infinite}
	}
	one := func(mask, bit int) { hw.masks[mask] = [8]uint32{1 << bit} }
	one(maskAccess, accessInterleaved)
	one(maskFormat, formatS16)
	one(maskSubformat, subformatStd)
	exactly := func(i, value int) {
		hw.intervals[i-intervalFirst] = hwInterval{uint32(value), uint32(value), intervalInteger}
	}
	exactly(intervalChannels, c.channels)
	exactly(intervalRate, c.rate)
	exactly(intervalPeriodSize, c.period)
	exactly(intervalPeriods, c.periods)
	if err := p.ioctl(ioctlHWParams, unsafe.Pointer(&hw)); err != nil {
		return fmt.Errorf("%d Hz, %d channels, %d frames: %w", c.rate, c.channels, c.period, err)
	}
	buffer := uint64(c.period * c.periods)
	sw := swParams{periodStep: 1, availMin: uint64(c.period), xferAlign: 1, startThreshold: 1, stopThreshold: buffer, boundary: buffer}
	for sw.boundary*2 < 1<<62 {
		sw.boundary *= 2
	}
	if !p.capture {
		sw.startThreshold = 2 * uint64(c.period)
	}
	if err := p.ioctl(ioctlSWParams, unsafe.Pointer(&sw)); err != nil {
		return fmt.Errorf("software parameters: %w", err)
	}
	return p.ioctl(ioctlPrepare, nil)
}

// transferAll reads or writes all of buf; after an xrun, which it counts, it starts again.
func (p *pcm) transferAll(buf []int16) error {
	request := uintptr(ioctlWrite)
	if p.capture {
		request = ioctlRead
	}
	for len(buf) > 0 {
		x := transfer{buf: unsafe.Pointer(&buf[0]), frames: uint64(len(buf) / p.channels)}
		err := p.ioctl(request, unsafe.Pointer(&x))
		switch {
		case err == nil:
			buf = buf[int(x.result)*p.channels:]
		case errors.Is(err, unix.EPIPE):
			p.xruns.Add(1)
			if err := p.ioctl(ioctlPrepare, nil); err != nil {
				return fmt.Errorf("%s: after an xrun: %w", p.name, err)
			}
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		default:
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// delay returns how many frames are yet to be played, or to be read.
func (p *pcm) delay() (frames int64, err error) {
	if err := p.ioctl(ioctlDelay, unsafe.Pointer(&frames)); err != nil {
		return 0, fmt.Errorf("%s: delay: %w", p.name, err)
	}
	return frames, nil
}

func (p *pcm) ioctl(request uintptr, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, p.file.Fd(), request, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

func (p *pcm) close() error { return p.file.Close() }
