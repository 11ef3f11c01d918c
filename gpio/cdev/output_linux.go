package cdev

import (
	"errors"
	"fmt"
	"sync"

	"github.com/warthog618/go-gpiocdev"

	"intercom/gpio"
)

// Output is a line that is driven.
type Output struct {
	info Info

	mu   sync.Mutex // Close never comes between the steps of Set
	line *gpiocdev.Line
	done bool
}

var _ gpio.Output = (*Output)(nil)

// OpenOutput takes a line and drives it inactive in the same step. consumer is
// the name that others see as its owner, up to 31 bytes.
func OpenOutput(consumer string, at Place, opts OutputOptions) (*Output, error) {
	o := &Output{}
	req := []gpiocdev.LineReqOption{gpiocdev.WithConsumer(consumer), gpiocdev.AsOutput(0)}
	if opts.ActiveLow {
		req = append(req, gpiocdev.AsActiveLow)
	}
	if opts.OpenDrain {
		req = append(req, gpiocdev.AsOpenDrain)
	}
	err := withLine(at, func(c kernelChip, i Info) (err error) {
		o.info = i
		if o.line, err = c.RequestLine(i.Offset, req...); err != nil {
			return requested(c, i, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("gpio: open output: %w", err)
	}
	return o, nil
}

// Set drives the line. A chip that is gone is a syscall.ENODEV.
func (o *Output) Set(on bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.set(on)
}

func (o *Output) set(on bool) error {
	if o.done {
		return fmt.Errorf("gpio: %s: %w", o.info.place(), ErrClosed)
	}
	level := 0
	if on {
		level = 1
	}
	if err := o.line.SetValue(level); err != nil {
		return lost(o.info, "set", err)
	}
	return nil
}

// Read returns the level that the line has.
func (o *Output) Read() (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return false, fmt.Errorf("gpio: %s: %w", o.info.place(), ErrClosed)
	}
	v, err := o.line.Value()
	if err != nil {
		return false, lost(o.info, "read", err)
	}
	return v == 1, nil
}

// Close drives the line inactive and gives it back. What its level is from
// then on is the chip's affair (see Persistence). The error is that of the
// last write; the line is given back also then.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return nil
	}
	err := o.set(false)
	o.done = true
	if closing := o.line.Close(); closing != nil {
		err = errors.Join(err, lost(o.info, "close", closing))
	}
	return err
}
