package board

import (
	"os"
	"testing"

	"intercom/gpio/cdev"
)

// TestKernelRaspberryPi3 finds the profile of the machine it runs on, and every
// line of it, on QEMU's raspi3b.
func TestKernelRaspberryPi3(t *testing.T) {
	if os.Getenv("BOARD_LAB") != "raspi3b" {
		t.Skip("needs a Raspberry Pi 3, or QEMU's raspi3b; set BOARD_LAB=raspi3b there")
	}
	p, err := Load(Selection{Profile: Auto, Sound: "usb"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "raspberry-pi-3" {
		t.Errorf("this board is taken for %s", p.Name)
	}
	places := map[string]Place{}
	for _, in := range p.Inputs {
		places[in.Name] = in.Place
	}
	for _, out := range p.Outputs {
		places[out.Name] = out.Place
	}
	for name, at := range places {
		i, err := cdev.Lookup(at.At())
		if err != nil || i.Used {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
	}
	b, err := Open(p, "intercom")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	out, err := b.Output("strike")
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := out.Set(on); err != nil {
			t.Error(err)
		}
	}
	if kept, why, err := cdev.ReleasedOutputs(os.DirFS("/"), "pinctrl-bcm2835"); err != nil || kept != cdev.Falls {
		t.Errorf("released outputs: %v, %q, %v; Debian's kernel lets them fall", kept, why, err)
	}
	if in, err := b.Input("bell-1"); err != nil {
		t.Error(err)
	} else if _, err := in.Read(); err != nil { // its level says nothing: QEMU's pins have no resistors
		t.Error(err)
	}
}
