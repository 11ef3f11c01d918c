//go:build !linux

package gpio

import "time"

var processStart = time.Now()

// Monotonic returns the time since the process started: outside Linux there
// are only simulated boards, whose edges are stamped with this same clock.
func Monotonic() time.Duration { return time.Since(processStart) }
