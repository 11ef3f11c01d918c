package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"intercom/board"
	"intercom/config"
	"intercom/gpio"
	"intercom/station"
)

type buttonsCmd struct {
	Config string `arg:"--config,required" placeholder:"FILE" help:"the station's configuration; the station itself must not run"`
	All    bool   `arg:"--all" help:"every input of the board's profile, not only those that the configuration uses"`
}

// Run shows the inputs of a real board as they are pressed, until SIGTERM or
// SIGINT.
func (r buttonsCmd) Run(ctx context.Context, c console) error {
	cfg, err := loadConfig(r.Config, c.err)
	if err != nil {
		return err
	}
	profile, err := board.Load(station.Selection(cfg))
	if err != nil {
		return usageError{err}
	}
	names, err := inputNames(cfg, profile, r.All)
	if err != nil {
		return usageError{err}
	}
	hw, err := board.Open(profile, "intercom-buttons")
	if err != nil {
		return usageError{err}
	}
	defer hw.Close()
	return showButtons(ctx, c.out, hw, names)
}

func inputNames(cfg *config.Config, p *board.Profile, all bool) ([]string, error) {
	var names []string
	if all {
		for _, in := range p.Inputs {
			names = append(names, in.Name)
		}
		return names, nil
	}
	if err := station.CheckLines(cfg, p); err != nil {
		return nil, err
	}
	for _, b := range cfg.Buttons {
		names = append(names, b.Name)
	}
	return names, nil
}

// showButtons writes a line for each event until ctx ends, then what each
// button has lived through.
func showButtons(ctx context.Context, w io.Writer, hw board.Hardware, names []string) error {
	events := make(chan gpio.ButtonEvent, gpio.EdgeBuffer)
	buttons := map[string]*gpio.Button{}
	for _, name := range names {
		in, err := hw.Input(name)
		if err != nil {
			return err
		}
		active, err := in.Read()
		if err != nil {
			return err
		}
		b, err := gpio.NewButton(name, in, gpio.ButtonOptions{}, events)
		if err != nil {
			return err
		}
		defer b.Close()
		buttons[name] = b
		rest := "at rest"
		if active {
			rest = "ACTIVE: pressed, or wired the other way round"
		}
		fmt.Fprintf(w, "%-16s %s\n", name, rest)
	}
	fmt.Fprintln(w, "press the buttons; Ctrl-C ends")
	start, pressed := gpio.Monotonic(), map[string]time.Duration{}
	for {
		select {
		case <-ctx.Done():
			return summary(w, names, buttons)
		case e := <-events:
			at := (e.At - start).Seconds()
			switch e.Kind {
			case gpio.Press:
				pressed[e.Button] = e.At
				fmt.Fprintf(w, "%9.3f %-16s press\n", at, e.Button)
			case gpio.Release:
				fmt.Fprintf(w, "%9.3f %-16s release after %v\n", at, e.Button, (e.At - pressed[e.Button]).Round(time.Millisecond))
			case gpio.Failed:
				fmt.Fprintf(w, "%9s %-16s lost: %v\n", "", e.Button, e.Err)
			default:
				fmt.Fprintf(w, "%9.3f %-16s %v\n", at, e.Button, e.Kind)
			}
		}
	}
}

func summary(w io.Writer, names []string, buttons map[string]*gpio.Button) error {
	fmt.Fprintf(w, "\n%-16s %8s %8s %8s %12s\n", "button", "presses", "bounces", "glitches", "longest hold")
	var errs []error
	for _, name := range names {
		h := buttons[name].Health()
		fmt.Fprintf(w, "%-16s %8d %8d %8d %12v\n", name, h.Presses, h.Bounces, h.Glitches, h.LongestHold.Round(time.Millisecond))
		errs = append(errs, h.Err)
	}
	return errors.Join(errs...)
}
