//go:build !linux

package cdev

import (
	"errors"

	"intercom/gpio"
)

// Input is a line that is read.
type Input struct{ gpio.Input }

// Output is a line that is driven.
type Output struct{ gpio.Output }

// errUnsupported is for systems without the character device.
var errUnsupported = errors.New("GPIO lines need Linux")

// Lookup needs Linux.
func Lookup(Place) (Info, error) { return Info{}, errUnsupported }

// OpenInput needs Linux.
func OpenInput(string, Place, InputOptions) (*Input, error) { return nil, errUnsupported }

// OpenOutput needs Linux.
func OpenOutput(string, Place, OutputOptions) (*Output, error) { return nil, errUnsupported }

// ReadAsIs needs Linux.
func ReadAsIs(Place) (bool, error) { return false, errUnsupported }
