package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// toolsCase runs what is for whoever wires a board, at the door's board, while its station does not run: intercom check,
// cards and buttons.
func toolsCase(g *guest) error {
	return g.inHouse(func(h *house) error {
		if err := h.open(h.indoor); err != nil {
			return err
		}
		for _, f := range []func() error{h.checkGood, h.checkBad, h.checkDenied, h.cards, h.buttons} {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
}

// diagnosis is what intercom check --json says.
type diagnosis struct {
	OK       bool      `json:"ok"`
	Root     finding   `json:"root"`
	Findings []finding `json:"findings"`
}

type finding struct{ Step, State, Detail, Remedy string }

func (m *member) config() string { return filepath.Join(m.dir, "station.toml") }

// diagnose runs intercom check as a user.
func (h *house) diagnose(user uint32, config string, args ...string) (d diagnosis, r result, err error) {
	r, err = runAs(user, append([]string{"check", "--json", "--config", config}, args...)...)
	if err != nil {
		return d, r, err
	}
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		return d, r, fmt.Errorf("intercom check: %w: %s%s", err, r.out, r.said)
	}
	return d, r, nil
}

// checkGood looks at a board where all is well, and lets the microphone hear the loudspeaker.
func (h *house) checkGood() error {
	h.door.air.echo(true)
	defer h.door.air.echo(false)
	d, r, err := h.diagnose(0, h.door.config(), "--sound")
	if err != nil {
		return err
	}
	h.g.check("check, all well", d.OK && r.code == 0, "exit %d%s", r.code, told(d))
	for _, f := range d.Findings {
		if f.Step == "loop" {
			h.g.check("check --sound", f.State == "ok", "%s", f.Detail)
		}
	}
	return nil
}

// told is what check found first, if anything.
func told(d diagnosis) string {
	if d.Root.Step == "" {
		return ""
	}
	return fmt.Sprintf(", %s: %s; %s", d.Root.Step, d.Root.Detail, d.Root.Remedy)
}

// failing wants check to fail with this step first, and to say so.
func (h *house) failing(name string, user uint32, config, step string, says ...string) error {
	d, r, err := h.diagnose(user, config)
	if err != nil {
		return err
	}
	ok := !d.OK && r.code == 1 && d.Root.Step == step
	for _, s := range says {
		ok = ok && strings.Contains(d.Root.Detail+"; "+d.Root.Remedy, s)
	}
	h.g.check("check, "+name, ok, "exit %d%s", r.code, told(d))
	return nil
}

func (h *house) checkBad() error {
	text, err := os.ReadFile(h.door.config())
	if err != nil {
		return err
	}
	wrong := filepath.Join(h.door.dir, "wrong.toml")
	if err := os.WriteFile(wrong, append(text, "\n[sound]\ncard = \"Dor\"\n"...), 0o600); err != nil {
		return err
	}
	if err := h.failing("card Dor", 0, wrong, "card", "Dor", "present: Door"); err != nil {
		return err
	}
	holder, err := start("buttons", "buttons", "--config", h.door.config())
	if err != nil {
		return err
	}
	go io.Copy(io.Discard, holder.out) // until it ends
	if err := poll(startTime, func() error { return lineTaken(h.door.chip, "BELL") }); err != nil {
		return err
	}
	if err := h.failing("line in use", 0, h.door.config(), "pins", "bell", "in use by", "intercom-buttons"); err != nil {
		return err
	}
	return holder.end(startTime)
}

// checkDenied looks as a user who may read the configuration and keep a state, but may not use the devices.
func (h *house) checkDenied() error {
	const nobody = 65534
	for path, mode := range map[string]os.FileMode{h.door.dir: 0o777, h.door.config(): 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	return h.failing("no permission", nobody, h.door.config(), "permissions", "may not use /dev/gpiochip")
}

// cards lists both cards, opens the one that is free, and says who has the other.
func (h *house) cards() error {
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{nil, 0, []string{"Door: ", "Indoor: ", `card = "Door"`, "microphone and speaker"}},
		{[]string{"Door", "--try", "--mixer"}, 0, []string{"gives 48000 Hz", "PCM Rate Shift"}},
		{[]string{"Indoor", "--try"}, 1, []string{"stop intercom (process"}},
		{[]string{"Dor"}, 1, []string{"present: Door (Loopback), Indoor (Loopback)"}},
	} {
		r, err := runAs(0, append([]string{"cards"}, c.args...)...)
		if err != nil {
			return err
		}
		ok := r.code == c.code
		for _, s := range c.says {
			ok = ok && strings.Contains(r.out+r.said, s)
		}
		h.g.check(strings.Join(append([]string{"cards"}, c.args...), " "), ok, "exit %d: %s", r.code, strings.Join(strings.Fields(r.out+r.said), " "))
	}
	return nil
}

// buttons shows a press of a contact that bounces, and says so at the end.
func (h *house) buttons() error {
	p, err := start("buttons", "buttons", "--config", h.door.config())
	if err != nil {
		return err
	}
	printed := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(p.out) // a pipe of this process
		printed <- string(text)
	}()
	if err := poll(startTime, func() error { return lineTaken(h.door.chip, "BELL") }); err != nil {
		return err
	}
	time.Sleep(tap)
	if _, err := h.door.press("BELL", time.Second); err != nil {
		return err
	}
	time.Sleep(pause)
	if err := p.end(startTime); err != nil {
		return err
	}
	text := <-printed
	presses := strings.Count(text, " press\n") - strings.Count(text, "long press\n")
	ok := presses == 1 && strings.Contains(text, "release after 1") && strings.Contains(text, "longest hold")
	h.g.check("buttons", ok, "%s", strings.Join(strings.Fields(text), " "))
	return nil
}
