package alsa

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Kind is what a control sets.
type Kind string

// The kinds of controls.
const (
	Switch Kind = "switch" // 0 is off, 1 is on
	Volume Kind = "volume" // a number, often with a scale in dB
	Choice Kind = "choice" // one of several items
	Other  Kind = "other"  // bytes and the like: listed only
)

// Control is one element of a card's mixer.
type Control struct {
	Name     string
	Kind     Kind
	ReadOnly bool
	Min, Max int      // of each value
	Values   []int    // of each channel; the number of an item for a choice
	Items    []string // of a choice
	scale    scale
}

// DB returns the range of a volume in dB, silence being -Inf; ok is false where
// the control has no scale.
func (c Control) DB() (low, high float64, ok bool) {
	if len(c.scale) == 0 {
		return 0, 0, false
	}
	return c.scale.at(c.Min), c.scale.at(c.Max), true
}

// String shows name and values as Mixer.Set takes them.
func (c Control) String() string {
	shown := make([]string, len(c.Values))
	for i, v := range c.Values {
		shown[i] = c.show(v)
	}
	return c.Name + ": " + strings.Join(shown, ", ")
}

func (c Control) show(v int) string {
	switch {
	case c.Kind == Switch:
		return map[bool]string{true: "on", false: "off"}[v != 0]
	case c.Kind == Choice && v >= 0 && v < len(c.Items):
		return c.Items[v]
	case c.Kind == Volume && len(c.scale) > 0:
		return fmt.Sprintf("%d (%.2f dB)", v, c.scale.at(v))
	}
	return strconv.Itoa(v)
}

// parse reads a value in the form that Mixer.Set takes.
func (c Control) parse(value string) (int, error) {
	if c.ReadOnly {
		return 0, errors.New("it can not be set")
	}
	switch c.Kind {
	case Switch:
		switch value {
		case "on":
			return 1, nil
		case "off":
			return 0, nil
		}
		return 0, fmt.Errorf("value %q: want on or off", value)
	case Choice:
		for i, item := range c.Items {
			if item == value {
				return i, nil
			}
		}
		return 0, fmt.Errorf("value %q: want one of %s", value, quoted(c.Items))
	case Volume:
		return c.parseVolume(value)
	}
	return 0, errors.New("it is neither a switch nor a volume nor a choice, and can not be set")
}

func (c Control) parseVolume(value string) (int, error) {
	if digits, ok := strings.CutSuffix(value, "%"); ok {
		p, err := strconv.ParseFloat(digits, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return 0, fmt.Errorf("value %q: want 0%% to 100%%", value)
		}
		return c.Min + int(math.Round(p/100*(float64(c.Max)-float64(c.Min)))), nil
	}
	if digits, ok := strings.CutSuffix(value, "dB"); ok {
		low, high, ok := c.DB()
		if !ok {
			return 0, fmt.Errorf("value %q: it has no scale in dB; want 0%% to 100%%", value)
		}
		db, err := strconv.ParseFloat(digits, 64)
		if err != nil || !(db >= low && db <= high) {
			return 0, fmt.Errorf("value %q: want %.2fdB to %.2fdB", value, low, high)
		}
		return c.scale.nearest(db, c.Min, c.Max), nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < c.Min || n > c.Max {
		return 0, fmt.Errorf("value %q: want %d to %d, or as 80%% or -6dB", value, c.Min, c.Max)
	}
	return n, nil
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = strconv.Quote(n)
	}
	return strings.Join(q, ", ")
}
