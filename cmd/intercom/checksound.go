package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"

	"intercom/alsa"
	"intercom/station"
)

// card looks for the card of the profile, and for what a Raspberry Pi's
// config.txt needs to have one.
func (d *diagnosis) card(context.Context) {
	const step = "card"
	if d.profile.Simulated {
		d.ok(step, "a simulated board has none")
		return
	}
	card, err := d.machine.card(d.profile.Sound.Card)
	if err == nil {
		d.ok(step, "%v", card)
		return
	}
	if !errors.Is(err, alsa.ErrNoCard) {
		d.fail(step, err)
		return
	}
	remedy := "plug it in, or write the id or USB port of another in [sound] card; intercom cards lists them"
	if lacking := d.lackingConfigTxt(); len(lacking) > 0 {
		remedy = fmt.Sprintf("add to config.txt and start the board anew: %s", strings.Join(lacking, ", "))
	}
	d.add(step, stateFailed, err.Error(), remedy)
}

// lackingConfigTxt returns the lines that the sound needs and config.txt has
// not. Without a config.txt this is no Raspberry Pi, or nobody may read it.
func (d *diagnosis) lackingConfigTxt() []string {
	if d.profile.Choice == nil {
		return nil
	}
	for _, file := range []string{"boot/firmware/config.txt", "boot/config.txt"} {
		data, err := fs.ReadFile(d.root, file)
		if err != nil {
			continue
		}
		var have []string
		for line := range strings.Lines(string(data)) {
			line, _, _ = strings.Cut(line, "#")
			have = append(have, strings.TrimSpace(line))
		}
		var lacking []string
		for _, l := range d.profile.Choice.ConfigTxt {
			if !slices.Contains(have, l) {
				lacking = append(lacking, l)
			}
		}
		return lacking
	}
	return nil
}

// trySound is how long the card is tried.
const trySound = 500 * time.Millisecond

// sound captures and plays silence.
func (d *diagnosis) sound(ctx context.Context) {
	const step = "sound"
	if d.profile.Simulated {
		d.ok(step, "a simulated board has its own")
		return
	}
	heard, rate, ok := d.exchange(ctx, step, func(rate int) []int16 { return make([]int16, samples(trySound, rate)) })
	if !ok {
		return
	}
	level := dBFS(heard[len(heard)/2:])
	d.ok(step, "captures and plays at %d Hz; the microphone gives %.0f dBFS", rate, level)
	if level == silent {
		d.add(step, stateWarning, "the microphone gives exact silence", "look at its wiring and its mute; for I2S, at the channel it is on")
	}
}

// soundLoop plays sweeps and looks for them in what the microphone hears.
func (d *diagnosis) soundLoop(ctx context.Context) {
	const step = "loop"
	switch {
	case !d.loop:
		d.skip(step, "asked for by --sound")
		return
	case d.profile.Simulated:
		d.skip(step, "a simulated board has no speaker")
		return
	}
	heard, rate, ok := d.exchange(ctx, step, loopSound)
	if !ok {
		return
	}
	r := measureLoop(heard, rate)
	if r.Heard == 0 {
		d.add(step, stateFailed, fmt.Sprintf("the microphone does not hear the speaker (noise floor %.0f dBFS)", r.Noise),
			"turn the speaker's volume up, look at the amplifier's supply and enable pin, and that nothing is muted")
		return
	}
	d.ok(step, "heard %d of %d sweeps at %.0f dBFS over a noise floor of %.0f dBFS, %v after they were given to the card (±%v)",
		r.Heard, loopSweeps, r.Level, r.Noise, r.Delay.Round(time.Millisecond), (r.Spread / 2).Round(100*time.Microsecond))
	if r.Level-r.Noise < 20 {
		d.add(step, stateWarning, "the speaker is less than 20 dB above the noise", "turn it up, or the microphone down")
	}
}

// exchange plays something and returns what was captured meanwhile. It notes
// why it could not.
func (d *diagnosis) exchange(ctx context.Context, step string, sound func(rate int) []int16) (heard []int16, rate int, ok bool) {
	lines, err := d.open(d.profile)
	if err != nil {
		d.fail(step, err)
		return nil, 0, false
	}
	defer lines.Close()
	card, err := d.device(d.profile, lines)
	if err != nil {
		d.fail(step, err)
		return nil, 0, false
	}
	if err := card.Start(); err != nil {
		if errors.Is(err, syscall.EBUSY) {
			d.add(step, stateFailed, err.Error(), "another program has the card: stop the station (systemctl stop intercom), or what else plays sound")
		} else {
			d.fail(step, err)
		}
		return nil, 0, false
	}
	defer card.Close()
	asleep := samples(d.profile.Sound.AmplifierDelay, card.Rate()) // silence, until the amplifier is awake
	heard, xruns, err := playAndListen(ctx, card, append(make([]int16, asleep), sound(card.Rate())...))
	if err != nil {
		d.fail(step, fmt.Errorf("card %s: %w", d.profile.Sound.Card, err))
		return nil, 0, false
	}
	if xruns > 0 {
		d.add(step, stateWarning, fmt.Sprintf("the card ran dry %d times", xruns), "look for what else keeps the board busy")
	}
	return heard[asleep:], card.Rate(), true
}

// maxXruns ends a try: a card that always runs dry gives no sound.
const maxXruns = 20

// playAndListen plays all of play; what it returns is as long. After an xrun it
// goes on with silence in what was heard.
func playAndListen(ctx context.Context, card station.Card, play []int16) (heard []int16, xruns int, err error) {
	period := card.Period()
	in, out := make([]int16, period), make([]int16, period)
	for len(heard) < len(play) {
		if err := ctx.Err(); err != nil {
			return nil, xruns, err
		}
		switch _, err := card.Capture(in); {
		case errors.Is(err, syscall.EPIPE):
			if xruns++; xruns > maxXruns {
				return nil, xruns, fmt.Errorf("ran dry %d times: %w", xruns, err)
			}
			clear(in)
		case err != nil:
			return nil, xruns, err
		}
		clear(out)
		copy(out, play[len(heard):])
		if err := card.Play(out); err != nil && !errors.Is(err, syscall.EPIPE) {
			return nil, xruns, err
		}
		heard = append(heard, in...)
	}
	return heard[:len(play)], xruns, nil
}
