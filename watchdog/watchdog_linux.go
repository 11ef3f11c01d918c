package watchdog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watchdog is an armed watchdog. Its methods are for one goroutine: the one whose life it guards.
type Watchdog struct {
	file    *os.File
	reset   bool
	timeout time.Duration
}

// Open arms the watchdog at path, as in "/dev/watchdog". The timeout is in whole seconds; the hardware may make
// another of it, see Timeout. Errors: fs.ErrNotExist, fs.ErrPermission, syscall.EBUSY when another process has it,
// syscall.EINVAL for a timeout that the hardware can not do.
func Open(path string, timeout time.Duration) (*Watchdog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, syscall.EBUSY):
		return nil, fmt.Errorf("watchdog: open: %w; another program has it, systemd perhaps: then give this one none", err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("watchdog: open: %w; load the watchdog's driver, or give none", err)
	case err != nil:
		return nil, fmt.Errorf("watchdog: open: %w", err)
	}
	w := &Watchdog{file: f}
	if err := w.arm(timeout); err != nil {
		return nil, errors.Join(fmt.Errorf("watchdog: %s: %w", path, err), w.Close())
	}
	return w, nil
}

func (w *Watchdog) arm(timeout time.Duration) error {
	fd := int(w.file.Fd())
	status, err := unix.IoctlGetInt(fd, unix.WDIOC_GETBOOTSTATUS)
	if err != nil {
		return fmt.Errorf("read the cause of the last start: %w", err)
	}
	w.reset = status > 0 && status&unix.WDIOF_CARDRESET != 0
	if err := unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, int(timeout/time.Second)); err != nil {
		return fmt.Errorf("set a timeout of %v: %w", timeout, err)
	}
	seconds, err := unix.IoctlGetInt(fd, unix.WDIOC_GETTIMEOUT)
	if err != nil {
		return fmt.Errorf("read the timeout: %w", err)
	}
	w.timeout = time.Duration(seconds) * time.Second
	return w.Feed()
}

// Timeout is the one that the hardware has.
func (w *Watchdog) Timeout() time.Duration { return w.timeout }

// WasReset reports whether this watchdog has reset the board before this start, where the hardware can tell.
func (w *Watchdog) WasReset() bool { return w.reset }

// Feed starts the timeout anew.
func (w *Watchdog) Feed() error {
	if err := unix.IoctlWatchdogKeepalive(int(w.file.Fd())); err != nil {
		return fmt.Errorf("watchdog: feed: %w", err)
	}
	return nil
}

// Close disarms it, by the letter that tells a wanted end from a crash; a kernel that is built to (nowayout) goes on
// counting all the same.
func (w *Watchdog) Close() error {
	_, err := w.file.WriteString("V")
	if err := errors.Join(err, w.file.Close()); err != nil {
		return fmt.Errorf("watchdog: disarm: %w", err)
	}
	return nil
}
