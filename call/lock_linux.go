package call

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockFile takes the whole file's lock (flock(2)) without waiting; the kernel
// frees it when the process dies, however it does.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

func unlockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// lockByte takes or frees one byte's lock without waiting. It belongs to the open
// file (F_OFD_SETLK, fcntl(2)), not to the process, and one that is held changes
// its kind in one step.
func lockByte(f *os.File, at int64, l byteLock) error {
	typ := [...]int16{byteFree: syscall.F_UNLCK, byteShared: syscall.F_RDLCK, byteAlone: syscall.F_WRLCK}[l]
	return syscall.FcntlFlock(f.Fd(), ofdSetLock, &syscall.Flock_t{Type: typ, Start: at, Len: 1})
}

// byteTaken reports whether another open file has a byte's lock.
func byteTaken(f *os.File, at int64) (bool, error) {
	l := syscall.Flock_t{Type: syscall.F_WRLCK, Start: at, Len: 1}
	err := syscall.FcntlFlock(f.Fd(), ofdGetLock, &l)
	return l.Type != syscall.F_UNLCK, err
}

// isTaken reports whether another open file has what was wanted.
func isTaken(err error) bool { return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) }

const (
	ofdGetLock = 36 // F_OFD_GETLK and F_OFD_SETLK (include/uapi/asm-generic/fcntl.h); syscall has no names for them
	ofdSetLock = 37
)

// openFlags follow no symbolic link and wait for no pipe.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC

// ownedByMe reports whether a folder belongs to this process's user, or root.
func ownedByMe(i fs.FileInfo) bool {
	st, ok := i.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Geteuid() || st.Uid == 0)
}

// bootTime is the kernel's boot id and the time since that boot, suspended time
// included (CLOCK_BOOTTIME, which /proc/uptime shows; proc_uptime(5)).
func bootTime() (boot string, now time.Duration, err error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0, err
	}
	up, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "", 0, err
	}
	f := strings.Fields(string(up))
	if len(f) == 0 {
		return "", 0, errors.New("/proc/uptime is empty")
	}
	s, err := strconv.ParseFloat(f[0], 64)
	if err != nil {
		return "", 0, fmt.Errorf("/proc/uptime: %w", err)
	}
	return strings.TrimSpace(string(id)), time.Duration(s * float64(time.Second)), nil
}

// isRefused reports whether nobody listens at a socket.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
