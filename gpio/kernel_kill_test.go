//go:build linux

package gpio_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"testing"

	"intercom/gpio"
	"intercom/gpio/cdev"
)

// heldRelay is the environment variable by which the test binary becomes a
// process that holds a relay on.
const heldRelay = "GPIO_TEST_HOLD"

// TestKernelHold is no test of its own: TestKernelKill starts it in another
// process, and kills that.
func TestKernelHold(t *testing.T) {
	needKernel(t)
	spec := os.Getenv(heldRelay)
	if spec == "" {
		return
	}
	var at cdev.Place
	if err := json.Unmarshal([]byte(spec), &at); err != nil {
		t.Fatal(err)
	}
	out, err := cdev.OpenOutput("to-be-killed", at, cdev.OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := gpio.NewRelay("strike", out, gpio.MaxRelayLimit, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Pulse(gpio.MaxRelayLimit); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("on\n")
	select {}
}

// killHolder starts a process that holds a relay on and kills it with SIGKILL.
// on is called before.
func killHolder(t *testing.T, at cdev.Place, on func()) {
	t.Helper()
	spec, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKernelHold$")
	cmd.Env = append(os.Environ(), heldRelay+"="+string(spec))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "on" {
		t.Log(lines.Text())
	}
	if lines.Text() != "on" {
		t.Error("the process did not switch its relay on")
	} else {
		on()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("the process ended by itself: %v", err)
	}
}

// TestKernelKill kills a process that holds a relay on. On a chip that makes a
// line an input when it comes back, the relay is off by that.
func TestKernelKill(t *testing.T) {
	chip := newChip(t, "sim-kill", "STRIKE")
	killHolder(t, chip.at(0), func() {
		if !chip.high(t, 0) {
			t.Error("the relay is not on")
		}
		if i, err := cdev.Lookup(chip.at(0)); err != nil || i.Consumer != "to-be-killed" {
			t.Errorf("lookup: %+v, %v", i, err)
		}
	})
	if chip.high(t, 0) {
		t.Error("the relay is on after its process died")
	}
}

// TestKernelKillKept does the same on a chip that keeps its outputs, as the
// kernels of Raspberry Pi do: the relay stays on, until somebody opens the line
// as an output again, which the service's stop action does.
func TestKernelKillKept(t *testing.T) {
	needKernel(t)
	at := cdev.Place{Chip: "9030000.pl061", Offset: 5} // the chip of QEMU's virt machine
	if _, err := cdev.Lookup(at); err != nil {
		t.Skipf("needs a chip that keeps its outputs, as QEMU's virt machine has: %v", err)
	}
	killHolder(t, at, func() {})
	level := func() bool {
		// Of this chip reading the register changes nothing, and asking for
		// an input would: the line is read as it is.
		out, err := cdev.ReadAsIs(at)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if !level() {
		t.Fatal("the chip does not keep its outputs: this test proves nothing")
	}
	out, err := cdev.OpenOutput("stop-action", at, cdev.OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if level() {
		t.Error("the relay is on after the stop action")
	}
}
