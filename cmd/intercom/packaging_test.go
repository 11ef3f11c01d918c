package main

import (
	"testing"

	"intercom/board"
	"intercom/config"
	"intercom/station"
)

// TestPackagedConfigurations reads what the package ships to begin with, on the
// boards that it is for.
func TestPackagedConfigurations(t *testing.T) {
	for _, file := range []string{"door.toml", "indoor.toml"} {
		cfg, err := config.Load("../../packaging/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range cfg.Warnings {
			t.Error(w)
		}
		if cfg.Board.Profile != board.Auto || cfg.Station.StateDir != "/var/lib/intercom" {
			t.Errorf("%s: %+v", file, cfg.Board)
		}
		for _, name := range []string{"raspberry-pi-zero-2-w", "raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5"} {
			sel := station.Selection(cfg)
			sel.Profile = name
			p, err := board.Load(sel)
			if err != nil {
				t.Fatal(err)
			}
			if err := station.CheckLines(cfg, p); err != nil {
				t.Errorf("%s on %s: %v", file, name, err)
			}
		}
	}
}
