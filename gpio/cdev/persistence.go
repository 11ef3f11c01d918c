package cdev

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Persistence is what becomes of an output when its line is given back, also by
// the end of the process that held it.
type Persistence uint8

// The kinds of persistence.
const (
	Unknown Persistence = iota // the driver does not tell
	Falls                      // it becomes an input, and falls to its resistor
	Kept                       // it stays as it was driven last
)

func (p Persistence) String() string {
	switch p {
	case Falls:
		return "falls"
	case Kept:
		return "kept"
	}
	return "unknown"
}

// ReleasedOutputs tells what the chip of a label does with outputs that are
// given back, and how that is known. root is the root of the file system.
//
// The kernels of Raspberry Pi OS keep them (raspberrypi/linux pull requests
// 6117 and 6150) unless dtparam=strict_gpiod in config.txt has set the
// parameter persist_gpio_outputs of the pin driver to N; for some weeks of
// 2024 the parameter was called strict_gpiod, and meant the opposite. Mainline
// has the parameter since 6.11, off, and made them inputs before.
func ReleasedOutputs(root fs.FS, label string) (Persistence, string, error) {
	var module string
	switch {
	case strings.HasPrefix(label, "pinctrl-bcm2"):
		module = "pinctrl_bcm2835"
	case label == "pinctrl-rp1":
		module = "pinctrl_rp1"
	default:
		return Unknown, "the driver of chip " + label + " does not tell", nil
	}
	for _, param := range []struct {
		name string
		yes  Persistence
		no   Persistence
	}{{"persist_gpio_outputs", Kept, Falls}, {"strict_gpiod", Falls, Kept}} {
		file := "sys/module/" + module + "/parameters/" + param.name
		switch value, err := fs.ReadFile(root, file); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return Unknown, "", fmt.Errorf("gpio: read what becomes of outputs: %w", err)
		case strings.TrimSpace(string(value)) == "Y":
			return param.yes, "/" + file + " is Y", nil
		default:
			return param.no, "/" + file + " is " + strings.TrimSpace(string(value)), nil
		}
	}
	release, err := fs.ReadFile(root, "proc/sys/kernel/osrelease")
	if err != nil {
		return Unknown, "", fmt.Errorf("gpio: read the kernel's version: %w", err)
	}
	version := strings.TrimSpace(string(release))
	switch {
	case raspberryKernel(version):
		return Kept, "kernel " + version + " is older than the parameter persist_gpio_outputs", nil
	case module == "pinctrl_bcm2835":
		return Falls, "kernel " + version + " is not Raspberry Pi's", nil
	}
	return Unknown, "kernel " + version + " does not tell", nil
}

// raspberryKernel knows kernels of Raspberry Pi's tree by their version: as in
// 6.1.21-v8+, 6.6.31+rpt-rpi-2712, 6.8.0-1004-raspi.
func raspberryKernel(version string) bool {
	for _, mark := range []string{"-v6", "-v7", "-v8", "-16k", "rpi", "raspi"} {
		if strings.Contains(version, mark) {
			return true
		}
	}
	return false
}
