package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"intercom/board"
	"intercom/config"
	"intercom/station"
)

type runCmd struct {
	Config string `arg:"--config,required" help:"the station's configuration, TOML"`
}

// gcPercent is half of Go's default: a station allocates at set-up and hardly
// ever in a call, so memory is worth more to a small board than the collector's time.
const gcPercent = 50

// leastProcs is how many threads may run Go code at once, also on a board with one processor: the sound card's urgent
// thread is of no use while it waits for an ordinary thread that has the only place to run and not the processor.
// Simulated sound has no such thread: there, more threads than processors cost a call's set-up 5 ms.
const leastProcs = 4

// Run is one station until SIGTERM or SIGINT.
func (r runCmd) Run(ctx context.Context, c console) error {
	cfg, err := loadConfig(r.Config, c.err)
	if err != nil {
		return err
	}
	service, err := openService()
	if err != nil {
		return err
	}
	debug.SetGCPercent(gcPercent)
	if cfg.Board.Profile != "simulated" {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), leastProcs))
	}
	return station.Run(ctx, cfg, station.Options{Log: logger(cfg.Log, c.err), Version: c.build.Version, Build: c.build.Time, Service: service})
}

func loadConfig(path string, warn io.Writer) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, usageError{err}
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(warn, "warning:", w)
	}
	return cfg, nil
}

func logger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelWarn // config has checked it
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

type configCmd struct {
	Check *configCheckCmd `arg:"subcommand" help:"Read a configuration file and report every error with file, line and key."`
}

type configCheckCmd struct {
	File string `arg:"positional,required" placeholder:"FILE" help:"the file"`
}

// Run reports all errors, or that there is none.
func (r configCheckCmd) Run(_ context.Context, c console) error {
	cfg, err := loadConfig(r.File, c.err)
	if err != nil {
		return err
	}
	profile, err := board.Load(station.Selection(cfg))
	if err != nil {
		return usageError{err}
	}
	if err := station.CheckLines(cfg, profile); err != nil {
		return usageError{err}
	}
	fmt.Fprintf(c.out, "%s: %s station %q of user %q is fine\n", r.File, cfg.Station.Kind, cfg.Station.Name, cfg.Station.User)
	return nil
}

type statusCmd struct {
	Config string `arg:"--config" placeholder:"FILE" help:"the station's configuration; or"`
	Socket string `arg:"--socket" placeholder:"PATH" help:"its status socket"`
	JSON   bool   `arg:"--json" help:"one line of JSON: state, last calls with their stages, counters, versions"`
}

// Run asks a running station.
func (r statusCmd) Run(_ context.Context, c console) error {
	if (r.Config == "") == (r.Socket == "") {
		return usageError{errors.New("one of --config and --socket says which station; see intercom status --help")}
	}
	socket := r.Socket
	if socket == "" {
		cfg, err := loadConfig(r.Config, c.err)
		if err != nil {
			return err
		}
		socket = cfg.Status.Socket
	}
	st, err := station.ReadStatus(socket)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(c.out)
	if !r.JSON {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(st)
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(_ context.Context, c console) error {
	b := c.build
	_, err := fmt.Fprintf(c.out, "intercom %s (%s, %s/%s)\n", b.Version, b.Go, b.OS, b.Arch)
	return err
}

func writeFile(path string, data []byte) error {
	return os.WriteFile(path, data, 0o600) // its error names the path
}
