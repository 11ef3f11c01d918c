package alsa

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stream is one direction of a PCM device. What goes to the kernel with each
// period is in here, so that nothing is allocated for it.
type stream struct {
	k      kernel
	fd     int
	name   string // for errors
	layout layout
	buffer int // frames

	sw     swParams
	status pcmStatus
	xfer   xferI
	bytes  []byte // one hardware buffer of frames
}

// configure sets the software parameters: a stream is started by us and not by
// how much is in it, wakes us once a period, and stops when its buffer is
// overrun or empty.
func (s *stream) configure(form Form, pick int, p Params) error {
	s.layout = layout{form.Format, form.Channels, pick}
	s.buffer = p.Buffer
	s.bytes = make([]byte, p.Buffer*s.layout.frameBytes())
	s.sw = swParams{
		PeriodStep:     1,
		AvailMin:       uint(p.Period),
		XferAlign:      1,
		StartThreshold: math.MaxInt,
		StopThreshold:  uint(p.Buffer),
	}
	if err := s.k.ioctl(s.fd, reqSwParams, unsafe.Pointer(&s.sw)); err != nil {
		return fmt.Errorf("alsa: set up %s: wake-ups: %w", s.name, err)
	}
	return nil
}

// look asks for state, fill and delay. A stream that has stopped gives the
// errno that reading it would give.
func (s *stream) look() error {
	if err := s.k.ioctl(s.fd, reqStatus, unsafe.Pointer(&s.status)); err != nil {
		return err
	}
	switch s.status.State {
	case stateRunning:
		return nil
	case stateXrun:
		return unix.EPIPE
	case stateSuspended:
		return unix.ESTRPIPE
	case stateDisconnected:
		return unix.ENODEV
	}
	return unix.EBADFD // stopped, and not by us
}

// avail is the frames that can be read, or written, as of the last look.
func (s *stream) avail() int { return min(int(s.status.Avail), s.buffer) }

// beyond is the delay, in frames, between the buffer and the sound itself (a
// USB transfer, a FIFO), as of the last look at a capture stream.
func (s *stream) beyond() int { return max(0, s.status.Delay-int(s.status.Avail)) }

// read moves up to frames from the hardware into dst, mono.
func (s *stream) read(dst []int16) (int, error) {
	n, err := s.transfer(reqReadI, len(dst))
	s.layout.decode(dst[:n], s.bytes)
	return n, err
}

// write moves src, mono, to the hardware, and returns how much of it fitted.
func (s *stream) write(src []int16) (int, error) {
	s.layout.encode(s.bytes, src)
	return s.transfer(reqWriteI, len(src))
}

func (s *stream) transfer(request uintptr, frames int) (int, error) {
	if frames == 0 {
		return 0, nil
	}
	s.xfer = xferI{Buf: unsafe.Pointer(&s.bytes[0]), Frames: uint(frames)}
	if err := s.k.ioctl(s.fd, request, unsafe.Pointer(&s.xfer)); err != nil {
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			return 0, nil
		}
		return 0, err
	}
	return s.xfer.Result, nil
}

func (s *stream) command(request uintptr) error { return s.k.ioctlInt(s.fd, request, 0) }
