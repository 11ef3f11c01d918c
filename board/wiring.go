package board

import (
	"fmt"
	"io"
	"strings"
)

// Wiring returns a profile's wiring as Markdown: what is connected to which pin
// of which chip, and how.
func (p *Profile) Wiring() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", p.Title)
	fmt.Fprintf(&b, "`profile = %q`", p.Name)
	if len(p.Compatible) > 0 {
		fmt.Fprintf(&b, "; found by itself with `profile = \"auto\"`: `%s`", strings.Join(p.Compatible, "`, `"))
	}
	b.WriteString("\n\n")
	if p.Simulated {
		b.WriteString("Nothing is wired. Lines: " + strings.Join(p.lineNames(), ", ") + ".\n")
		return b.String()
	}
	b.WriteString("| line | chip | on the chip | header pin | wiring |\n|---|---|---|---|---|\n")
	row := func(name string, at Place, how string) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, at.Chip, at.onChip(), headerCell(at.Header), how)
	}
	for _, in := range p.Inputs {
		row(in.Name, in.Place, in.how())
	}
	for _, out := range p.Outputs {
		row(out.Name, out.Place, out.how())
	}
	if p.Note != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(p.Note))
	}
	if p.DefaultSound == "" {
		fmt.Fprintf(&b, "\nSound: card `%s`.\n", p.Sound.Card)
	} else {
		fmt.Fprintf(&b, "\nSound: `%s` unless the configuration names another choice.\n", p.DefaultSound)
	}
	return b.String()
}

// Wiring returns how a sound choice is connected, as Markdown.
func (s *SoundChoice) Wiring() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n`sound = %q`, ALSA card `%s`", s.Title, s.Name, s.Sound.Card)
	if s.Sound.Microphone != Mix {
		fmt.Fprintf(&b, ", microphone on the %s channel", s.Sound.Microphone)
	}
	b.WriteString("\n")
	if len(s.ConfigTxt) > 0 {
		fmt.Fprintf(&b, "\nIn config.txt of a Raspberry Pi (`intercom check` looks for it):\n\n```\n%s\n```\n", strings.Join(s.ConfigTxt, "\n"))
	}
	if len(s.Wires) > 0 {
		b.WriteString("\n| from | header pin | to |\n|---|---|---|\n")
		for _, wire := range s.Wires {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", wire.From, headerCell(wire.Header), wire.To)
		}
	}
	if s.Note != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(s.Note))
	}
	return b.String()
}

func headerCell(header int) string {
	if header == 0 {
		return "-"
	}
	return fmt.Sprint(header)
}

func (p Place) onChip() string {
	if p.Line != "" {
		return p.Line
	}
	return fmt.Sprintf("offset %d", p.Offset)
}

func (i Input) how() string {
	to, resistor := "3.3 V", "a resistor to ground"
	if i.ActiveLow {
		to, resistor = "ground", "a resistor to 3.3 V"
	}
	switch i.Bias {
	case PullUp, PullDown:
		return fmt.Sprintf("button to %s (%s inside the chip)", to, i.Bias)
	}
	return fmt.Sprintf("button to %s, and %s", to, resistor)
}

func (o Output) how() string {
	level := "high"
	if o.ActiveLow {
		level = "low"
	}
	drive := ""
	if o.OpenDrain {
		drive = ", open drain"
	}
	switch o.Kind {
	case Relay:
		return fmt.Sprintf("relay module, on at %s level%s; never longer than %v", level, drive, o.HardLimit)
	case Amplifier:
		return fmt.Sprintf("amplifier's enable pin, on at %s level%s", level, drive)
	}
	return fmt.Sprintf("lamp, on at %s level%s: an LED with 330 Ω, or a transistor", level, drive)
}

func (p *Profile) lineNames() []string {
	var names []string
	for _, in := range p.Inputs {
		names = append(names, in.Name)
	}
	for _, out := range p.Outputs {
		names = append(names, out.Name)
	}
	return names
}

// WriteAll writes the wiring of all boards and all sound choices.
func WriteAll(w io.Writer, dir string) error {
	boards, err := Names(dir)
	if err != nil {
		return err
	}
	sounds, err := Sounds(dir)
	if err != nil {
		return err
	}
	text := "## Boards\n"
	for _, name := range boards {
		p, err := loadProfile(name, dir)
		if err != nil {
			return err
		}
		text += "\n" + p.Wiring()
	}
	text += "\n## Sound choices\n"
	for _, name := range sounds {
		s, err := LoadSound(name, dir)
		if err != nil {
			return err
		}
		text += "\n" + s.Wiring()
	}
	_, err = io.WriteString(w, text)
	return err
}
