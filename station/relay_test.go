package station

import (
	"strings"
	"testing"
	"testing/fstest"

	"intercom/board"
	"intercom/config"
)

func TestCheckRelay(t *testing.T) {
	root := func(persist string) fstest.MapFS {
		return fstest.MapFS{
			"sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs": {Data: []byte(persist + "\n")},
		}
	}
	tests := []struct {
		name, profile, relay string
		kind                 config.RelayType
		root                 fstest.MapFS
		want                 string
	}{
		{"falls", "raspberry-pi-4", "strike", config.RelayLevel, root("N"), ""},
		{"kept", "raspberry-pi-4", "strike", config.RelayLevel, root("Y"), "dtparam=strict_gpiod"},
		{"kept, but the relay has a timer", "raspberry-pi-4", "strike", config.RelayPulse, root("Y"), ""},
		{"no relay", "raspberry-pi-4", "", config.RelayLevel, root("Y"), ""},
		{"unknown relay", "raspberry-pi-4", "strik", config.RelayLevel, root("Y"), "it has strike"},
		{"a chip that does not tell", "debian-usb", "strike", config.RelayLevel, root("Y"), ""},
		{"nothing to be read", "raspberry-pi-4", "strike", config.RelayLevel, fstest.MapFS{}, "kernel's version"},
		{"simulated", "simulated", "strike", config.RelayLevel, fstest.MapFS{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := board.Load(board.Selection{Profile: test.profile})
			if err != nil {
				t.Fatal(err)
			}
			cfg := &config.Config{Door: config.DoorLock{Relay: test.relay, RelayType: test.kind}}
			err = CheckRelay(cfg, p, test.root)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
