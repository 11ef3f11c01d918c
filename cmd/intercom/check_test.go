package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"intercom/alsa"
	"intercom/board"
	"intercom/config"
	"intercom/gpio/cdev"
	"intercom/gpio/gpiotest"
	"intercom/mqttpush"
	"intercom/station"
)

const checkText = `[station]
kind = "door"
name = "front"
service = "home"
user = "door"
[broker]
url = "mqtt://broker.example"
[board]
profile = "raspberry-pi-4"
sound = "i2s"
[[button]]
name = "bell-1"
action = "call"
callee = "flat"
[[lamp]]
name = "call-lamp"
shows = "call"
[door]
relay = "strike"
`

// loopCard is a sound card whose microphone hears its speaker.
type loopCard struct {
	gain     float64
	queue    []int16 // on the way from the speaker to the microphone
	startErr error
	errs     []error // of the next captures
}

func (c *loopCard) Rate() int    { return 48000 }
func (c *loopCard) Period() int  { return 480 }
func (c *loopCard) Start() error { return c.startErr }
func (c *loopCard) Close() error { return nil }

func (c *loopCard) Capture(dst []int16) (time.Duration, error) {
	if len(c.errs) > 0 {
		err := c.errs[0]
		c.errs = c.errs[1:]
		if err != nil {
			return 0, err
		}
	}
	n := copy(dst, c.queue)
	c.queue = c.queue[n:]
	return 0, nil
}

func (c *loopCard) Play(src []int16) error {
	for _, v := range src {
		c.queue = append(c.queue, int16(c.gain*float64(v))+1)
	}
	return nil
}

var checkNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// goodMachine is one on which everything is as it should be.
func goodMachine() (machine, fstest.MapFS, fakeHardware, *loopCard) {
	root := fstest.MapFS{
		"dev/gpiochip0":     {},
		"dev/snd/pcmC0D0c":  {},
		"dev/snd/controlC0": {},
		"sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs": {Data: []byte("N\n")},
	}
	lines := fakeHardware{"bell-1": gpiotest.NewPin()}
	card := &loopCard{gain: 0.5, queue: make([]int16, 960)}
	return machine{
		root:    root,
		state:   func(*config.Config) error { return nil },
		access:  func(string) error { return nil },
		group:   func(string) (string, error) { return "audio", nil },
		user:    "visitor",
		rtLimit: func() (uint64, error) { return 50, nil },
		mayNice: func() (int, error) { return -20, nil },
		lookup:  func(at cdev.Place) (cdev.Info, error) { return cdev.Info{Label: at.Chip, Name: at.Line}, nil },
		open:    func(*board.Profile) (board.Hardware, error) { return lines, nil },
		card:    func(name string) (alsa.Card, error) { return alsa.Card{ID: name, Name: "I2S"}, nil },
		device:  func(*board.Profile, board.Hardware) (station.Card, error) { return card, nil },
		dial:    func(context.Context, string) error { return nil },
		keys:    func(*config.Config) (time.Time, error) { return checkNow.AddDate(1, 0, 0), nil },
		look: func(_ context.Context, _ *config.Config, users []string) (mqttpush.Probe, error) {
			p := mqttpush.Probe{Online: map[string][]string{}}
			for _, u := range users {
				p.Online[u] = []string{"kitchen"}
			}
			return p, nil
		},
		time:  func() (time.Time, bool) { return checkNow, true },
		build: checkNow.AddDate(0, -1, 0),
	}, root, lines, card
}

// checked is what check says as JSON.
type checked struct {
	OK       bool
	Root     *finding
	Findings []finding
}

func check(t *testing.T, text string, loop bool, change func(*machine, fstest.MapFS, fakeHardware, *loopCard)) (checked, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "station.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, root, lines, card := goodMachine()
	if change != nil {
		change(&m, root, lines, card)
	}
	d := diagnosis{machine: m, path: path, loop: loop}
	var out, plain bytes.Buffer
	err := d.report(t.Context(), &out, true)
	var got checked
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	if err := d.print(&plain, got.Root); err != nil {
		t.Fatal(err)
	}
	return got, plain.String(), err
}

