package board

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"intercom/gpio"
	"intercom/internal/stricttoml"
)

// Bounds of a profile.
const (
	maxLines  = 64 // inputs, and outputs
	maxMixer  = 64
	maxOffset = 1023 // lines of one chip; the largest in use have a few hundred
	maxText   = 64   // bytes of a name that the kernel gives: labels have 32, controls 44
	maxHeader = 120  // pins of a header
	maxWires  = 64
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`) // what the configuration file takes

// Parse reads the text of a profile. file is its path; the profile is named
// for it. The error is a *stricttoml.Problems.
func Parse(file string, data []byte) (*Profile, error) {
	p := &Profile{
		Name:  strings.TrimSuffix(filepath.Base(file), extension),
		Sound: defaultSound,
	}
	c := checker{p, stricttoml.Decode(file, data, p)}
	if !c.doc.Broken() {
		c.check()
	}
	if err := c.doc.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

var defaultSound = Sound{Rate: 48000, Channels: 1, Microphone: Mix, Period: 480}

// checker looks at a profile that is being read, and completes its lines.
type checker struct {
	*Profile
	doc *stricttoml.Doc
}

func (c checker) check() {
	if c.Title == "" {
		c.doc.Problem("title", "is missing; say which board it is, for people")
	}
	if !namePattern.MatchString(c.Name) {
		c.doc.Problem("", "the file's name %q is no name of a profile; use 1 to 64 of a-z A-Z 0-9 . _ - and .toml", c.Name)
	}
	seen := make(map[string]string)
	if len(c.Inputs) > maxLines || len(c.Outputs) > maxLines {
		c.doc.Problem("input", "over %d inputs or outputs; remove some", maxLines)
		return
	}
	for i := range c.Inputs {
		in, key := &c.Inputs[i], fmt.Sprintf("input[%d]", i)
		c.line(key, in.Name, &in.Place, seen)
		if in.Bias != "" && !slices.Contains([]Bias{BiasNone, PullUp, PullDown}, in.Bias) {
			c.doc.Problem(key+".bias", "%q is unknown; use pull-up, pull-down or off", in.Bias)
		}
		if !c.doc.Has(key + ".filter") {
			in.Filter = gpio.DefaultFilter
		}
		between(c.doc, key+".filter", in.Filter, time.Millisecond, 20*time.Millisecond)
	}
	for i := range c.Outputs {
		out, key := &c.Outputs[i], fmt.Sprintf("output[%d]", i)
		c.line(key, out.Name, &out.Place, seen)
		switch {
		case !slices.Contains([]OutputKind{Lamp, Relay, Amplifier}, out.Kind):
			c.doc.Problem(key+".kind", "%q is unknown; use lamp, relay or amplifier", out.Kind)
		case out.Kind == Relay && !c.doc.Has(key+".hard_limit"):
			c.doc.Problem(key+".hard_limit", "is missing; say how long the relay may be on at most, as in \"10s\"")
		case out.Kind == Relay:
			between(c.doc, key+".hard_limit", out.HardLimit, 100*time.Millisecond, gpio.MaxRelayLimit)
		case c.doc.Has(key + ".hard_limit"):
			c.doc.Problem(key+".hard_limit", "only a relay has one; remove it")
		}
	}
	c.checkSound()
}

// checkSound holds that there is one sound, the board's own or a choice.
func (c checker) checkSound() {
	own := c.doc.Has("sound")
	switch {
	case c.Simulated && (c.DefaultSound != "" || c.Sound.Card != ""):
		c.doc.Problem("sound", "a simulated board has no card; remove it")
		return
	case c.DefaultSound != "" && own:
		c.doc.Problem("default_sound", "the board has a [sound] of its own; remove one of them")
		return
	case c.DefaultSound != "":
		if !namePattern.MatchString(c.DefaultSound) {
			c.doc.Problem("default_sound", "%q is no name of a sound choice; see intercom boards", c.DefaultSound)
		}
		return
	}
	checkSound(c.doc, c.Sound, c.Simulated)
	if err := c.checkAmplifier(c.Sound); err != nil {
		c.doc.Problem("sound.amplifier", "%v; name one of them, or add it as [[output]] with kind = \"amplifier\"", err)
	}
}

// checkAmplifier holds that the board has the amplifier that a sound names.
func (p *Profile) checkAmplifier(s Sound) error {
	if s.Amplifier == "" {
		return nil
	}
	_, err := p.Output(Amplifier, s.Amplifier)
	return err
}

// line checks what inputs and outputs have in common. seen holds the names and
// the places that are taken, and by which key.
func (c checker) line(key, name string, l *Place, seen map[string]string) {
	if !namePattern.MatchString(name) {
		c.doc.Problem(key+".name", "%q is not a name; use 1 to 64 of a-z A-Z 0-9 . _ -", name)
	}
	c.once(seen, "name "+name, key+".name")
	if l.Header < 0 || l.Header > maxHeader {
		c.doc.Problem(key+".header", "%d is out of bounds; use 1 to %d, or leave it out", l.Header, maxHeader)
	}
	named, numbered := c.doc.Has(key+".line"), c.doc.Has(key+".offset")
	if c.Simulated {
		if named || numbered || c.doc.Has(key+".chip") {
			c.doc.Problem(key, "a line of a simulated board has no chip, line or offset; remove them")
		}
		l.Offset = -1
		return
	}
	if l.Chip == "" || len(l.Chip) > maxText {
		c.doc.Problem(key+".chip", "%q is not a chip; write its label, as gpiodetect shows it in brackets", l.Chip)
	}
	if named == numbered {
		c.doc.Problem(key, "needs its place on the chip; write line (the kernel's name, as gpioinfo shows it) or offset, not both")
		return
	}
	if named {
		if l.Line == "" || len(l.Line) > maxText {
			c.doc.Problem(key+".line", "%q is not the name of a line; write it as gpioinfo shows it", l.Line)
		}
		l.Offset = -1
		c.once(seen, l.Chip+" line "+l.Line, key+".line")
		return
	}
	if l.Offset < 0 || l.Offset > maxOffset {
		c.doc.Problem(key+".offset", "%d is out of bounds; use 0 to %d", l.Offset, maxOffset)
	}
	c.once(seen, fmt.Sprintf("%s offset %d", l.Chip, l.Offset), key+".offset")
}

// once refuses a name or place that another line has already.
func (c checker) once(seen map[string]string, what, key string) {
	if first, ok := seen[what]; ok {
		c.doc.Problem(key, "is the same as %s at %v; use each name and each line once", first, c.doc.Pos(first))
		return
	}
	seen[what] = key
}

func checkSound(doc *stricttoml.Doc, s Sound, simulated bool) {
	if (s.Card == "") != simulated || len(s.Card) > maxText {
		doc.Problem("sound.card", "a real board needs its card (an id or a USB port, as intercom cards shows them), or default_sound, the name of a sound choice; write one of them")
	}
	if s.Rate < 8000 || s.Rate > 192000 {
		doc.Problem("sound.rate", "%d is out of bounds; use 8000 to 192000, best 48000", s.Rate)
		return
	}
	if s.Channels != 1 && s.Channels != 2 {
		doc.Problem("sound.channels", "%d is out of bounds; use 1 or 2", s.Channels)
	}
	switch {
	case !slices.Contains([]Microphone{Mix, Left, Right}, s.Microphone):
		doc.Problem("sound.microphone", "%q is unknown; use left, right or mix", s.Microphone)
	case s.Microphone != Mix && s.Channels != 2:
		doc.Problem("sound.microphone", "there is no %s with one channel; write channels = 2, or remove it", s.Microphone)
	}
	if low, high := s.Rate/1000, s.Rate/25; s.Period < low || s.Period > high {
		doc.Problem("sound.period", "%d is not 1 to 40 ms at %d Hz; use %d to %d", s.Period, s.Rate, low, high)
	}
	between(doc, "sound.amplifier_delay", s.AmplifierDelay, 0, time.Second)
	if s.Amplifier == "" && s.AmplifierDelay != 0 {
		doc.Problem("sound.amplifier_delay", "there is no amplifier to wait for; name its output with amplifier, or remove it")
	}
	if len(s.Mixer) > maxMixer {
		doc.Problem("sound.mixer", "has %d entries, over the limit of %d; remove some", len(s.Mixer), maxMixer)
		return
	}
	for i, m := range s.Mixer {
		key := fmt.Sprintf("sound.mixer[%d]", i)
		if m.Control == "" || len(m.Control) > maxText {
			doc.Problem(key+".control", "%q is not a control; write its name as amixer shows it", m.Control)
		}
		if m.Value == "" || len(m.Value) > maxText {
			doc.Problem(key+".value", "%q is not a value; write it as in \"80%%\", \"-6dB\" or \"on\"", m.Value)
		}
	}
}

func between(doc *stricttoml.Doc, key string, d, low, high time.Duration) {
	if d < low || d > high {
		doc.Problem(key, "%v is out of bounds; use %v to %v", d, low, high)
	}
}
