package main

import (
	"os"
	"strings"
)

// bootCase shows that the board is what the other cases need: cards by id, lines by name.
func bootCase(g *guest) error {
	if err := g.openHardware(); err != nil {
		return err
	}
	version, err := os.ReadFile("/proc/version")
	if err != nil {
		return err
	}
	words := strings.Fields(string(version))
	g.check("kernel", len(words) > 2 && words[0] == "Linux", "Linux %s", words[2])
	for i, id := range g.spec.Cards {
		link, err := os.Readlink("/proc/asound/" + id)
		g.check("card "+id, err == nil && link == "card"+string(rune('0'+i)), "%s", link)
	}
	c, err := newChip("lab", []string{"BUTTON", "", "LAMP"})
	if err != nil {
		return err
	}
	for _, high := range []bool{true, false, true} {
		if err := c.pull("BUTTON", high); err != nil {
			return err
		}
		got, err := c.level("BUTTON")
		if err != nil || got != high {
			g.check("gpio-sim", false, "pulled to %v, read %v, %v", high, got, err)
			return nil
		}
	}
	g.check("gpio-sim", true, "a line pulled and read")
	return nil
}
