package station

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"intercom/board"
	"intercom/board/sim"
	"intercom/config"
	"intercom/gpio"
)

// machine is an opened board with its sound card.
type machine interface {
	board.Hardware
	Card() Card
}

// hardware is the board of a station, and what is connected to its lines.
type hardware struct {
	profile *board.Profile
	board   machine
	lamps   *gpio.Lamps
	relay   *gpio.Relay // nil: this station opens nothing
	buttons map[string]*gpio.Button
}

// openHardware checks every line of the configuration against the board's
// profile, then opens the board.
func (s *station) openHardware(open *closers) (err error) {
	if s.profile, err = board.Load(Selection(s.cfg)); err != nil {
		return fmt.Errorf("station: %w", err)
	}
	if err := CheckLines(s.cfg, s.profile); err != nil {
		return err
	}
	if err := CheckRelay(s.cfg, s.profile, os.DirFS("/")); err != nil {
		return err
	}
	if s.profile.Simulated {
		s.board, err = openSimulated(s.cfg, s.profile, s.log)
	} else {
		s.board, err = openReal(s.profile, s.log)
	}
	if err != nil {
		return fmt.Errorf("station: %w", err)
	}
	open.add(s.board.Close)
	return nil
}

// Selection says which board a configuration wants.
func Selection(cfg *config.Config) board.Selection {
	return board.Selection{Profile: cfg.Board.Profile, Sound: cfg.Board.Sound, Card: cfg.Sound.Card, Dir: cfg.Board.ProfileDir}
}

// CheckLines reports the first line that the board does not have.
func CheckLines(cfg *config.Config, p *board.Profile) error {
	for i, b := range cfg.Buttons {
		if _, err := p.Input(b.Name); err != nil {
			return cfg.Errorf(fmt.Sprintf("button[%d].name", i), "%v; name one of them", err)
		}
	}
	for i, l := range cfg.Lamps {
		if _, err := p.Output(board.Lamp, l.Name); err != nil {
			return cfg.Errorf(fmt.Sprintf("lamp[%d].name", i), "%v; name one of them", err)
		}
	}
	if cfg.Door.Relay == "" {
		return nil
	}
	out, err := p.Output(board.Relay, cfg.Door.Relay)
	if err != nil {
		return cfg.Errorf("door.relay", "%v; name one of them", err)
	}
	if err := out.CheckOpen(cfg.Door.OpenTime); err != nil {
		return cfg.Errorf("door.open_time", "%v", err)
	}
	return nil
}

// openPanel connects opener, lamps and buttons. The opener is made first and
// the buttons last: nothing is pressed before everything is safely off. Closing
// goes the other way, so that at the end no press is heard, then the lamps and
// the opener are off before anything that takes time.
func (s *station) openPanel(open *closers) error {
	if name := s.cfg.Door.Relay; name != "" {
		out, err := s.profile.Output(board.Relay, name)
		if err != nil {
			return fmt.Errorf("station: %w", err)
		}
		line, err := s.board.Output(name)
		if err != nil {
			return fmt.Errorf("station: opener: %w", err)
		}
		if s.relay, err = gpio.NewRelay(name, line, out.HardLimit, s.log); err != nil {
			return fmt.Errorf("station: %w", err)
		}
		open.add(s.relay.Close)
	}
	lines := make(map[string]gpio.Output, len(s.cfg.Lamps))
	for _, l := range s.cfg.Lamps {
		line, err := s.board.Output(l.Name)
		if err != nil {
			return fmt.Errorf("station: lamp: %w", err)
		}
		lines[l.Name] = line
	}
	s.lamps = gpio.NewLamps(lines, s.log)
	open.add(s.lamps.Close)
	s.buttons = make(map[string]*gpio.Button, len(s.cfg.Buttons))
	for _, b := range s.cfg.Buttons {
		if err := s.openButton(b.Name, open); err != nil {
			return err
		}
	}
	return nil
}

func (s *station) openButton(name string, open *closers) error {
	in, err := s.profile.Input(name)
	if err != nil {
		return fmt.Errorf("station: %w", err)
	}
	line, err := s.board.Input(name)
	if err != nil {
		return fmt.Errorf("station: button: %w", err)
	}
	b, err := gpio.NewButton(name, line, gpio.ButtonOptions{Filter: in.Filter}, s.presses)
	if err != nil {
		return fmt.Errorf("station: %w", err)
	}
	open.add(b.Close)
	s.buttons[name] = b
	return nil
}

// simulated is a sim.Board as a machine.
type simulated struct{ *sim.Board }

func (b simulated) Card() Card { return b.Board.Card() }

func openSimulated(cfg *config.Config, p *board.Profile, log *slog.Logger) (machine, error) {
	c := sim.Config{
		Socket:  cfg.Board.Simulated.Socket,
		RatePPM: -cfg.Board.Simulated.RatePPM, // there: how much longer a period lasts
		Rate:    p.Sound.Rate,
		Period:  p.Sound.PeriodTime(),
		Log:     log,
	}
	for _, in := range p.Inputs {
		c.Inputs = append(c.Inputs, in.Name)
	}
	for _, out := range p.Outputs {
		c.Outputs = append(c.Outputs, out.Name)
	}
	b, err := sim.Open(c)
	if err != nil {
		return nil, err
	}
	return simulated{b}, nil
}

// real is a real board as a machine.
type real struct {
	board.Hardware
	card Card
}

func (b real) Card() Card { return b.card }

// Consumer is this program's name as the owner of lines.
const Consumer = "intercom"

func openReal(p *board.Profile, log *slog.Logger) (machine, error) {
	lines, err := board.Open(p, Consumer)
	if err != nil {
		return nil, err
	}
	card, err := OpenCard(p, lines, log)
	if err != nil {
		return nil, errors.Join(err, lines.Close())
	}
	return real{lines, card}, nil
}

// OpenCard makes the sound card of a real board, with its amplifier; Start
// opens it.
func OpenCard(p *board.Profile, lines board.Hardware, log *slog.Logger) (Card, error) {
	if p.Sound.Amplifier == "" {
		return openCard(p.Sound, nil, log)
	}
	amplifier, err := lines.Output(p.Sound.Amplifier)
	if err != nil {
		return nil, err
	}
	return openCard(p.Sound, amplifier, log)
}

// health is a button's for Status.
func health(b *gpio.Button) ButtonStatus {
	h := b.Health()
	st := ButtonStatus{Presses: h.Presses, Glitches: h.Glitches, Bounces: h.Bounces, LongestHold: h.LongestHold.Round(time.Millisecond), Stuck: h.Stuck}
	if h.Err != nil {
		st.Lost = h.Err.Error()
	}
	return st
}
