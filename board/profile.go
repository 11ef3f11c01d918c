package board

import (
	"fmt"
	"strings"
	"time"

	"intercom/gpio"
)

// Bias is the resistor that a line has inside the chip.
type Bias string

// The biases; the zero Bias leaves the line as it is.
const (
	BiasNone Bias = "off"
	PullUp   Bias = "pull-up"
	PullDown Bias = "pull-down"
)

// OutputKind is what hangs on an output.
type OutputKind string

// The kinds of outputs.
const (
	Lamp      OutputKind = "lamp"
	Relay     OutputKind = "relay"
	Amplifier OutputKind = "amplifier"
)

// Profile describes a board. Load and Parse return only complete and sound
// ones; do not change it.
type Profile struct {
	Name         string   `toml:"-"`             // of the file, without .toml
	Title        string   `toml:"title"`         // for people
	Note         string   `toml:"note"`          // more for people, below the wiring table
	Simulated    bool     `toml:"simulated"`     // its lines have no Chip
	Compatible   []string `toml:"compatible"`    // any of these in /proc/device-tree/compatible is this board
	DefaultSound string   `toml:"default_sound"` // the sound choice of a board that has no sound of its own
	Inputs       []Input  `toml:"input"`
	Outputs      []Output `toml:"output"`
	Sound        Sound    `toml:"sound"` // its own, or once loaded that of the choice

	Choice *SoundChoice `toml:"-"` // where Sound is from; nil: the board's own
}

// SoundChoice is a way to give a board sound: a card, and how it is connected.
type SoundChoice struct {
	Name      string   `toml:"-"`          // of the file, without .sound.toml
	Title     string   `toml:"title"`      // for people
	Note      string   `toml:"note"`       // more for people
	ConfigTxt []string `toml:"config_txt"` // lines that a Raspberry Pi's config.txt needs
	Wires     []Wire   `toml:"wire"`
	Sound     Sound    `toml:"sound"`
}

// Wire is one connection of a sound card's.
type Wire struct {
	From   string `toml:"from"`   // as in "INMP441 SCK"
	To     string `toml:"to"`     // a line's name, as in "GPIO18", or a supply
	Header int    `toml:"header"` // pin of the 40-pin header; 0 for none
}

// Place is where a line is. Chips go by their label and not by number, as
// numbers change from boot to boot.
type Place struct {
	Chip      string `toml:"chip"`       // label of the chip, as in "pinctrl-bcm2711"; empty only if simulated
	Line      string `toml:"line"`       // the kernel's name of the line, as in "GPIO17"; else Offset
	Offset    int    `toml:"offset"`     // within the chip; -1 if Line is used
	ActiveLow bool   `toml:"active_low"` // active at the low level
	Header    int    `toml:"header"`     // pin of the board's header, for people; 0 for none
}

// Input is a line that is read: a button.
type Input struct {
	Name string `toml:"name"`
	Place
	Bias   Bias          `toml:"bias"`
	Filter time.Duration `toml:"filter"` // glitch filter, 1 ms to 20 ms; default gpio.DefaultFilter
}

// Output is a line that is driven.
type Output struct {
	Name string     `toml:"name"`
	Kind OutputKind `toml:"kind"`
	Place
	OpenDrain bool          `toml:"open_drain"` // driven to low only
	HardLimit time.Duration `toml:"hard_limit"` // longest time on, of a relay; 100 ms to gpio.MaxRelayLimit
}

// Sound is the board's sound card.
type Sound struct {
	Card           string        `toml:"card"`            // ALSA card id, or USB port as in "usb:1-1.2"; empty only if simulated
	Rate           int           `toml:"rate"`            // Hz; default 48000
	Channels       int           `toml:"channels"`        // 1 or 2; default 1
	Microphone     Microphone    `toml:"microphone"`      // of two channels the one that is heard; default Mix
	Period         int           `toml:"period"`          // samples per channel, 1 ms to 40 ms of them; default 480
	Amplifier      string        `toml:"amplifier"`       // output that powers the amplifier; default none
	AmplifierDelay time.Duration `toml:"amplifier_delay"` // from there until it sounds, up to 1 s
	Mixer          []MixerValue  `toml:"mixer"`           // set in this order when the card is opened
}

// Microphone is where in a stereo stream the microphone is.
type Microphone string

// The places of a microphone. An I2S microphone is on one channel, and the
// other is silent: a mix would halve it.
const (
	Mix   Microphone = "mix"
	Left  Microphone = "left"
	Right Microphone = "right"
)

// Channel returns the number of the channel, from 1; 0 is the mean of all.
func (m Microphone) Channel() int { return map[Microphone]int{Left: 1, Right: 2}[m] }

// MixerValue is one setting of the card's mixer.
type MixerValue struct {
	Control string `toml:"control"` // the element's name, as `amixer contents` shows it
	Value   string `toml:"value"`   // as amixer takes it: "80%", "-6dB", "on", or an item's name
}

// Hardware is an opened board. Lines are those of its profile, opened when they
// are first asked for and closed by Close; one that is asked for twice is the
// same one.
type Hardware interface {
	Input(name string) (gpio.Input, error)
	Output(name string) (gpio.Output, error)
	Close() error
}

// Input returns an input by name; its error lists those that there are.
func (p *Profile) Input(name string) (Input, error) {
	names := make([]string, len(p.Inputs))
	for i, in := range p.Inputs {
		if in.Name == name {
			return in, nil
		}
		names[i] = in.Name
	}
	return Input{}, fmt.Errorf("board %s has no input %q; it has %s", p.Name, name, list(names))
}

// Output returns an output of a kind by name; its error lists those that there
// are.
func (p *Profile) Output(kind OutputKind, name string) (Output, error) {
	var names []string
	for _, out := range p.Outputs {
		if out.Kind != kind {
			continue
		}
		if out.Name == name {
			return out, nil
		}
		names = append(names, out.Name)
	}
	return Output{}, fmt.Errorf("board %s has no %s %q; it has %s", p.Name, kind, name, list(names))
}

// CheckOpen says whether a relay may be on for d: more than 0, and not longer
// than its hard limit.
func (o Output) CheckOpen(d time.Duration) error {
	switch {
	case o.Kind != Relay:
		return fmt.Errorf("board: output %s is a %s and no relay; name a relay", o.Name, o.Kind)
	case d <= 0 || d > o.HardLimit:
		return fmt.Errorf("board: relay %s can not be open for %v; use a time up to its hard limit of %v", o.Name, d, o.HardLimit)
	}
	return nil
}

// PeriodTime returns how long one period is.
func (s Sound) PeriodTime() time.Duration {
	return time.Duration(s.Period) * time.Second / time.Duration(s.Rate)
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
