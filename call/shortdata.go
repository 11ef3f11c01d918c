package call

import (
	"errors"
	"fmt"
	"slices"
)

// Why short data was not sent; a limit that was passed is an error of its own.
var (
	ErrNotConnected = errors.New("call: not connected")
	ErrTooOften     = errors.New("call: short data was sent less than 1 s ago")
)

// SendShortData sends a few bytes to the other side's application: type at
// most MaxShortType, data at most MaxShortData bytes, once a second.
// OnShortDataResult says, by the id given here, whether it was acknowledged.
// With an error nothing was sent: ErrNotConnected, ErrTooOften, or one that says
// which limit was passed.
func (c *Call) SendShortData(typ string, data []byte) (id int64, err error) {
	if len(data) > MaxShortData {
		return 0, fmt.Errorf("call: short data has %d bytes, at most %d", len(data), MaxShortData)
	}
	if err := atMost("type", typ, MaxShortType); err != nil {
		return 0, fmt.Errorf("call: short data: %w", err)
	}
	k := c.kit
	k.mu.Lock()
	defer k.mu.Unlock()
	tooOften := c.s.shortWait
	switch ok := k.apply(c, evShortData{typ, slices.Clone(data)}); {
	case ok:
		return c.s.shortSeq, nil
	case tooOften:
		return 0, ErrTooOften
	}
	return 0, ErrNotConnected
}