func TestCheckGood(t *testing.T) {
	got, text, err := check(t, checkText, true, nil)
	if err != nil || !got.OK || got.Root != nil {
		t.Errorf("%v:\n%s", err, text)
	}
	var order []string
	for _, f := range got.Findings {
		if f.State != stateOK {
			t.Errorf("%+v", f)
		}
		order = append(order, f.Step)
	}
	if want := "config state permissions card sound loop pins broker keys clock login peer"; strings.Join(order, " ") != want {
		t.Errorf("steps are %q", order)
	}
	if !strings.Contains(text, "heard 3 of 3 sweeps") || !strings.Contains(text, "20ms after they were given") {
		t.Errorf("no figures of the loop in\n%s", text)
	}
}

// TestCheckFinds breaks one thing after the other: check names it first, says
// what to do, and leaves out what can not work without it.
func TestCheckFinds(t *testing.T) {
	type world = func(*machine, fstest.MapFS, fakeHardware, *loopCard)
	denied := func(pattern string) world {
		return func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.access = func(path string) error {
				if strings.HasPrefix(path, pattern) {
					return fs.ErrPermission
				}
				return nil
			}
		}
	}
	const everything = "state permissions card sound pins broker keys clock login peer"
	tests := []struct {
		name, from, to string // in the configuration
		world          world
		root           string
		detail, remedy string
		skipped        string
	}{
		{"a wrong value", `kind = "door"`, `kind = "dor"`, nil, "config", `"dor"`, "", everything},
		{"no such profile", "pi-4", "pi-44", nil, "config", "no such board profile", "did you mean raspberry-pi-4?", everything},
		{"no such sound", `"i2s"`, `"i3s"`, nil, "config", "no such sound choice", "did you mean i2s?", everything},
		{"no such line", `"bell-1"`, `"bell-9"`, nil, "config", "button[0].name", "name one of them", everything},
		{"no state folder", "", "", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.state = func(*config.Config) error { return errors.New("no room; make some") }
		}, "state", "no room", "make some", ""},
		{"no permission for lines", "", "", denied("/dev/gpiochip"), "permissions", "visitor may not use /dev/gpiochip0", "usermod -aG audio visitor", "sound"},
		{"a device of root", "", "", func(m *machine, r fstest.MapFS, h fakeHardware, c *loopCard) {
			denied("/dev/snd/pcm")(m, r, h, c)
			m.group = func(string) (string, error) { return "root", nil }
		}, "permissions", "sound: visitor may not use", "udev rules", "sound"},
		{"no card", "", "", func(m *machine, r fstest.MapFS, _ fakeHardware, _ *loopCard) {
			r["boot/firmware/config.txt"] = &fstest.MapFile{Data: []byte("dtparam=i2s=on # sound\n#dtoverlay=googlevoicehat-soundcard\n")}
			m.card = func(string) (alsa.Card, error) {
				return alsa.Card{}, fmt.Errorf("%w: present: vc4hdmi", alsa.ErrNoCard)
			}
		}, "card", "present: vc4hdmi", "add to config.txt and start the board anew: dtoverlay=googlevoicehat-soundcard", "sound"},
		{"no card, all in config.txt", "", "", func(m *machine, r fstest.MapFS, _ fakeHardware, _ *loopCard) {
			r["boot/config.txt"] = &fstest.MapFile{Data: []byte("dtparam=i2s=on\ndtoverlay=googlevoicehat-soundcard\n")}
			m.card = func(string) (alsa.Card, error) { return alsa.Card{}, alsa.ErrNoCard }
		}, "card", "no such card", "plug it in", "sound"},
		{"the card is in use", "", "", func(_ *machine, _ fstest.MapFS, _ fakeHardware, c *loopCard) { c.startErr = syscall.EBUSY }, "sound", "busy", "systemctl stop intercom", ""},
		{"the card vanishes", "", "", func(_ *machine, _ fstest.MapFS, _ fakeHardware, c *loopCard) {
			c.errs = []error{nil, nil, syscall.ENODEV}
		}, "sound", "no such device", "", ""},
		{"the card always runs dry", "", "", func(_ *machine, _ fstest.MapFS, _ fakeHardware, c *loopCard) {
			c.errs = slices.Repeat([]error{syscall.EPIPE}, 100)
		}, "sound", "ran dry 21 times", "", ""},
		{"a muted speaker", "", "", func(_ *machine, _ fstest.MapFS, _ fakeHardware, c *loopCard) { c.gain = 0 }, "loop", "does not hear the speaker", "amplifier", ""},
		{"a line in use", "", "", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.lookup = func(at cdev.Place) (cdev.Info, error) {
				return cdev.Info{Label: at.Chip, Used: at.Offset == 9, Consumer: "spi0 CS0"}, nil
			}
		}, "pins", `call-lamp: line 9 of chip pinctrl-bcm2711 is in use by "spi0 CS0"`, "remove the overlay", ""},
		{"no such chip", "", "", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.lookup = func(cdev.Place) (cdev.Info, error) { return cdev.Info{}, cdev.ErrNoChip }
		}, "pins", "bell-1: no such chip", "", ""},
		{"a relay that stays on", "", "", func(_ *machine, r fstest.MapFS, _ fakeHardware, _ *loopCard) {
			r["sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs"].Data = []byte("Y\n")
		}, "pins", "keeps its outputs", "dtparam=strict_gpiod", ""},
		{"no broker", "", "", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.dial = func(_ context.Context, addr string) error {
				return fmt.Errorf("%s: %w", addr, syscall.ECONNREFUSED)
			}
		}, "broker", "broker.example:1883: connection refused", "start the broker", "login peer"},
		{"no key", "", "", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.keys = func(*config.Config) (time.Time, error) {
				return time.Time{}, errors.New("no key; make one with intercom key make")
			}
		}, "keys", "no key", "make one with intercom key make", "login peer"},
		{"the broker refuses", "", "", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.look = func(context.Context, *config.Config, []string) (mqttpush.Probe, error) {
				return mqttpush.Probe{}, errors.New("the broker refused this device; check its access token")
			}
		}, "login", "refused this device", "check its access token", "peer"},
		{"nobody is there", "", "", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.look = func(context.Context, *config.Config, []string) (mqttpush.Probe, error) { return mqttpush.Probe{}, nil }
		}, "peer", "no device of flat", `start the station of user "flat"`, ""},
		{"two things at once", "", "", func(m *machine, r fstest.MapFS, h fakeHardware, c *loopCard) {
			c.startErr = syscall.EBUSY
			m.dial = func(context.Context, string) error { return syscall.ECONNREFUSED }
		}, "sound", "busy", "", "login peer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, text, err := check(t, strings.Replace(checkText, test.from, test.to, 1), test.root == "loop", test.world)
			if got.OK || got.Root == nil || got.Root.Step != test.root || !strings.Contains(got.Root.Detail, test.detail) || !strings.Contains(got.Root.Remedy, test.remedy) {
				t.Errorf("root is %+v, want %s: %s; %s", got.Root, test.root, test.detail, test.remedy)
			}
			if !strings.HasPrefix(text, "First to mend: "+test.root+": ") {
				t.Errorf("text is\n%s", text)
			}
			var usage usageError
			if err == nil || errors.As(err, &usage) != (test.root == "config") {
				t.Errorf("error %v", err)
			}
			var skipped []string
			for _, f := range got.Findings {
				if f.State == stateSkipped && f.Step != "loop" { // which most do not ask for
					skipped = append(skipped, f.Step)
				}
			}
			if strings.Join(skipped, " ") != test.skipped {
				t.Errorf("skipped %q, want %s", skipped, test.skipped)
			}
		})
	}
}

