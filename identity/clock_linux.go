package identity

import "golang.org/x/sys/unix"

// clockSynchronised reports whether the kernel's clock is disciplined by a
// time service: adjtimex(2), which clears STA_UNSYNC then and sets it again
// when the service has been silent for too long.
func clockSynchronised() bool {
	var t unix.Timex // modes 0: read only
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC == 0
}
