package board

import (
	"fmt"
	"path/filepath"
	"strings"

	"intercom/internal/stricttoml"
)

// soundExtension is that of a sound choice in a folder of profiles.
const soundExtension = ".sound.toml"

// ParseSound reads the text of a sound choice. file is its path; the choice is
// named for it. The error is a *stricttoml.Problems.
func ParseSound(file string, data []byte) (*SoundChoice, error) {
	s := &SoundChoice{Name: strings.TrimSuffix(filepath.Base(file), soundExtension), Sound: defaultSound}
	doc := stricttoml.Decode(file, data, s)
	if !doc.Broken() {
		s.check(doc)
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *SoundChoice) check(doc *stricttoml.Doc) {
	if s.Title == "" {
		doc.Problem("title", "is missing; say which sound it is, for people")
	}
	if !namePattern.MatchString(s.Name) {
		doc.Problem("", "the file's name %q is no name of a sound choice; use 1 to 64 of a-z A-Z 0-9 . _ - and %s", s.Name, soundExtension)
	}
	if len(s.Wires) > maxWires || len(s.ConfigTxt) > maxWires {
		doc.Problem("wire", "over %d wires or lines of config_txt; remove some", maxWires)
		return
	}
	for i, l := range s.ConfigTxt {
		if l == "" || l != strings.TrimSpace(l) || strings.ContainsAny(l, "\n#") {
			doc.Problem(fmt.Sprintf("config_txt[%d]", i), "%q is not a line of config.txt; write it as in \"dtparam=i2s=on\"", l)
		}
	}
	for i, w := range s.Wires {
		key := fmt.Sprintf("wire[%d]", i)
		if w.From == "" || w.To == "" {
			doc.Problem(key, "needs both its ends; write from and to")
		}
		if w.Header < 0 || w.Header > maxHeader {
			doc.Problem(key+".header", "%d is out of bounds; use 1 to %d, or leave it out", w.Header, maxHeader)
		}
	}
	checkSound(doc, s.Sound, false)
}

// use gives the board the sound of a choice.
func (p *Profile) use(s *SoundChoice) error {
	if p.Simulated {
		return fmt.Errorf("board: %s is simulated and has no sound card; remove the sound choice %q", p.Name, s.Name)
	}
	if err := p.checkAmplifier(s.Sound); err != nil {
		return fmt.Errorf("board: sound %s: %w", s.Name, err)
	}
	for _, w := range s.Wires {
		if w.Header == 0 || !strings.HasPrefix(w.To, "GPIO") {
			continue // a supply may have many wires
		}
		if name, taken := p.headerPin(w.Header); taken {
			return fmt.Errorf("board: sound %s has %s at pin %d of the header, where board %s has %s; take another sound, or a profile with another pin", s.Name, w.From, w.Header, p.Name, name)
		}
	}
	p.Sound, p.Choice = s.Sound, s
	return nil
}

// headerPin returns the line at a pin of the header. The amplifier's may be
// taken by a sound that brings its own.
func (p *Profile) headerPin(pin int) (name string, taken bool) {
	for _, in := range p.Inputs {
		if in.Header == pin {
			return in.Name, true
		}
	}
	for _, out := range p.Outputs {
		if out.Header == pin && out.Kind != Amplifier {
			return out.Name, true
		}
	}
	return "", false
}
