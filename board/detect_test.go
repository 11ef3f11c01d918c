package board

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"periph.io/x/conn/v3/pin"
	"periph.io/x/host/v3/rpi"
)

var raspberries = []string{"raspberry-pi-zero-2-w", "raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5"}

func deviceTree(compatible ...string) fstest.MapFS {
	return fstest.MapFS{compatibleFile: {Data: []byte(strings.Join(compatible, "\x00") + "\x00")}}
}

func TestDetect(t *testing.T) {
	dir := t.TempDir()
	mine := strings.Replace(real, "vendor,board", "raspberrypi,4-compute-module", 1)
	if err := os.WriteFile(filepath.Join(dir, "mine.toml"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	ok := []struct {
		want string
		tree fstest.MapFS
	}{
		{"raspberry-pi-zero-2-w", deviceTree("raspberrypi,model-zero-2-w", "brcm,bcm2837")},
		{"raspberry-pi-3", deviceTree("raspberrypi,3-model-b-plus", "brcm,bcm2837")},
		{"raspberry-pi-4", deviceTree("raspberrypi,4-model-b", "brcm,bcm2711")},
		{"raspberry-pi-5", deviceTree("raspberrypi,5-model-b", "brcm,bcm2712")},
		{"mine", deviceTree("raspberrypi,4-compute-module", "raspberrypi,4-model-b", "brcm,bcm2711")}, // the most exact name decides
	}
	for _, test := range ok {
		p, err := load(Selection{Profile: Auto, Dir: dir}, test.tree)
		if err != nil || p.Name != test.want {
			t.Errorf("got %+v, %v; want %s", p, err, test.want)
		}
	}
	if _, err := Detect(fstest.MapFS{}, ""); !errors.Is(err, ErrUndetected) || !strings.Contains(err.Error(), "no device tree") {
		t.Errorf("no device tree: %v", err)
	}
	if _, err := Detect(deviceTree("acme,toaster"), ""); !errors.Is(err, ErrUndetected) || !strings.Contains(err.Error(), "acme,toaster; name a profile") {
		t.Errorf("an unknown board: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "twice.toml"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Detect(deviceTree("raspberrypi,4-compute-module"), dir); !errors.Is(err, ErrUndetected) || !strings.Contains(err.Error(), "mine, twice") {
		t.Errorf("two profiles: %v", err)
	}
}

// TestHeader compares the header pins of profiles and sounds with periph's
// knowledge of the 40-pin header.
func TestHeader(t *testing.T) {
	header := map[int]pin.Pin{
		3: rpi.P1_3, 5: rpi.P1_5, 7: rpi.P1_7, 8: rpi.P1_8, 10: rpi.P1_10, 11: rpi.P1_11, 12: rpi.P1_12, 13: rpi.P1_13,
		15: rpi.P1_15, 16: rpi.P1_16, 18: rpi.P1_18, 19: rpi.P1_19, 21: rpi.P1_21, 22: rpi.P1_22, 23: rpi.P1_23,
		24: rpi.P1_24, 26: rpi.P1_26, 29: rpi.P1_29, 31: rpi.P1_31, 32: rpi.P1_32, 33: rpi.P1_33, 35: rpi.P1_35,
		36: rpi.P1_36, 37: rpi.P1_37, 38: rpi.P1_38, 40: rpi.P1_40,
		1: rpi.P1_1, 2: rpi.P1_2, 4: rpi.P1_4, 6: rpi.P1_6, 9: rpi.P1_9, 14: rpi.P1_14, 17: rpi.P1_17, 20: rpi.P1_20,
	}
	gpio := func(what string, at int, name string) {
		t.Helper()
		if p := header[at]; p == nil || p.Name() != name {
			t.Errorf("%s: %s is not at pin %d of the header, %v is", what, name, at, p)
		}
	}
	for _, name := range raspberries {
		p, err := loadProfile(name, "")
		if err != nil {
			t.Fatal(err)
		}
		check := func(line string, at Place) {
			if at.Line == "" {
				at.Line = "GPIO" + strconv.Itoa(at.Offset)
			}
			gpio(name+" "+line, at.Header, at.Line)
		}
		for _, in := range p.Inputs {
			check(in.Name, in.Place)
		}
		for _, out := range p.Outputs {
			check(out.Name, out.Place)
			if out.Kind == Relay && header[out.Header].(interface{ Number() int }).Number() < 9 {
				t.Errorf("%s: a relay on a pin that is pulled up from power-up", name)
			}
		}
	}
	for _, name := range []string{"i2s", "wm8960"} {
		s, err := LoadSound(name, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range s.Wires {
			to := w.To
			if supply := map[string]string{"3.3 V": "3.3V", "5 V": "5V", "ground": "GROUND"}[w.To]; supply != "" {
				to = supply
			}
			gpio(name+" "+w.From, w.Header, to)
		}
	}
}
