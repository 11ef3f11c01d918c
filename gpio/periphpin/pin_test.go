package periphpin_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"intercom/gpio/gpiotest"
	"intercom/gpio/periphpin"
)

func TestInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := gpiotest.NewPin()
		var pin gpio.PinIO = periphpin.Input("bell", line)
		if pin.WaitForEdge(-1) {
			t.Error("an edge before In chose any")
		}
		line.Press()
		if err := pin.In(gpio.PullNoChange, gpio.FallingEdge); err != nil {
			t.Fatal(err)
		}
		if pin.Read() != gpio.High {
			t.Error("pressed, but Low")
		}
		start := time.Now()
		if pin.WaitForEdge(time.Second) || time.Since(start) != time.Second {
			t.Errorf("an edge, or an end after %v, for an edge from before In", time.Since(start))
		}
		go func() {
			time.Sleep(time.Minute)
			line.Release()
			line.Press()
			line.Release()
		}()
		if !pin.WaitForEdge(-1) {
			t.Error("no falling edge")
		}
		synctest.Wait()
		if !pin.WaitForEdge(0) {
			t.Error("an edge that is there does not come before a timeout of 0")
		}
		if err := pin.In(gpio.PullUp, gpio.BothEdges); err == nil {
			t.Error("a pull was taken")
		}
		if err := pin.Out(gpio.High); err == nil {
			t.Error("an input was driven")
		}
		line.Unplug(errors.New("gone"))
		if pin.WaitForEdge(-1) || pin.Read() != gpio.Low {
			t.Error("an edge or a level of a line that is gone")
		}
	})
}

func TestOutput(t *testing.T) {
	line := gpiotest.NewPin()
	var pin gpio.PinIO = periphpin.Output("lamp", line)
	for _, level := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
		if err := pin.Out(level); err != nil || line.Active() != bool(level) || pin.Read() != level {
			t.Errorf("out %v: %v, line is %v, read %v", level, err, line.Active(), pin.Read())
		}
	}
	broken := errors.New("broken")
	line.FailSet(func(bool) error { return broken })
	if err := pin.Out(gpio.Low); !errors.Is(err, broken) || pin.Read() != gpio.High {
		t.Errorf("got %v, %v; want %v and the level that was driven", err, pin.Read(), broken)
	}
	if err := pin.In(gpio.PullNoChange, gpio.BothEdges); err == nil {
		t.Error("an output became an input")
	}
	if pin.WaitForEdge(-1) {
		t.Error("an edge of an output")
	}
	if err := pin.PWM(gpio.DutyHalf, 0); err == nil {
		t.Error("PWM was taken")
	}
}
