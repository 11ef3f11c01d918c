//go:build !linux

package station

import (
	"fmt"
	"log/slog"

	"intercom/board"
	"intercom/gpio"
)

// openCard has no card to open: ALSA is Linux's.
func openCard(s board.Sound, _ gpio.Output, _ *slog.Logger) (Card, error) {
	return nil, fmt.Errorf("sound card %s: only Linux has ALSA; write profile = \"simulated\"", s.Card)
}
