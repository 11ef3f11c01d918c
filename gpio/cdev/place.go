package cdev

import (
	"errors"
	"fmt"
	"strconv"
)

// Place is where a line is.
type Place struct {
	Chip   string // the chip's label, as gpiodetect shows it in brackets
	Line   string // the line's name, as gpioinfo shows it; "" for Offset
	Offset int    // within the chip
}

func (p Place) String() string {
	if p.Line != "" {
		return fmt.Sprintf("line %s of chip %s", p.Line, p.Chip)
	}
	return fmt.Sprintf("line %d of chip %s", p.Offset, p.Chip)
}

// Info is what the kernel tells about a line.
type Info struct {
	Device string // of the chip, as in "gpiochip0"; changes from boot to boot
	Label  string // of the chip
	Name   string // of the line; may be ""
	Offset int

	Used     bool   // somebody holds it
	Consumer string // who, by the name it gave itself; "" if it gave none
	Output   bool
}

// Owner says who holds a line that is Used.
func (i Info) Owner() string {
	if i.Consumer == "" {
		return "somebody who gave no name"
	}
	return strconv.Quote(i.Consumer)
}

func (i Info) place() string {
	if i.Name == "" {
		return fmt.Sprintf("line %d of chip %s", i.Offset, i.Label)
	}
	return fmt.Sprintf("line %s (%d) of chip %s", i.Name, i.Offset, i.Label)
}

// Errors of Lookup, OpenInput and OpenOutput. A line in use is a
// syscall.EBUSY, a chip without permission an fs.ErrPermission.
var (
	ErrNoChip = errors.New("no such chip")
	ErrNoLine = errors.New("no such line")
)

// ErrClosed is what a line answers after its Close.
var ErrClosed = errors.New("line is closed")

// Bias is the resistor inside the chip.
type Bias uint8

// The biases. BiasAsIs leaves what the firmware or the device tree has set.
const (
	BiasAsIs Bias = iota
	BiasOff
	PullUp
	PullDown
)

// InputOptions say how a line is read.
type InputOptions struct {
	ActiveLow bool
	Bias      Bias
}

// OutputOptions say how a line is driven.
type OutputOptions struct {
	ActiveLow bool
	OpenDrain bool // driven to low only; high is left to a resistor
}
