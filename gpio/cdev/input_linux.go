package cdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"intercom/gpio"
)

// probeEvery is how often a quiet line is asked whether it still is there: older
// kernels wake nobody when a chip goes (linereq_unregistered_notify in
// gpiolib-cdev.c, of 2023, brought that to poll).
const probeEvery = time.Second

// eventSize is that of struct gpio_v2_line_event.
const eventSize = int(unsafe.Sizeof(uapi.LineEvent{}))

// Input is a line that is read.
type Input struct {
	info    Info
	file    *os.File // the line, non-blocking: Close ends a Read
	probe   time.Duration
	edges   chan gpio.Edge
	done    chan struct{}
	dropped atomic.Uint64

	mu     sync.Mutex
	closed bool
	gone   error // why the edges ended
}

var _ gpio.Input = (*Input)(nil)

// OpenInput takes a line and listens to both its edges. consumer is the name
// that others see as its owner, up to 31 bytes.
func OpenInput(consumer string, at Place, opts InputOptions) (*Input, error) {
	var in *Input
	err := withLine(at, func(c kernelChip, i Info) error {
		fd, err := request(i, consumer, opts)
		if err != nil {
			return requested(c, i, err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			unix.Close(fd)
			return err
		}
		in = newInput(i, os.NewFile(uintptr(fd), i.place()), probeEvery)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("gpio: open input: %w", err)
	}
	return in, nil
}

// newInput listens to an open line, which is its own from then on.
func newInput(i Info, line *os.File, probe time.Duration) *Input {
	in := &Input{info: i, file: line, probe: probe, edges: make(chan gpio.Edge, gpio.EdgeBuffer), done: make(chan struct{})}
	go in.listen()
	return in
}

// request asks the chip for a line with edges; the caller owns the descriptor.
func request(i Info, consumer string, opts InputOptions) (int, error) {
	chip, err := os.Open("/dev/" + i.Device)
	if err != nil {
		return 0, err
	}
	defer chip.Close()
	flags := uapi.LineFlagV2Input | uapi.LineFlagV2EdgeBoth // times by CLOCK_MONOTONIC, the default
	if opts.ActiveLow {
		flags |= uapi.LineFlagV2ActiveLow
	}
	switch opts.Bias {
	case BiasOff:
		flags |= uapi.LineFlagV2BiasDisabled
	case PullUp:
		flags |= uapi.LineFlagV2BiasPullUp
	case PullDown:
		flags |= uapi.LineFlagV2BiasPullDown
	}
	r := uapi.LineRequest{Lines: 1, Config: uapi.LineConfig{Flags: flags}, EventBufferSize: gpio.EdgeBuffer}
	r.Offsets[0] = uint32(i.Offset)
	copy(r.Consumer[:len(r.Consumer)-1], consumer)
	if err := uapi.GetLine(chip.Fd(), &r); err != nil {
		return 0, err
	}
	return int(r.Fd), nil
}

// Edges returns the line's changes; see gpio.Input.
func (in *Input) Edges() <-chan gpio.Edge { return in.edges }

// Dropped returns how many edges were lost since the line was opened, because
// the kernel or the reader could not keep up.
func (in *Input) Dropped() uint64 { return in.dropped.Load() }

// Read returns the level now.
func (in *Input) Read() (bool, error) {
	in.mu.Lock()
	gone := in.gone
	in.mu.Unlock()
	if gone != nil {
		return false, gone
	}
	return in.level()
}

// level asks the kernel.
func (in *Input) level() (bool, error) {
	conn, err := in.file.SyscallConn()
	if err != nil {
		return false, in.failed("read level", err)
	}
	v := uapi.LineValues{Mask: 1}
	var answer error
	if err := conn.Control(func(fd uintptr) { answer = uapi.GetLineValuesV2(fd, &v) }); err != nil {
		return false, in.failed("read level", err)
	}
	if answer != nil {
		return false, in.failed("read level", answer)
	}
	return v.Get(0) == 1, nil
}

// failed is the error of a system call on the line.
func (in *Input) failed(doing string, err error) error {
	if errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("gpio: %s: %w", in.info.place(), ErrClosed)
	}
	var e unix.Errno
	if errors.As(err, &e) {
		err = e // without the file's name, which place says better
	}
	return lost(in.info, doing, err)
}

// Close gives the line back and waits until its edges ended.
func (in *Input) Close() error {
	in.mu.Lock()
	first := !in.closed
	in.closed = true
	in.mu.Unlock()
	var err error
	if first {
		err = in.file.Close()
	}
	<-in.done
	return err
}

// listen hands the kernel's events on until the line is closed or lost.
func (in *Input) listen() {
	defer close(in.done)
	defer close(in.edges)
	var buf [16 * eventSize]byte
	var last uint32
	for {
		in.file.SetReadDeadline(time.Now().Add(in.probe)) // an error of it comes from Read again
		n, err := in.file.Read(buf[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_, err = in.level()
		}
		if err != nil {
			in.end(in.failed("wait for edges", err))
			return
		}
		for b := buf[:n]; len(b) >= eventSize; b = b[eventSize:] {
			last = in.event(b, last)
		}
	}
}

// event hands on one struct gpio_v2_line_event: u64 timestamp_ns, u32 id,
// offset, seqno, line_seqno. last is the line_seqno of the one before.
func (in *Input) event(b []byte, last uint32) uint32 {
	id, seq := binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[20:])
	in.dropped.Add(uint64(seq - last - 1)) // the kernel counts from 1 and keeps the newest
	e := gpio.Edge{
		Active: uapi.LineEventID(id) == uapi.LineEventRisingEdge, // of the logical level: active-low is the kernel's work
		At:     time.Duration(binary.NativeEndian.Uint64(b)),
	}
	for {
		select {
		case in.edges <- e:
			return seq
		default:
		}
		select {
		case <-in.edges: // full: the oldest goes
			in.dropped.Add(1)
		default:
		}
	}
}

func (in *Input) end(why error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.gone = why
}