// TestCheckWarns finds what works, but hardly as meant.
func TestCheckWarns(t *testing.T) {
	tests := []struct {
		name, step, says string
		change           func(*machine, fstest.MapFS, fakeHardware, *loopCard)
	}{
		{"a held button", "pins", "bell-1 is active", func(_ *machine, _ fstest.MapFS, h fakeHardware, _ *loopCard) { h["bell-1"].Press() }},
		{"no priority", "permissions", "sound may not go before others", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.rtLimit = func() (uint64, error) { return 39, nil }
			m.mayNice = func() (int, error) { return -4, nil }
		}},
		{"an xrun", "sound", "ran dry 1 times", func(_ *machine, _ fstest.MapFS, _ fakeHardware, c *loopCard) {
			c.errs = []error{nil, syscall.EPIPE}
		}},
		{"a token that ends soon", "keys", "expires on 2026-05-08", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.keys = func(*config.Config) (time.Time, error) { return checkNow.AddDate(0, 0, 7), nil }
		}},
		{"a clock of 1970", "clock", "before this program was built", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.time = func() (time.Time, bool) { return time.Unix(0, 0), false }
		}},
		{"a clock that nobody sets", "clock", "not synchronised", func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
			m.time = func() (time.Time, bool) { return checkNow, false }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, text, err := check(t, checkText, false, test.change)
			if err != nil || !got.OK {
				t.Errorf("%v:\n%s", err, text)
			}
			found := slices.ContainsFunc(got.Findings, func(f finding) bool {
				return f.Step == test.step && f.State == stateWarning && strings.Contains(f.Detail, test.says)
			})
			if !found {
				t.Errorf("no warning of %s that says %q in\n%s", test.step, test.says, text)
			}
		})
	}
}

