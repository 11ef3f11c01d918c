package board

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"intercom/gpio"
	"intercom/gpio/cdev"
	"intercom/gpio/gpiotest"
)

// fakeLines is a kernel that notes what is opened.
type fakeLines struct {
	opened []string
	at     []cdev.Place
	pins   []*gpiotest.Pin
	in     []cdev.InputOptions
	out    []cdev.OutputOptions
	err    error
}

func (f *fakeLines) pin(consumer string, at cdev.Place) *gpiotest.Pin {
	p := gpiotest.NewPin()
	f.opened, f.at, f.pins = append(f.opened, consumer), append(f.at, at), append(f.pins, p)
	return p
}

func (f *fakeLines) opener() opener {
	return opener{
		input: func(consumer string, at cdev.Place, o cdev.InputOptions) (gpio.Input, error) {
			if f.err != nil {
				return nil, f.err
			}
			f.in = append(f.in, o)
			return f.pin(consumer, at), nil
		},
		output: func(consumer string, at cdev.Place, o cdev.OutputOptions) (gpio.Output, error) {
			if f.err != nil {
				return nil, f.err
			}
			f.out = append(f.out, o)
			return f.pin(consumer, at), nil
		},
	}
}

func TestOpen(t *testing.T) {
	p, err := Parse("p.toml", []byte(real))
	if err != nil {
		t.Fatal(err)
	}
	p.Outputs[0].OpenDrain = true
	var fake fakeLines
	b, err := open(p, "intercom", fake.opener())
	if err != nil {
		t.Fatal(err)
	}
	if len(fake.opened) > 0 {
		t.Errorf("%q was opened before anybody asked", fake.opened)
	}
	in, err := b.Input("bell")
	if again, errAgain := b.Input("bell"); err != nil || errAgain != nil || in != again {
		t.Errorf("an input twice: %v, %v", err, errAgain)
	}
	if _, err := b.Input("accept"); err != nil {
		t.Error(err)
	}
	out, err := b.Output("call")
	if again, errAgain := b.Output("call"); err != nil || errAgain != nil || out != again {
		t.Errorf("an output twice: %v, %v", err, errAgain)
	}
	want := fakeLines{
		opened: []string{"intercom:bell", "intercom:accept", "intercom:call"},
		at:     []cdev.Place{{Chip: "pinctrl", Line: "GPIO17"}, {Chip: "pinctrl", Offset: 0}, {Chip: "pinctrl", Offset: 1}},
		in:     []cdev.InputOptions{{ActiveLow: true, Bias: cdev.PullUp}, {}},
		out:    []cdev.OutputOptions{{OpenDrain: true}},
	}
	for _, diff := range []string{
		cmp.Diff(want.opened, fake.opened), cmp.Diff(want.at, fake.at), cmp.Diff(want.in, fake.in), cmp.Diff(want.out, fake.out),
	} {
		if diff != "" {
			t.Errorf("opened (-want +got):\n%s", diff)
		}
	}
	if _, err := b.Input("bel"); err == nil || err.Error() != `board p has no input "bel"; it has bell, accept` {
		t.Errorf("unknown input: %v", err)
	}
	if _, err := b.Output("lock"); err == nil || err.Error() != `board p has no output "lock"; it has call, strike, amp` {
		t.Errorf("unknown output: %v", err)
	}
	fake.err = errors.New("busy")
	if _, err := b.Output("strike"); !errors.Is(err, fake.err) {
		t.Errorf("a line that does not open: %v", err)
	}
	fake.err = nil
	if _, err := b.Output("strike"); err != nil { // free again
		t.Error(err)
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	for i, pin := range fake.pins {
		if _, err := pin.Read(); !errors.Is(err, gpiotest.ErrClosed) {
			t.Errorf("%s is not closed", fake.opened[i])
		}
	}
	if _, err := b.Input("bell"); err == nil {
		t.Error("a line after Close")
	}
	if _, err := b.Output("strike"); err == nil {
		t.Error("a line after Close")
	}
}

func TestOpenSimulated(t *testing.T) {
	if _, err := Open(&Profile{Simulated: true}, "x"); err == nil {
		t.Error("a simulated board was opened")
	}
}

func TestOwner(t *testing.T) {
	l := &lines{consumer: "intercom"}
	if got := l.owner("a-line-with-a-name-that-is-far-too-long"); len(got) != 31 {
		t.Errorf("%q is %d bytes, the kernel keeps 31", got, len(got))
	}
}
