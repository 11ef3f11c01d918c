package board

import (
	"errors"
	"fmt"
	"sync"

	"intercom/gpio"
	"intercom/gpio/cdev"
)

var (
	errSimulated = errors.New("board: a simulated board has no lines to open; package sim has them")
	errClosed    = errors.New("board: it is closed")
)

// maxConsumer is the longest name that the kernel keeps for the owner of a
// line: GPIO_MAX_NAME_SIZE with its final zero.
const maxConsumer = 31

// opener opens lines; that of the kernel, or a fake.
type opener struct {
	input  func(consumer string, at cdev.Place, o cdev.InputOptions) (gpio.Input, error)
	output func(consumer string, at cdev.Place, o cdev.OutputOptions) (gpio.Output, error)
}

var kernel = opener{
	input: func(consumer string, at cdev.Place, o cdev.InputOptions) (gpio.Input, error) {
		return cdev.OpenInput(consumer, at, o)
	},
	output: func(consumer string, at cdev.Place, o cdev.OutputOptions) (gpio.Output, error) {
		return cdev.OpenOutput(consumer, at, o)
	},
}

// lines is a real board.
type lines struct {
	profile  *Profile
	consumer string
	open     opener

	mu      sync.Mutex
	inputs  map[string]gpio.Input
	outputs map[string]gpio.Output
	closed  bool
}

// Open gives access to the lines of a real board. Others see consumer and the
// line's name as their owner. The sound card is not opened.
func Open(p *Profile, consumer string) (Hardware, error) { return open(p, consumer, kernel) }

func open(p *Profile, consumer string, by opener) (Hardware, error) {
	if p.Simulated {
		return nil, errSimulated
	}
	return &lines{profile: p, consumer: consumer, open: by, inputs: map[string]gpio.Input{}, outputs: map[string]gpio.Output{}}, nil
}

// owner is the name that others see.
func (l *lines) owner(line string) string {
	name := l.consumer + ":" + line
	return name[:min(len(name), maxConsumer)]
}

func (l *lines) Input(name string) (gpio.Input, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if in, ok := l.inputs[name]; ok {
		return in, nil
	}
	p, err := l.profile.Input(name)
	if err != nil {
		return nil, err
	}
	in, err := l.open.input(l.owner(name), p.At(), p.Options())
	if err != nil {
		return nil, fmt.Errorf("board %s: input %s: %w", l.profile.Name, name, err)
	}
	l.inputs[name] = in
	return in, nil
}

func (l *lines) Output(name string) (gpio.Output, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if out, ok := l.outputs[name]; ok {
		return out, nil
	}
	p, err := l.profile.anyOutput(name)
	if err != nil {
		return nil, err
	}
	out, err := l.open.output(l.owner(name), p.At(), p.Options())
	if err != nil {
		return nil, fmt.Errorf("board %s: output %s: %w", l.profile.Name, name, err)
	}
	l.outputs[name] = out
	return out, nil
}

// Close switches the outputs off and gives all lines back.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	for name, out := range l.outputs {
		errs = append(errs, out.Close())
		delete(l.outputs, name)
	}
	for name, in := range l.inputs {
		errs = append(errs, in.Close())
		delete(l.inputs, name)
	}
	return errors.Join(errs...)
}

// At returns where the kernel has the line.
func (p Place) At() cdev.Place {
	return cdev.Place{Chip: p.Chip, Line: p.Line, Offset: max(p.Offset, 0)}
}

// Options returns how the line is opened.
func (i Input) Options() cdev.InputOptions {
	return cdev.InputOptions{ActiveLow: i.ActiveLow, Bias: map[Bias]cdev.Bias{
		"": cdev.BiasAsIs, BiasNone: cdev.BiasOff, PullUp: cdev.PullUp, PullDown: cdev.PullDown,
	}[i.Bias]}
}

// Options returns how the line is opened.
func (o Output) Options() cdev.OutputOptions {
	return cdev.OutputOptions{ActiveLow: o.ActiveLow, OpenDrain: o.OpenDrain}
}

// anyOutput returns an output of whatever kind.
func (p *Profile) anyOutput(name string) (Output, error) {
	var names []string
	for _, out := range p.Outputs {
		if out.Name == name {
			return out, nil
		}
		names = append(names, out.Name)
	}
	return Output{}, fmt.Errorf("board %s has no output %q; it has %s", p.Name, name, list(names))
}
