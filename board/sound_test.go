package board

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const realSound = `title = "A card"
config_txt = ["dtparam=i2s=on"]
[[wire]]
from = "mic SD"
to = "GPIO20"
header = 38
[sound]
card = "Mic"
channels = 2
`

func TestParseSound(t *testing.T) {
	got, err := ParseSound("dir/mic.sound.toml", []byte(realSound))
	if err != nil {
		t.Fatal(err)
	}
	want := &SoundChoice{
		Name: "mic", Title: "A card", ConfigTxt: []string{"dtparam=i2s=on"},
		Wires: []Wire{{From: "mic SD", To: "GPIO20", Header: 38}},
		Sound: Sound{Card: "Mic", Rate: 48000, Channels: 2, Microphone: Mix, Period: 480},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	tests := []struct{ name, before, after, want string }{
		{"title", `title = "A card"`, "", `s.sound.toml: title: is missing; say which sound it is, for people`},
		{"unknown key", "card = ", "card = 'x'\ncrad = ", `s.sound.toml:9:1: sound.crad: there is no such key; did you mean card?`},
		{"config", "i2s=on", "i2s=on # yes", `s.sound.toml:2:15: config_txt[0]: "dtparam=i2s=on # yes" is not a line of config.txt; write it as in "dtparam=i2s=on"`},
		{"one end", `to = "GPIO20"`, "", `s.sound.toml:3:3: wire[0]: needs both its ends; write from and to`},
		{"pin", "38", "121", `s.sound.toml:6:1: wire[0].header: 121 is out of bounds; use 1 to 120, or leave it out`},
		{"card", `"Mic"`, `""`, `s.sound.toml:8:1: sound.card: a real board needs its card (an id or a USB port, as intercom cards shows them), or default_sound, the name of a sound choice; write one of them`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseSound("s.sound.toml", []byte(strings.Replace(realSound, test.before, test.after, 1)))
			if got := fmt.Sprint(err); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestChooseSound joins boards with sounds.
func TestChooseSound(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"mic.sound.toml":   realSound,
		"amp.sound.toml":   "title = 's'\n[sound]\ncard = 'A'\namplifier = 'horn'\n",
		"clash.sound.toml": strings.Replace(realSound, "38", "11", 1), // bell-1 of a Raspberry Pi
		"own.toml":         real,
		"both.toml":        real + "\n", // replaced below
	} {
		if name == "both.toml" {
			text = "default_sound = 'mic'\n" + real
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ok := []struct {
		sel          Selection
		card, choice string
	}{
		{Selection{Profile: "raspberry-pi-4"}, "Device", "usb"},
		{Selection{Profile: "raspberry-pi-4", Sound: "i2s"}, "sndrpigooglevoi", "i2s"},
		{Selection{Profile: "raspberry-pi-4", Sound: "mic", Dir: dir}, "Mic", "mic"},
		{Selection{Profile: "raspberry-pi-4", Card: "Headset"}, "Headset", "usb"},
	}
	for _, test := range ok {
		p, err := Load(test.sel)
		if err != nil || p.Sound.Card != test.card || p.Choice.Name != test.choice {
			t.Errorf("%+v: %+v, %v", test.sel, p, err)
		}
	}
	bad := []struct {
		sel  Selection
		want string
	}{
		{Selection{Profile: "raspberry-pi-4", Sound: "isb"}, `no such sound choice: "isb"; did you mean usb? there are i2s, usb, usb-amplifier, wm8960`},
		{Selection{Profile: "own", Sound: "amp", Dir: dir}, `sound amp: board own has no amplifier "horn"; it has amp`},
		{Selection{Profile: "raspberry-pi-4", Sound: "clash", Dir: dir}, `mic SD at pin 11 of the header, where board raspberry-pi-4 has bell-1`},
		{Selection{Profile: "simulated", Sound: "usb"}, `simulated is simulated and has no sound card; remove the sound choice "usb"`},
		{Selection{Profile: "simulated", Card: "Door"}, `simulated is simulated and has no sound card; remove card = "Door"`},
	}
	for _, test := range bad {
		if _, err := Load(test.sel); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v\nwant %s", test.sel, err, test.want)
		}
	}
	if _, err := Load(Selection{Profile: "raspberry-pi-4", Sound: "none"}); !errors.Is(err, ErrUnknownSound) {
		t.Errorf("got %v, want %v", err, ErrUnknownSound)
	}
	if _, err := Load(Selection{Profile: "both", Dir: dir}); err == nil || !strings.Contains(err.Error(), "the board has a [sound] of its own") {
		t.Errorf("two sounds: %v", err)
	}
}

// TestBuiltInTogether joins every Raspberry Pi with every built-in sound.
func TestBuiltInTogether(t *testing.T) {
	sounds, err := Sounds("")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range raspberries {
		for _, sound := range sounds {
			p, err := Load(Selection{Profile: name, Sound: sound})
			if err != nil || p.Choice.Name != sound || p.Sound.Card == "" {
				t.Errorf("%s with %s: %+v, %v", name, sound, p, err)
			}
		}
	}
}

func FuzzParseSound(f *testing.F) {
	f.Add(realSound)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSound("s.sound.toml", []byte(text))
		if (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if err == nil && (s.Sound.Card == "" || s.Wiring() == "") {
			t.Fatalf("%+v", s)
		}
	})
}
