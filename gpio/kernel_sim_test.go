//go:build linux

package gpio_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"intercom/gpio/cdev"
)

// needKernel skips a test that wants a real GPIO chip, made by the kernel's
// gpio-sim (Documentation/admin-guide/gpio/gpio-sim.rst), unless there is one.
func needKernel(t *testing.T) {
	t.Helper()
	if os.Getenv("GPIO_LAB") != "1" {
		t.Skip("needs a kernel with gpio-sim; make test-board runs it, or set GPIO_LAB=1 where configfs and gpio-sim are")
	}
}

// simChip is a chip whose other side is in sysfs.
type simChip struct {
	label  string
	config string // its folder in configfs
	bank   string // its folder in sysfs
	names  []string
	gone   bool
}

// newChip plugs in a chip with lines of these names.
func newChip(t *testing.T, label string, names ...string) *simChip {
	t.Helper()
	needKernel(t)
	c := &simChip{label: label, config: "/sys/kernel/config/gpio-sim/" + label, names: names}
	bank := filepath.Join(c.config, "bank0")
	dirs, files := []string{c.config, bank}, [][2]string{
		{"bank0/num_lines", strconv.Itoa(len(names))}, {"bank0/label", label},
	}
	for i, name := range names {
		line := fmt.Sprintf("bank0/line%d", i)
		dirs = append(dirs, filepath.Join(c.config, line))
		files = append(files, [2]string{line + "/name", name})
	}
	for _, d := range dirs {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range append(files, [2]string{"live", "1"}) {
		c.write(t, filepath.Join(c.config, f[0]), f[1])
	}
	t.Cleanup(func() {
		c.unplug(t)
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := os.Remove(dirs[i]); err != nil {
				t.Error(err)
			}
		}
	})
	c.bank = filepath.Join("/sys/devices/platform", c.word(t, filepath.Join(c.config, "dev_name")), c.word(t, filepath.Join(bank, "chip_name")))
	return c
}

func (c *simChip) write(t *testing.T, file, value string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c *simChip) word(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// pull moves the line from outside, as a contact does.
func (c *simChip) pull(t *testing.T, line int, high bool) {
	t.Helper()
	to := "pull-down"
	if high {
		to = "pull-up"
	}
	c.write(t, fmt.Sprintf("%s/sim_gpio%d/pull", c.bank, line), to)
}

// high reads the line from outside, as a lamp does.
func (c *simChip) high(t *testing.T, line int) bool {
	t.Helper()
	return c.word(t, fmt.Sprintf("%s/sim_gpio%d/value", c.bank, line)) == "1"
}

// unplug takes the chip away, once.
func (c *simChip) unplug(t *testing.T) {
	t.Helper()
	if !c.gone {
		c.write(t, filepath.Join(c.config, "live"), "0")
		c.gone = true
	}
}

func (c *simChip) at(line int) cdev.Place { return cdev.Place{Chip: c.label, Line: c.names[line]} }

// input opens a line, until the end of the test.
func (c *simChip) input(t *testing.T, line int, opts cdev.InputOptions) *cdev.Input {
	t.Helper()
	in, err := cdev.OpenInput("test-in", c.at(line), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in
}

// output opens a line, until the end of the test.
func (c *simChip) output(t *testing.T, line int, opts cdev.OutputOptions) *cdev.Output {
	t.Helper()
	out, err := cdev.OpenOutput("test-out", c.at(line), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

// next receives, or fails after a time that only a fault lets pass.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatal("the channel is closed")
		}
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}
