package cdev

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/warthog618/go-gpiocdev"
)

// ErrPermission tells what to do about it.
var errPermission = errors.New("add the user to the group of /dev/gpiochip* (gpio), and install the udev rules of packaging/ if it belongs to root")

// kernelChip is an opened chip.
type kernelChip struct{ *gpiocdev.Chip }

func (c kernelChip) label() string { return c.Label }
func (c kernelChip) lines() int    { return c.Lines() }

func (c kernelChip) info(offset int) (Info, error) {
	i, err := c.LineInfo(offset)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Device: c.Name, Label: c.Label, Name: i.Name, Offset: i.Offset,
		Used: i.Used, Consumer: i.Consumer,
		Output: i.Config.Direction == gpiocdev.LineDirectionOutput,
	}, nil
}

// openChips opens all chips that it can, and says why it could not open the
// others.
func openChips() (chips []kernelChip, unread error) {
	for _, name := range gpiocdev.Chips() {
		c, err := gpiocdev.NewChip(name)
		switch {
		case err == nil:
			chips = append(chips, kernelChip{c})
		case errors.Is(err, fs.ErrPermission):
			unread = fmt.Errorf("%w; %w", err, errPermission)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, gpiocdev.ErrNotCharacterDevice):
			// It went while we looked, or is a link to another one.
		default:
			unread = fmt.Errorf("open /dev/%s: %w", name, err)
		}
	}
	return chips, unread
}

// withLine calls f with the chip and the line at a place.
func withLine(at Place, f func(kernelChip, Info) error) error {
	chips, unread := openChips()
	defer func() {
		for _, c := range chips {
			c.Close()
		}
	}()
	c, i, err := find(chips, unread, at)
	if err != nil {
		return err
	}
	return f(c, i)
}

// Lookup tells what is at a place, without opening it.
func Lookup(at Place) (info Info, err error) {
	err = withLine(at, func(_ kernelChip, i Info) error {
		info = i
		return nil
	})
	if err != nil {
		return Info{}, fmt.Errorf("gpio: %w", err)
	}
	return info, nil
}

// requested explains why a line was not given.
func requested(c kernelChip, i Info, err error) error {
	if !errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("%s: request: %w", i.place(), err)
	}
	if now, infoErr := c.info(i.Offset); infoErr == nil {
		i = now // who took it since
	}
	return fmt.Errorf("%s: %w: in use by %s; stop that program, or remove the overlay that claims the line", i.place(), err, i.Owner())
}

// lost explains an error of a line that is open.
func lost(i Info, doing string, err error) error {
	if errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("gpio: %s: %s: the chip is gone (unplugged, or its driver unbound): %w", i.place(), doing, err)
	}
	return fmt.Errorf("gpio: %s: %s: %w", i.place(), doing, err)
}

// ReadAsIs returns the electrical level of a free line and changes nothing
// about it, neither direction nor resistor.
func ReadAsIs(at Place) (high bool, err error) {
	err = withLine(at, func(c kernelChip, i Info) error {
		l, err := c.RequestLine(i.Offset, gpiocdev.WithConsumer("intercom-read"), gpiocdev.AsIs)
		if err != nil {
			return requested(c, i, err)
		}
		v, err := l.Value()
		high = v == 1
		return errors.Join(err, l.Close())
	})
	if err != nil {
		return false, fmt.Errorf("gpio: read: %w", err)
	}
	return high, nil
}
