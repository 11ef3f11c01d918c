package main

import (
	"bytes"
	"os"
	"strings"

	"intercom/gpio/cdev"
)

// linesCase looks for lines by the names that they have on a real board.
func linesCase(g *guest) error {
	model, err := os.ReadFile("/proc/device-tree/model")
	if err != nil {
		return err
	}
	name := string(bytes.TrimRight(model, "\x00"))
	g.check("model", strings.Contains(name, g.spec.Options["model"]), "%s", name)
	var missing []string
	places := strings.Split(g.spec.Options["lines"], ",")
	for _, place := range places {
		chip, line, _ := strings.Cut(place, "/")
		info, err := cdev.Lookup(cdev.Place{Chip: chip, Line: line})
		if err != nil || info.Name != line || info.Label != chip {
			missing = append(missing, place)
		}
	}
	g.check("lines", len(missing) == 0, "%d looked up by name, missing: %s", len(places), strings.Join(missing, " "))
	return nil
}
