package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"intercom/board"
	"intercom/station"
)

type boardsCmd struct {
	Name string `arg:"positional" placeholder:"NAME" help:"a board or a sound choice: print how it is wired"`
	Dir  string `arg:"--dir" placeholder:"FOLDER" help:"a folder with more profiles, as profile_dir in the configuration"`
	TOML bool   `arg:"--toml" help:"print the profile itself, to begin your own with"`
}

// Run lists the boards and sound choices, or shows one.
func (r boardsCmd) Run(_ context.Context, c console) error {
	boards, err := board.Names(r.Dir)
	if err != nil {
		return err
	}
	sounds, err := board.Sounds(r.Dir)
	if err != nil {
		return err
	}
	if r.Name == "" {
		if r.TOML {
			return usageError{errors.New("--toml needs the name of a board or a sound choice; see intercom boards")}
		}
		return listBoards(c.out, r.Dir, boards, sounds)
	}
	if r.TOML {
		text, err := board.Source(r.Name, r.Dir)
		if err != nil {
			return usageError{err}
		}
		_, err = c.out.Write(text)
		return err
	}
	var text string
	p, err := board.Load(board.Selection{Profile: r.Name, Dir: r.Dir})
	if errors.Is(err, board.ErrUnknown) {
		s, soundErr := board.LoadSound(r.Name, r.Dir)
		if soundErr != nil {
			return usageError{errors.Join(err, soundErr)}
		}
		text, err = s.Wiring(), nil
	} else if err == nil {
		text = p.Wiring()
		if p.Choice != nil {
			text += "\n" + p.Choice.Wiring()
		}
	}
	if err != nil {
		return usageError{err}
	}
	_, err = io.WriteString(c.out, text)
	return err
}

func listBoards(w io.Writer, dir string, boards, sounds []string) error {
	fmt.Fprintln(w, "Boards, for profile in [board]:")
	for _, name := range boards {
		p, err := board.Load(board.Selection{Profile: name, Dir: dir})
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %-24s %s\n", name, p.Title)
	}
	fmt.Fprintln(w, "Sound choices, for sound in [board]:")
	for _, name := range sounds {
		s, err := board.LoadSound(name, dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %-24s %s\n", name, s.Title)
	}
	return nil
}

type relayOffCmd struct {
	Config string `arg:"--config,required" placeholder:"FILE" help:"the station's configuration"`
}

// Run drives the opener off, however the station has ended. The service does it
// whenever it stops: a killed program can not, and some kernels keep the level.
func (r relayOffCmd) Run(_ context.Context, c console) error {
	cfg, err := loadConfig(r.Config, c.err)
	if err != nil {
		return err
	}
	if cfg.Door.Relay == "" {
		return nil
	}
	profile, err := board.Load(station.Selection(cfg))
	if err != nil {
		return usageError{err}
	}
	if profile.Simulated {
		return nil
	}
	hw, err := board.Open(profile, "intercom-relay-off")
	if err != nil {
		return err
	}
	_, err = hw.Output(cfg.Door.Relay) // off from its first moment
	if closing := hw.Close(); err == nil {
		err = closing
	}
	return err
}
