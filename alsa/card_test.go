package alsa

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// pi is what a Raspberry Pi with a USB card shows, and a name with a dash.
func pi() fstest.MapFS {
	link := func(to string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink} }
	return fstest.MapFS{
		"proc/asound/cards": {Data: []byte(` 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi
                      vc4-hdmi
 1 [Door           ]: USB-Audio - USB Audio - Device
                      C-Media USB Audio Device at usb-3f980000.usb-1.2, full speed
12 [sndrpigooglevoi]: RPi-simple - snd_rpi_googlevoicehat_soundcar
                      snd_rpi_googlevoicehat_soundcar
`)},
		"proc/asound/pcm": {Data: []byte(`00-00: MAI PCM i2s-hifi-0 : MAI PCM i2s-hifi-0 : playback 1
01-00: USB Audio : USB Audio : playback 1 : capture 1
01-01: USB Audio : USB Audio #1 : capture 1
12-00: Google voiceHAT SoundCard HiFi voicehat-hifi-0 : Google voiceHAT SoundCard HiFi voicehat-hifi-0 : playback 1 : capture 1
`)},
		"sys/class/sound/card0/device":  link("../../../3f902000.hdmi"),
		"sys/class/sound/card1/device":  link("../../../1-1.2:1.0"),
		"sys/class/sound/card12/device": link("../../../soc:sound"),
	}
}

func TestCards(t *testing.T) {
	got, err := readCards(pi())
	if err != nil {
		t.Fatal(err)
	}
	want := []Card{
		{Index: 0, ID: "vc4hdmi", Driver: "vc4-hdmi", Name: "vc4-hdmi", PCMs: []PCM{{Name: "MAI PCM i2s-hifi-0", Playback: true}}},
		{Index: 1, ID: "Door", Driver: "USB-Audio", Name: "USB Audio - Device", Port: "1-1.2",
			PCMs: []PCM{{Name: "USB Audio", Capture: true, Playback: true}, {Device: 1, Name: "USB Audio #1", Capture: true}}},
		{Index: 12, ID: "sndrpigooglevoi", Driver: "RPi-simple", Name: "snd_rpi_googlevoicehat_soundcar",
			PCMs: []PCM{{Name: "Google voiceHAT SoundCard HiFi voicehat-hifi-0", Capture: true, Playback: true}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("cards (-want +got):\n%s", d)
	}
}

func TestNoCards(t *testing.T) {
	for name, root := range map[string]fstest.MapFS{
		"no sound modules": {},
		"no card":          {"proc/asound/cards": {Data: []byte("--- no soundcards ---\n")}, "proc/asound/pcm": {}},
	} {
		if got, err := readCards(root); len(got) != 0 || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestFindByPort(t *testing.T) {
	a, err := parseAddress("usb:1-1.2")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := find(pi(), a); err != nil || c.Index != 1 {
		t.Errorf("find = %v, %v, want card 1", c, err)
	}
}

func TestParseAddress(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want address
		ok   bool
	}{
		{"Door", address{id: "Door"}, true},
		{"hw:Door", address{id: "Door"}, true},
		{"hw:CARD=Door", address{id: "Door"}, true},
		{"hw:CARD=Door,DEV=3", address{id: "Door", device: 3}, true},
		{"hw:Door,3", address{id: "Door", device: 3}, true},
		{"usb:1-1.2", address{port: "1-1.2"}, true},
		{"usb:3-2,DEV=1", address{port: "3-2", device: 1}, true},
		{"", address{}, false},
		{"0", address{}, false},
		{"hw:1,0", address{}, false},
		{"hw:CARD=1", address{}, false},
		{"Door,x", address{}, false},
		{"Door,-1", address{}, false},
		{"Door,32", address{}, false},
		{"Door,", address{}, false},
		{"default", address{id: "default"}, true},
		{"plughw:Door", address{}, false},
		{"a card with spaces", address{}, false},
		{"longer-than-15-bytes", address{}, false},
		{"usb:", address{}, false},
		{"usb:../../etc", address{}, false},
		{"usb:1-1:1.0", address{}, false},
	} {
		got, err := parseAddress(tc.in)
		if (err == nil) != tc.ok || tc.ok && got != tc.want {
			t.Errorf("parseAddress(%q) = %+v, %v; want %+v, ok %v", tc.in, got, err, tc.want, tc.ok)
		}
	}
}

// What is read is written the same way.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"Door", "hw:CARD=Door,DEV=0", "usb:1-1.2,DEV=1", "hw:0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err != nil {
			return
		}
		again, err := parseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q: %+v, then %q: %+v, %v", s, a, a, again, err)
		}
	})
}

func FuzzCards(f *testing.F) {
	for _, name := range []string{"cards", "pcm"} {
		f.Add(pi()["proc/asound/cards"].Data, pi()["proc/asound/"+name].Data, "../../../1-1.2:1.0")
	}
	f.Fuzz(func(t *testing.T, cards, pcms []byte, link string) {
		all, err := readCards(fstest.MapFS{
			"proc/asound/cards": {Data: cards}, "proc/asound/pcm": {Data: pcms},
			"sys/class/sound/card1/device": {Data: []byte(link), Mode: fs.ModeSymlink},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.Port != "" && !portForm.MatchString(c.Port) {
				t.Errorf("port %q", c.Port)
			}
		}
	})
}
