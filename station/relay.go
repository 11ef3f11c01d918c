package station

import (
	"fmt"
	"io/fs"

	"intercom/board"
	"intercom/config"
	"intercom/gpio/cdev"
)

// CheckRelay refuses an opener whose line keeps its level when this program
// dies, unless the relay goes off by itself. root is the root of the file
// system.
func CheckRelay(cfg *config.Config, p *board.Profile, root fs.FS) error {
	if cfg.Door.Relay == "" || cfg.Door.RelayType == config.RelayPulse || p.Simulated {
		return nil
	}
	out, err := p.Output(board.Relay, cfg.Door.Relay)
	if err != nil {
		return cfg.Errorf("door.relay", "%v; name one of them", err)
	}
	kept, why, err := cdev.ReleasedOutputs(root, out.Chip)
	if err != nil {
		return fmt.Errorf("station: opener: %w", err)
	}
	if kept == cdev.Kept {
		return cfg.Errorf("door.relay", "chip %s keeps its outputs (%s): the door would stay open if this program died; "+
			"write dtparam=strict_gpiod in /boot/firmware/config.txt and restart the board, or, if the relay goes off by itself, relay_type = \"pulse\" here",
			out.Chip, why)
	}
	return nil
}
