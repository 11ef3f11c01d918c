package gpio

import (
	"time"

	"golang.org/x/sys/unix"
)

// Monotonic returns the time since boot on CLOCK_MONOTONIC, the clock that the
// kernel stamps edges with (GPIO v2 uAPI: GPIO_V2_LINE_FLAG_EVENT_CLOCK_REALTIME
// not set). It returns 0 if the clock can not be read, which Linux never does.
func Monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
