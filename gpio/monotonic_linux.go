package gpio

import (
	"time"

	"golang.org/x/sys/unix"
)

// origin is one moment on the kernel's clock and on Go's, which is the same one
// but begins elsewhere: Go reads it without a system call.
var origin = func() (o struct {
	kernel time.Duration
	here   time.Time
}) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) == nil { // Linux always can
		o.kernel = time.Duration(ts.Nano())
	}
	o.here = time.Now()
	return o
}()

// Monotonic returns the time since boot on CLOCK_MONOTONIC, the clock that the
// kernel stamps edges with (GPIO v2 uAPI: GPIO_V2_LINE_FLAG_EVENT_CLOCK_REALTIME
// not set).
func Monotonic() time.Duration { return origin.kernel + time.Since(origin.here) }
