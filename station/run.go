package station

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"intercom/audio"
	"intercom/call"
	"intercom/config"
	"intercom/gpio"
	"intercom/identity"
)

// Options are what the program says, and not its configuration.
type Options struct {
	Log     *slog.Logger // nil: discard
	Version string       // for Status
	Build   time.Time    // when this program was built: no token expires before it
	Service Service      // the zero Service is none
}

// Service is the manager that started this program, systemd for example.
type Service struct {
	// Notify tells it a state, in the words of sd_notify(3): READY=1 once all
	// is open, WATCHDOG=1, and STOPPING=1. It does not wait.
	Notify func(state string) error
	// Watchdog is after how long without WATCHDOG=1 it kills the program; 0:
	// never.
	Watchdog time.Duration
}

func (s Service) tell(state string, log *slog.Logger) {
	if s.Notify == nil {
		return
	}
	if err := s.Notify(state); err != nil {
		log.Warn("the service manager was not told", "state", state, "err", err)
	}
}

// Run is a station's life: it opens all of it, and works until ctx ends. Then
// it ends its calls, switches lamps and opener off, closes everything and
// returns nil. An error says what could not be opened, or closed, and what to
// do. A broker that can not be reached and a card that is gone are no errors.
func Run(ctx context.Context, cfg *config.Config, opts Options) (err error) {
	s := &station{
		cfg: cfg, opts: opts, log: cmp.Or(opts.Log, slog.New(slog.DiscardHandler)),
		began:        time.Now(),
		events:       make(chan func(), maxEvents),
		presses:      make(chan gpio.ButtonEvent, maxEvents),
		quit:         make(chan struct{}),
		volume:       cfg.Sound.Volume,
		ringerVolume: cfg.Sound.RingerVolume,
		quiet:        newQuiet(cfg.Quiet),
	}
	var open closers
	defer func() { err = errors.Join(err, open.close()) }()
	if err := s.open(&open); err != nil {
		close(s.quit)
		return err
	}
	s.log.Info("station runs", "kind", cfg.Station.Kind, "address", s.self, "version", opts.Version)
	opts.Service.tell("READY=1", s.log)
	s.run(ctx)
	opts.Service.tell("STOPPING=1", s.log)
	s.log.Info("station stops")
	return nil
}

// closers close what was opened, the last first.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	return errors.Join(errs...)
}

// open opens the parts, in the order in which a person would look for what is
// wrong. What is to be off first at the end, lamps and opener, comes late.
func (s *station) open(open *closers) error {
	if err := os.MkdirAll(s.cfg.Station.StateDir, 0o700); err != nil {
		return fmt.Errorf("station: state folder: %w; correct state_dir in [station]", err)
	}
	status, err := listenStatus(s.cfg.Status.Socket)
	if err != nil {
		return err
	}
	open.add(status.Close)
	s.records = openRecords(recordsPath(s.cfg), s.log)
	open.add(s.records.Close)
	if s.voices, err = newVoices(s.cfg.Sound.MessagesDir); err != nil {
		return err
	}
	me, err := openOwner(s.cfg, identity.OpenFloor(floorPath(s.cfg), s.opts.Build, s.log))
	if err != nil {
		return err
	}
	open.add(me.Close)
	s.self, s.token, s.until, s.floor = call.Address(me.self), me.token, me.until, me.floor.Now

	if err := s.openHardware(open); err != nil {
		return err
	}
	if err := s.openSound(open); err != nil {
		return err
	}
	if err := s.openNetwork(open, me); err != nil {
		return err
	}
	if err := s.openPanel(open); err != nil {
		return err
	}
	if err := s.guard.open(s.cfg, s.opts.Service, open, s.log); err != nil {
		return err
	}
	status.serving.Go(func() { status.serve(s) })
	return nil
}

func (s *station) openSound(open *closers) (err error) {
	s.sound, err = openSound(s.board.Card(), s.profile.Sound.AmplifierDelay, audio.EngineConfig{
		FrameSamples: int(s.cfg.Sound.Frame * audio.SampleRate / time.Second),
		Bitrate:      s.cfg.Sound.Bitrate,
	}, s.log, s.hear)
	if err != nil {
		return err
	}
	open.add(s.sound.Close)
	s.sound.engine.SetVolume(s.volume)
	return nil
}

// openNetwork makes the Kit last, so that it is the first to close: the ends
// of its calls leave over a link that still stands.
func (s *station) openNetwork(open *closers, me *owner) error {
	m, err := openMedia(s.cfg, s.profile.Simulated, s.log)
	if err != nil {
		return err
	}
	open.add(m.Close)
	l, sealer, err := openLink(s.cfg, me, s.linked, s.log)
	if err != nil {
		return err
	}
	open.add(l.Close)
	s.link = l
	journal := "" // a door answers at once: nothing rings there
	if s.cfg.Station.Kind == config.Indoor {
		journal = journalPath(s.cfg)
	}
	s.kit, err = call.NewKit(call.Config{
		Self: s.self, Transport: l, Sealer: sealer, Media: m,
		Microphone:      s.sound.Microphone,
		OnPush:          func(p string) { s.post(func() { s.pushed(p) }) },
		OnRecord:        s.record,
		Journal:         journal,
		JournalIncoming: true,
		NoCallWaiting:   !s.cfg.Call.CallWaiting || s.cfg.Station.Kind == config.Door,
		AcceptEndsOther: s.cfg.Call.AcceptWaiting == "end",
		Now:             gpio.Monotonic,
		Log:             s.log,
	})
	if err != nil {
		return fmt.Errorf("station: %w", err)
	}
	open.add(s.kit.Close)
	return nil
}