// TestCheckRunningStation sees that its own lines are in use.
func TestCheckRunningStation(t *testing.T) {
	got, text, _ := check(t, checkText, false, func(m *machine, _ fstest.MapFS, h fakeHardware, _ *loopCard) {
		m.lookup = func(at cdev.Place) (cdev.Info, error) { return cdev.Info{Used: true, Consumer: "intercom:x"}, nil }
		h["bell-1"].Press() // which nobody may read
	})
	if !got.OK || !strings.Contains(text, "3 are held by a station that runs") || strings.Contains(text, "is active") {
		t.Errorf("\n%s", text)
	}
}

// TestCheckSimulated has no hardware to look at.
func TestCheckSimulated(t *testing.T) {
	text := strings.NewReplacer("raspberry-pi-4", "simulated", "sound = \"i2s\"\n", "").Replace(checkText)
	d, plain, err := check(t, text, false, func(m *machine, _ fstest.MapFS, _ fakeHardware, _ *loopCard) {
		*m = machine{root: m.root, state: m.state, dial: m.dial, keys: m.keys, look: m.look, time: m.time, build: m.build}
	})
	if err != nil || !d.OK {
		t.Errorf("%v\n%s", err, plain)
	}
}

// TestCheckHere runs it on this machine: it may find what it likes, but ends.
func TestCheckHere(t *testing.T) {
	h := open(t)
	code, out, errs := run(t, "check", "--config", filepath.Join(h.dir, "door", "station.toml"))
	if code != exitOK || !strings.Contains(out, "the broker does not show other users") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
}

func TestDescribeCard(t *testing.T) {
	got := describeCard(alsa.Card{ID: "Device", Name: "USB Audio", Driver: "USB-Audio", Port: "1-1.2", PCMs: []alsa.PCM{
		{Device: 0, Name: "USB Audio", Capture: true, Playback: true}, {Device: 1, Name: "HDMI", Playback: true},
	}})
	for _, want := range []string{"Device: USB Audio (USB-Audio)\n", `card = "Device", or by where it is plugged in: card = "usb:1-1.2"`, "device 0  USB Audio", "microphone and speaker", "no use for a station"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
