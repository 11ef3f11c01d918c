package board

import (
	"os"
	"testing"

	"intercom/gpio/cdev"
)

// TestKernelBoard finds the profile of the machine it runs on, and every line
// of it, on a board of QEMU's: BOARD_LAB says which.
func TestKernelBoard(t *testing.T) {
	boards := map[string]struct {
		profile  string
		released cdev.Persistence
	}{
		"raspi3b": {"raspberry-pi-3", cdev.Falls},
		"virt":    {"qemu-virt", cdev.Unknown},
	}
	want, ok := boards[os.Getenv("BOARD_LAB")]
	if !ok {
		t.Skip("needs a board of QEMU's; set BOARD_LAB=raspi3b or BOARD_LAB=virt there")
	}
	p, err := Load(Selection{Profile: Auto})
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != want.profile {
		t.Errorf("this board is taken for %s, want %s", p.Name, want.profile)
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
	if kept, why, err := cdev.ReleasedOutputs(os.DirFS("/"), places["strike"].Chip); err != nil || kept != want.released {
		t.Errorf("released outputs: %v, %q, %v; want %v", kept, why, err, want.released)
	}
	if in, err := b.Input("bell-1"); err != nil {
		t.Error(err)
	} else if _, err := in.Read(); err != nil { // its level says nothing: QEMU's pins have no resistors
		t.Error(err)
	}
}
