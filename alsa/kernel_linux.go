package alsa

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is what this package needs of Linux. Tests have another one, with
// cards of their own.
type kernel interface {
	// files is the root of the file system: /proc and /sys are read there.
	files() fs.FS
	// open opens a device node for reading and writing. It never waits: a
	// device in use gives EBUSY.
	open(path string) (fd int, err error)
	close(fd int) error
	ioctl(fd int, request uintptr, arg unsafe.Pointer) error
	ioctlInt(fd int, request uintptr, arg int) error
	// poll waits until one of fds is ready, a signal comes, or timeout is over.
	poll(fds []unix.PollFd, timeout time.Duration) error
	// eventfd makes a descriptor that is ready for reading from signal until
	// drain.
	eventfd() (fd int, err error)
	signal(fd int) error
	drain(fd int) error
	// now is CLOCK_MONOTONIC.
	now() time.Duration
	// urgent makes the calling thread go before ordinary ones, and keeps the
	// process's memory from being paged out.
	urgent() error
}

// linux is the real kernel.
type linux struct {
	began time.Time     // with Go's monotonic reading, which costs no system call
	base  time.Duration // CLOCK_MONOTONIC then

	// In here, so that nothing is allocated for a call.
	one     [8]byte       // for signal: never written
	count   [8]byte       // for drain, which only a device's thread calls
	timeout unix.Timespec // for poll, the same
}

func newLinux() (*linux, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return nil, fmt.Errorf("alsa: CLOCK_MONOTONIC: %w", err)
	}
	l := &linux{began: time.Now(), base: time.Duration(ts.Nano())}
	binary.NativeEndian.PutUint64(l.one[:], 1)
	return l, nil
}

func (*linux) files() fs.FS { return os.DirFS("/") }

func (*linux) open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

func (*linux) close(fd int) error { return unix.Close(fd) }

func (*linux) ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	return errnoOf(unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)))
}

func (*linux) ioctlInt(fd int, request uintptr, arg int) error {
	return errnoOf(unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)))
}

func errnoOf(_, _ uintptr, errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

func (l *linux) poll(fds []unix.PollFd, timeout time.Duration) error {
	l.timeout = unix.NsecToTimespec(max(0, timeout).Nanoseconds())
	_, err := unix.Ppoll(fds, &l.timeout, nil)
	if errors.Is(err, unix.EINTR) { // Go preempts by signal; the caller looks again
		for i := range fds {
			fds[i].Revents = 0
		}
		return nil
	}
	return err
}

func (*linux) eventfd() (int, error) {
	return unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
}

// signal may find the count full: then it is ready already.
func (l *linux) signal(fd int) error {
	_, err := unix.Write(fd, l.one[:])
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Write(fd, l.one[:])
	}
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}

// drain that is interrupted leaves the event ready, to be drained next time.
func (l *linux) drain(fd int) error {
	_, err := unix.Read(fd, l.count[:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

func (l *linux) now() time.Duration { return l.base + time.Since(l.began) }

// Urgency is what a device's thread asks for on a machine with so many
// processors: a priority of SCHED_FIFO, or where that is 0, a nice value.
//
// Go's runtime waits by sched_yield for an ordinary thread that holds a
// goroutine's state for a moment: the collector, and the watch over threads in
// system calls, which looks at a card's thread many times a period. Another
// processor brings that one to its end. Where there is only one, from which it
// was taken, a thread of a real-time class waits for all of the 0.95 s that the
// kernel lets it (sched_rt_runtime_us), and all else with it. One with a nice
// value waits for up to 10 ms with -5, 30 with -10, 90 with -15 (Linux 6.1); the
// playback buffer holds more than 10. With two processors and a program that
// was half idle, the worst of 10,000 wake-ups was 7 ms late with SCHED_FIFO, 24
// with nice -5.
func Urgency(processors int) (fifo, nice int) {
	if processors > 1 {
		// Below 50, where a kernel with threaded interrupts runs their
		// handlers: the card's own must go first.
		return 40, 0
	}
	return 0, -5
}

// urgent implements kernel.
func (*linux) urgent() error {
	return errors.Join(goFirst(runtime.NumCPU()), lockMemory())
}

// goFirst gives the calling thread what Urgency says, or what it may have of
// it. Reset on fork: no thread or process started from here inherits it.
func goFirst(processors int) error {
	fifo, nice := Urgency(processors)
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if fifo == 0 {
		attr.Policy, attr.Nice = unix.SCHED_NORMAL, int32(nice)
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			return fmt.Errorf("nice value %d: %w; allow it with LimitNICE=%[1]d or CAP_SYS_NICE", nice, err)
		}
		return nil
	}
	attr.Policy, attr.Priority = unix.SCHED_FIFO, uint32(fifo)
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		_ = goFirst(1) // better than nothing
		return fmt.Errorf("real-time priority %d: %w; allow it with LimitRTPRIO=%[1]d or CAP_SYS_NICE", fifo, err)
	}
	return nil
}

func lockMemory() error {
	if !mayLockMemory() {
		return errors.New("lock memory: not permitted without a limit; allow it with LimitMEMLOCK=infinity or CAP_IPC_LOCK")
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}

// mayLockMemory is true only where locking knows no limit. Under a limit the
// lock may succeed, and then a later allocation fails, which ends a Go program.
func mayLockMemory() bool {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err == nil && limit.Cur == unix.RLIM_INFINITY {
		return true
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}
