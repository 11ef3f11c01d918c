package board

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/gpio"
	"intercom/internal/stricttoml"
)

// real is a profile that uses every key.
const real = `title = "A board"
compatible = ["vendor,board"]
[[input]]
name = "bell"
chip = "pinctrl"
line = "GPIO17"
active_low = true
bias = "pull-up"
filter = "5ms"
[[input]]
name = "accept"
chip = "pinctrl"
offset = 0
[[output]]
name = "call"
kind = "lamp"
chip = "pinctrl"
offset = 1
[[output]]
name = "strike"
kind = "relay"
chip = "expander"
offset = 1
hard_limit = "5s"
[[output]]
name = "amp"
kind = "amplifier"
chip = "pinctrl"
line = "GPIO5"
[sound]
card = "Door"
rate = 44100
channels = 2
microphone = "right"
period = 441
amplifier = "amp"
amplifier_delay = "20ms"
[[sound.mixer]]
control = "Speaker Playback Volume"
value = "80%"
`

func TestParse(t *testing.T) {
	got, err := Parse("dir/a-board.toml", []byte(real))
	if err != nil {
		t.Fatal(err)
	}
	want := &Profile{
		Name: "a-board", Title: "A board", Compatible: []string{"vendor,board"},
		Inputs: []Input{
			{Name: "bell", Place: Place{Chip: "pinctrl", Line: "GPIO17", Offset: -1, ActiveLow: true}, Bias: PullUp, Filter: 5 * time.Millisecond},
			{Name: "accept", Place: Place{Chip: "pinctrl"}, Filter: gpio.DefaultFilter},
		},
		Outputs: []Output{
			{Name: "call", Kind: Lamp, Place: Place{Chip: "pinctrl", Offset: 1}},
			{Name: "strike", Kind: Relay, Place: Place{Chip: "expander", Offset: 1}, HardLimit: 5 * time.Second},
			{Name: "amp", Kind: Amplifier, Place: Place{Chip: "pinctrl", Line: "GPIO5", Offset: -1}},
		},
		Sound: Sound{
			Card: "Door", Rate: 44100, Channels: 2, Microphone: Right, Period: 441, Amplifier: "amp", AmplifierDelay: 20 * time.Millisecond,
			Mixer: []MixerValue{{"Speaker Playback Volume", "80%"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := got.Sound.PeriodTime(), 10*time.Millisecond; got != want {
		t.Errorf("a period is %v, want %v", got, want)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, before, after, want string }{
		{"title", `title = "A board"`, "", `p.toml: title: is missing; say which board it is, for people`},
		{"unknown key", "bias = ", "bais = ", `p.toml:8:1: input[0].bais: there is no such key; did you mean bias?`},
		{"bias", `"pull-up"`, `"up"`, `p.toml:8:1: input[0].bias: "up" is unknown; use pull-up, pull-down or off`},
		{"filter", `"5ms"`, `"21ms"`, `p.toml:9:1: input[0].filter: 21ms is out of bounds; use 1ms to 20ms`},
		{"name", `"bell"`, `"the bell"`, `p.toml:4:1: input[0].name: "the bell" is not a name; use 1 to 64 of a-z A-Z 0-9 . _ -`},
		{"same name", `"strike"`, `"bell"`, `p.toml:20:1: output[1].name: is the same as input[0].name at p.toml:4:1; use each name and each line once`},
		{"same offset", "offset = 1", "offset = 0", `p.toml:18:1: output[0].offset: is the same as input[1].offset at p.toml:13:1; use each name and each line once`},
		{"same line", "GPIO5", "GPIO17", `p.toml:29:1: output[2].line: is the same as input[0].line at p.toml:6:1; use each name and each line once`},
		{"offset", "offset = 0", "offset = 1024", `p.toml:13:1: input[1].offset: 1024 is out of bounds; use 0 to 1023`},
		{"no place", "offset = 0\n", "", `p.toml:10:3: input[1]: needs its place on the chip; write line (the kernel's name, as gpioinfo shows it) or offset, not both`},
		{"two places", "offset = 0", "offset = 0\nline = 'x'", `p.toml:10:3: input[1]: needs its place on the chip; write line (the kernel's name, as gpioinfo shows it) or offset, not both`},
		{"no chip", "chip = \"expander\"\n", "", `p.toml:19:3: output[1].chip: "" is not a chip; write its label, as gpiodetect shows it in brackets`},
		{"empty line", "GPIO17", "", `p.toml:6:1: input[0].line: "" is not the name of a line; write it as gpioinfo shows it`},
		{"kind", `"lamp"`, `"lmap"`, `p.toml:16:1: output[0].kind: "lmap" is unknown; use lamp, relay or amplifier`},
		{"no limit", "hard_limit = \"5s\"\n", "", `p.toml:19:3: output[1].hard_limit: is missing; say how long the relay may be on at most, as in "10s"`},
		{"limit of 0", `"5s"`, `"0s"`, `p.toml:24:1: output[1].hard_limit: 0s is out of bounds; use 100ms to 1m0s`},
		{"limit too long", `"5s"`, `"61s"`, `p.toml:24:1: output[1].hard_limit: 1m1s is out of bounds; use 100ms to 1m0s`},
		{"limit of a lamp", "kind = \"lamp\"", "kind = \"lamp\"\nhard_limit = '1s'", `p.toml:17:1: output[0].hard_limit: only a relay has one; remove it`},
		{"card", `"Door"`, `""`, `p.toml:31:1: sound.card: a real board needs its card (an id or a USB port, as intercom cards shows them), or default_sound, the name of a sound choice; write one of them`},
		{"rate", "44100", "0", `p.toml:32:1: sound.rate: 0 is out of bounds; use 8000 to 192000, best 48000`},
		{"channels", "channels = 2", "channels = 3", `p.toml:33:1: sound.channels: 3 is out of bounds; use 1 or 2` + "\n" + `p.toml:34:1: sound.microphone: there is no right with one channel; write channels = 2, or remove it`},
		{"microphone", `"right"`, `"rihgt"`, `p.toml:34:1: sound.microphone: "rihgt" is unknown; use left, right or mix`},
		{"right of one", "channels = 2", "channels = 1", `p.toml:34:1: sound.microphone: there is no right with one channel; write channels = 2, or remove it`},
		{"period", "441\namp", "40\namp", `p.toml:35:1: sound.period: 40 is not 1 to 40 ms at 44100 Hz; use 44 to 1764`},
		{"amplifier", "amplifier = \"amp\"", "amplifier = \"call\"", `p.toml:36:1: sound.amplifier: board p has no amplifier "call"; it has amp; name one of them, or add it as [[output]] with kind = "amplifier"`},
		{"delay", `"20ms"`, `"2s"`, `p.toml:37:1: sound.amplifier_delay: 2s is out of bounds; use 0s to 1s`},
		{"delay of nothing", "amplifier = \"amp\"\n", "", `p.toml:36:1: sound.amplifier_delay: there is no amplifier to wait for; name its output with amplifier, or remove it`},
		{"control", `"Speaker Playback Volume"`, `""`, `p.toml:39:1: sound.mixer[0].control: "" is not a control; write its name as amixer shows it`},
		{"value", `"80%"`, `""`, `p.toml:40:1: sound.mixer[0].value: "" is not a value; write it as in "80%", "-6dB" or "on"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(real, test.before, test.after, 1)
			_, err := Parse("p.toml", []byte(text))
			if got := fmt.Sprint(err); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
	_, err := Parse("p.toml", []byte("title = 's'\nsimulated = true\n[[input]]\nname = 'a'\noffset = 1\n[sound]\ncard = 'c'\n"))
	want := "p.toml:3:3: input[0]: a line of a simulated board has no chip, line or offset; remove them\n" +
		"p.toml:6:2: sound: a simulated board has no card; remove it"
	if got := fmt.Sprint(err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	_, err = Parse("p.toml", []byte("title = 's'\nsimulated = true\n"+strings.Repeat("[[input]]\nname = 'a'\n", maxLines+1)))
	if got, want := fmt.Sprint(err), "p.toml:3:3: input: over 64 inputs or outputs; remove some"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := Parse("a b.toml", []byte("title = 's'\nsimulated = true\n")); err == nil {
		t.Error("a file name that no configuration could name was taken")
	}
}

// TestBuiltIn loads every profile that is built in.
func TestBuiltIn(t *testing.T) {
	names, err := Names("")
	if err != nil || !slices.Contains(names, "simulated") {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		p, err := Load(Selection{Profile: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if p.Name != name {
			t.Errorf("%s is named %s", name, p.Name)
		}
	}
}

// TestSimulated holds the simulated board to the lines that the rest counts on.
func TestSimulated(t *testing.T) {
	p, err := Load(Selection{Profile: "simulated"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("bell-1 bell-2 bell-3 bell-4 accept end mute open volume-up volume-down ringer-mute call-door") {
		if in, err := p.Input(name); err != nil || in.Name != name || in.Filter != gpio.DefaultFilter {
			t.Errorf("input %s: %+v, %v", name, in, err)
		}
	}
	for _, name := range strings.Fields("call-lamp mute-lamp open-lamp fault-lamp ringer-lamp") {
		if _, err := p.Output(Lamp, name); err != nil {
			t.Errorf("lamp %s: %v", name, err)
		}
	}
	strike, err := p.Output(Relay, "strike")
	if err != nil || strike.HardLimit != 10*time.Second {
		t.Errorf("strike: %+v, %v", strike, err)
	}
	if p.Sound.PeriodTime() != 10*time.Millisecond || !p.Simulated {
		t.Errorf("%+v", p)
	}
}

func TestNames(t *testing.T) {
	p, err := Parse("p.toml", []byte(real))
	if err != nil {
		t.Fatal(err)
	}
	_, noInput := p.Input("bel")
	_, noRelay := p.Output(Relay, "call")
	p.Inputs = nil
	_, none := p.Input("bell")
	for want, err := range map[string]error{
		`board p has no input "bel"; it has bell, accept`: noInput,
		`board p has no relay "call"; it has strike`:      noRelay,
		`board p has no input "bell"; it has none`:        none,
	} {
		if fmt.Sprint(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestCheckOpen(t *testing.T) {
	relay := Output{Name: "strike", Kind: Relay, HardLimit: 5 * time.Second}
	for d, ok := range map[time.Duration]bool{0: false, -1: false, 1: true, 5 * time.Second: true, 5*time.Second + 1: false} {
		if err := relay.CheckOpen(d); (err == nil) != ok {
			t.Errorf("%v: %v", d, err)
		}
	}
	if err := (Output{Name: "call", Kind: Lamp, HardLimit: time.Minute}).CheckOpen(1); err == nil {
		t.Error("a lamp was taken for a relay")
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("mine.toml", real)
	write("bad.toml", "titel = 'x'")
	write("notes.txt", "")
	if p, err := Load(Selection{Profile: "mine", Dir: dir}); err != nil || p.Name != "mine" {
		t.Errorf("mine: %+v, %v", p, err)
	}
	if _, err := Load(Selection{Profile: "simulated", Dir: dir}); err != nil {
		t.Errorf("simulated: %v", err)
	}
	var problems *stricttoml.Problems
	if _, err := Load(Selection{Profile: "bad", Dir: dir}); !errors.As(err, &problems) || !strings.Contains(err.Error(), filepath.Join(dir, "bad.toml")+":1:1: titel") {
		t.Errorf("bad: %v", err)
	}
	_, err := Load(Selection{Profile: "simulatd", Dir: dir})
	if want := `board: no such board profile: "simulatd"; did you mean simulated? there are bad, `; !errors.Is(err, ErrUnknown) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for _, name := range []string{"", "../mine", "nothing-like-it"} {
		if _, err := Load(Selection{Profile: name, Dir: dir}); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: got %v, want %v", name, err, ErrUnknown)
		}
	}
	if _, err := Load(Selection{Profile: "simulated", Dir: filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v, want %v", err, fs.ErrNotExist)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "unwritten.toml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Selection{Profile: "unwritten", Dir: dir}); err == nil {
		t.Error("a FIFO that nobody writes is a profile")
	}
	write("simulated.toml", real)
	if _, err := Load(Selection{Profile: "mine", Dir: dir}); err == nil || !strings.Contains(err.Error(), "simulated is built in") {
		t.Errorf("a built-in name: %v", err)
	}
}

// FuzzParse holds that an accepted profile is safe: a relay has a limit, and
// every line of a real board has one place.
func FuzzParse(f *testing.F) {
	f.Add(real)
	if data, err := builtin.ReadFile("profiles/simulated.toml"); err == nil {
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("p.toml", []byte(text))
		if (p == nil) == (err == nil) {
			t.Fatalf("%v, %v", p, err)
		}
		if err != nil {
			return
		}
		for _, o := range p.Outputs {
			if (o.Kind == Relay) != (o.HardLimit > 0) || o.HardLimit > gpio.MaxRelayLimit {
				t.Fatalf("output %+v", o)
			}
			if !p.Simulated && (o.Chip == "" || (o.Line == "") == (o.Offset < 0)) {
				t.Fatalf("output %+v has no place", o)
			}
		}
		if s := p.Sound; s.PeriodTime() < 900*time.Microsecond || s.PeriodTime() > 40*time.Millisecond {
			t.Fatalf("sound %+v", s)
		}
	})
}
