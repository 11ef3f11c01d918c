package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"

	"intercom/alsa"
	"intercom/board"
	"intercom/config"
	"intercom/gpio/cdev"
	"intercom/station"
)

// config reads the configuration and the board's profile.
func (d *diagnosis) config(context.Context) {
	const step = "config"
	cfg, err := config.Load(d.path)
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			d.note(step, stateFailed, line)
		}
		return
	}
	profile, err := board.Load(station.Selection(cfg))
	if err == nil {
		err = station.CheckLines(cfg, profile)
	}
	if err != nil {
		d.fail(step, err)
		return
	}
	d.cfg, d.profile = cfg, profile
	d.ok(step, "%s station %q of user %q on board %s (%s)", cfg.Station.Kind, cfg.Station.Name, cfg.Station.User, profile.Name, profile.Title)
	for _, w := range cfg.Warnings {
		d.warn(step, w)
	}
}

func (d *diagnosis) state(context.Context) {
	const step = "state"
	if err := d.machine.state(d.cfg); err != nil {
		d.fail(step, err)
		return
	}
	d.ok(step, "%s keeps what outlives a restart", d.cfg.Station.StateDir)
}

// permissions tries what this user may open, and says which group is lacking.
func (d *diagnosis) permissions(context.Context) {
	const step = "permissions"
	if d.profile.Simulated {
		d.ok(step, "a simulated board needs none")
		return
	}
	tried := 0
	for _, kind := range []struct{ pattern, what string }{
		{"dev/gpiochip*", "GPIO lines"}, {"dev/snd/pcm*", "sound"}, {"dev/snd/control*", "the mixer"},
	} {
		nodes, err := fs.Glob(d.root, kind.pattern)
		if err != nil {
			d.fail(step, err)
			return
		}
		for _, n := range nodes {
			tried++
			if err := d.access("/" + n); err != nil {
				d.denied(step, "/"+n, kind.what, err)
				break // of one kind all are alike
			}
		}
	}
	if !d.bad[step] {
		d.ok(step, "%s may use %d devices", d.user, tried)
	}
	d.urgency(step)
}

// urgency warns when the sound's thread may not have what it will ask for.
func (d *diagnosis) urgency(step string) {
	fifo, nice := alsa.Urgency(runtime.NumCPU())
	lacks := ""
	if limit, err := d.rtLimit(); err == nil && fifo > 0 && limit < uint64(fifo) {
		lacks = fmt.Sprintf("rtprio %d", fifo)
	}
	if least, err := d.mayNice(); err == nil && fifo == 0 && least > nice {
		lacks = fmt.Sprintf("nice %d", nice)
	}
	if lacks != "" {
		d.add(step, stateWarning, "sound may not go before others: it can falter on a busy board",
			"run the station by its service, which allows it; or give this user "+lacks+" in /etc/security/limits.d")
	}
}

func (d *diagnosis) denied(step, path, what string, err error) {
	if !errors.Is(err, fs.ErrPermission) {
		d.fail(step, fmt.Errorf("%s: %s: %w", what, path, err))
		return
	}
	detail := fmt.Sprintf("%s: %s may not use %s", what, d.user, path)
	group, err := d.group(path)
	switch {
	case err != nil:
		d.add(step, stateFailed, detail, err.Error())
	case group == "" || group == "root":
		d.add(step, stateFailed, detail, "it belongs to root alone: install the package, or its udev rules (packaging/60-intercom.rules), and start the board anew")
	default:
		d.add(step, stateFailed, detail, fmt.Sprintf("add the user to the group that owns it, and log in again: sudo usermod -aG %s %s", group, d.user))
	}
}

// pins looks for every line that the configuration uses.
func (d *diagnosis) pins(context.Context) {
	const step = "pins"
	if d.profile.Simulated {
		d.ok(step, "a simulated board has none")
		return
	}
	free, held := 0, 0
	var inputs []string
	look := func(name string, at board.Place) {
		i, err := d.lookup(at.At())
		switch {
		case err != nil:
			d.fail(step, fmt.Errorf("%s: %w", name, err))
		case !i.Used:
			free++
		case strings.HasPrefix(i.Consumer, station.Consumer+":"):
			held++
		default:
			d.add(step, stateFailed, fmt.Sprintf("%s: %v is in use by %s", name, at.At(), i.Owner()),
				"stop that program, or remove the overlay that claims the line from config.txt; or use a profile with another line")
		}
	}
	for _, b := range d.cfg.Buttons {
		if in, err := d.profile.Input(b.Name); err == nil { // else the step config said so
			look(in.Name, in.Place)
			inputs = append(inputs, in.Name)
		}
	}
	for _, name := range d.outputs() {
		for _, out := range d.profile.Outputs {
			if out.Name == name {
				look(name, out.Place)
			}
		}
	}
	if !d.bad[step] {
		text := fmt.Sprintf("%d lines are free", free)
		if held > 0 {
			text += fmt.Sprintf(", %d are held by a station that runs", held)
		}
		d.ok(step, "%s", text)
		if held == 0 {
			d.levels(step, inputs)
		}
	}
	d.relay(step)
}

// outputs are those that the configuration uses.
func (d *diagnosis) outputs() []string {
	var names []string
	for _, l := range d.cfg.Lamps {
		names = append(names, l.Name)
	}
	for _, name := range []string{d.cfg.Door.Relay, d.profile.Sound.Amplifier} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// levels reads the buttons at rest.
func (d *diagnosis) levels(step string, inputs []string) {
	b, err := d.open(d.profile)
	if err != nil {
		d.fail(step, err)
		return
	}
	defer b.Close()
	for _, name := range inputs {
		in, err := b.Input(name)
		if err != nil {
			d.fail(step, err)
			continue
		}
		active, err := in.Read()
		if err != nil {
			d.fail(step, err)
		} else if active {
			d.add(step, stateWarning, name+" is active while nobody should press it",
				"look whether it is held, wired to the wrong pin, or the other way round (active_low); intercom buttons shows it live")
		}
	}
}

// relay asks whether the opener is off when the program dies.
func (d *diagnosis) relay(step string) {
	if err := station.CheckRelay(d.cfg, d.profile, d.root); err != nil {
		d.fail(step, err)
		return
	}
	if d.cfg.Door.Relay == "" || d.cfg.Door.RelayType == config.RelayPulse {
		return
	}
	out, err := d.profile.Output(board.Relay, d.cfg.Door.Relay)
	if err != nil {
		return // the step config said so
	}
	if kept, why, err := cdev.ReleasedOutputs(d.root, out.Chip); err == nil && kept == cdev.Unknown {
		d.add(step, stateWarning, fmt.Sprintf("%s: it is not known whether it goes off when this program dies: %s", out.Name, why),
			"hold it on, kill the program with SIGKILL, and look; or take a relay with a timer and write relay_type = \"pulse\"")
	}
}
