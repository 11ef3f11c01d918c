package cdev

import (
	"testing"
	"testing/fstest"
)

func TestReleasedOutputs(t *testing.T) {
	const (
		bcm = "sys/module/pinctrl_bcm2835/parameters/"
		rp1 = "sys/module/pinctrl_rp1/parameters/"
	)
	tests := []struct {
		name, label, file, value, kernel string
		want                             Persistence
	}{
		{"Raspberry Pi OS as it comes", "pinctrl-bcm2711", bcm + "persist_gpio_outputs", "Y\n", "6.12.25+rpt-rpi-v8", Kept},
		{"with dtparam=strict_gpiod", "pinctrl-bcm2711", bcm + "persist_gpio_outputs", "N\n", "6.12.25+rpt-rpi-v8", Falls},
		{"the old name, off", "pinctrl-bcm2835", bcm + "strict_gpiod", "N\n", "6.6.28-v8+", Kept},
		{"the old name, on", "pinctrl-bcm2835", bcm + "strict_gpiod", "Y\n", "6.6.28-v8+", Falls},
		{"older than both", "pinctrl-bcm2835", "", "", "6.1.21-v7+", Kept},
		{"Debian's kernel on a Pi", "pinctrl-bcm2835", "", "", "6.1.0-32-arm64", Falls},
		{"Pi 5", "pinctrl-rp1", rp1 + "persist_gpio_outputs", "Y\n", "6.12.25+rpt-rpi-2712", Kept},
		{"Pi 5, strict", "pinctrl-rp1", rp1 + "persist_gpio_outputs", "N\n", "6.12.25+rpt-rpi-2712", Falls},
		{"Pi 5, the other driver's parameter", "pinctrl-rp1", bcm + "persist_gpio_outputs", "N\n", "6.12.25+rpt-rpi-2712", Kept},
		{"Pi 5, another kernel", "pinctrl-rp1", "", "", "6.16.0-arm64", Unknown},
		{"another chip", "gpio-mockup-A", "", "", "6.1.0-32-arm64", Unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{"proc/sys/kernel/osrelease": {Data: []byte(test.kernel + "\n")}}
			if test.file != "" {
				root[test.file] = &fstest.MapFile{Data: []byte(test.value)}
			}
			got, why, err := ReleasedOutputs(root, test.label)
			if err != nil || got != test.want || why == "" {
				t.Errorf("got %v, %q, %v; want %v and why", got, why, err, test.want)
			}
		})
	}
	if _, _, err := ReleasedOutputs(fstest.MapFS{}, "pinctrl-bcm2711"); err == nil {
		t.Error("no error where nothing can be read")
	}
}
