package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const configFS = "/sys/kernel/config"

// chip is a GPIO chip of gpio-sim: the station's side is the character device, ours is in sysfs.
type chip struct {
	name  string
	dir   string         // in configfs
	sysfs string         // of the bank
	lines map[string]int // offsets by name
}

// newChip makes a chip with this label and these line names ("" for a line without one) and plugs it in.
func newChip(label string, names []string) (*chip, error) {
	c := &chip{name: label, dir: filepath.Join(configFS, "gpio-sim", label), lines: map[string]int{}}
	bank := filepath.Join(c.dir, "bank0")
	if err := os.MkdirAll(bank, 0o755); err != nil {
		return nil, fmt.Errorf("chip %s: %w", label, err)
	}
	if err := c.write(filepath.Join(bank, "num_lines"), strconv.Itoa(len(names))); err != nil {
		return nil, err
	}
	if err := c.write(filepath.Join(bank, "label"), label); err != nil {
		return nil, err
	}
	for i, name := range names {
		if name == "" {
			continue
		}
		c.lines[name] = i
		line := filepath.Join(bank, fmt.Sprintf("line%d", i))
		if err := os.Mkdir(line, 0o755); err != nil {
			return nil, fmt.Errorf("chip %s: %w", label, err)
		}
		if err := c.write(filepath.Join(line, "name"), name); err != nil {
			return nil, err
		}
	}
	if err := c.write(filepath.Join(c.dir, "live"), "1"); err != nil {
		return nil, err
	}
	dev, err := readWord(filepath.Join(c.dir, "dev_name"))
	if err != nil {
		return nil, err
	}
	node, err := readWord(filepath.Join(bank, "chip_name"))
	if err != nil {
		return nil, err
	}
	c.sysfs = filepath.Join("/sys/devices/platform", dev, node)
	return c, nil
}

func (c *chip) write(path, value string) error {
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return fmt.Errorf("chip %s: %w", c.name, err)
	}
	return nil
}

func (c *chip) attribute(line, attribute string) string {
	return filepath.Join(c.sysfs, fmt.Sprintf("sim_gpio%d", c.lines[line]), attribute)
}

// pull drives a line from outside, as a button's contact does.
func (c *chip) pull(line string, high bool) error {
	if _, ok := c.lines[line]; !ok {
		return fmt.Errorf("chip %s has no line %q", c.name, line)
	}
	to := "pull-down"
	if high {
		to = "pull-up"
	}
	return c.write(c.attribute(line, "pull"), to)
}

// level reads a line from outside, as a lamp does.
func (c *chip) level(line string) (bool, error) {
	if _, ok := c.lines[line]; !ok {
		return false, fmt.Errorf("chip %s has no line %q", c.name, line)
	}
	v, err := readWord(c.attribute(line, "value"))
	return v == "1", err
}

func readWord(path string) (string, error) {
	data, err := os.ReadFile(path)
	return strings.TrimSpace(string(data)), err
}

// lineInfo asks the kernel about a line.
func lineInfo(c *chip, line string) (info gpioLineInfo, err error) {
	f, err := os.Open(filepath.Join("/dev", filepath.Base(c.sysfs)))
	if err != nil {
		return info, err
	}
	defer f.Close()
	info.offset = uint32(c.lines[line])
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ioctlLineInfo, uintptr(unsafe.Pointer(&info))); e != 0 {
		return info, fmt.Errorf("chip %s line %s: %w", c.name, line, e)
	}
	return info, nil
}

// lineTaken asks the kernel whether a program has a line: GPIO_V2_GET_LINEINFO_IOCTL, include/uapi/linux/gpio.h.
func lineTaken(c *chip, line string) error {
	info, err := lineInfo(c, line)
	if err == nil && info.flags&1 == 0 {
		err = fmt.Errorf("%s is free", line)
	}
	return err
}

type gpioLineInfo struct {
	name, consumer  [32]byte
	offset, numAttr uint32
	flags           uint64
	_               [10 * 16]byte
	_               [4]uint32
}

const ioctlLineInfo = 0xc100b405
