package main

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"intercom/alsa"
	"intercom/board"
	"intercom/config"
	"intercom/gpio/cdev"
	"intercom/mqttpush"
	"intercom/station"
)

// machine is what check asks of the machine that it runs on; tests have
// another.
type machine struct {
	root    fs.FS                               // "/"
	state   func(*config.Config) error          // of the folder that a station keeps things in
	access  func(path string) error             // for reading and writing
	group   func(path string) (string, error)   // that owns it and may use it; "" if none may
	user    string                              // that this program runs as
	rtLimit func() (uint64, error)              // highest real-time priority that this user may ask for
	mayNice func() (int, error)                 // least nice value
	lookup  func(cdev.Place) (cdev.Info, error) // a GPIO line
	open    func(*board.Profile) (board.Hardware, error)
	card    func(name string) (alsa.Card, error)                       // a sound card
	device  func(*board.Profile, board.Hardware) (station.Card, error) // the sound card; not started
	dial    func(ctx context.Context, addr string) error
	keys    func(*config.Config) (until time.Time, err error)
	look    func(ctx context.Context, c *config.Config, users []string) (mqttpush.Probe, error)
	time    func() (now time.Time, synchronised bool)
	build   time.Time // of this program
}

func thisMachine(build time.Time) machine {
	m := machine{
		root:    os.DirFS("/"),
		state:   station.CheckState,
		access:  func(path string) error { return unix.Access(path, unix.R_OK|unix.W_OK) },
		group:   groupOf,
		user:    "user " + strconv.Itoa(os.Getuid()),
		rtLimit: rtLimit,
		mayNice: mayNice,
		lookup:  cdev.Lookup,
		open:    func(p *board.Profile) (board.Hardware, error) { return board.Open(p, "intercom-check") },
		card:    alsa.Find,
		device: func(p *board.Profile, lines board.Hardware) (station.Card, error) {
			return station.OpenCard(p, lines, slog.New(slog.DiscardHandler))
		},
		dial:  dial,
		time:  kernelTime,
		build: build,
	}
	m.keys = func(c *config.Config) (time.Time, error) { return station.CheckKeys(c, m.build) }
	m.look = func(ctx context.Context, c *config.Config, users []string) (mqttpush.Probe, error) {
		return station.LookAtBroker(ctx, c, m.build, users)
	}
	if u, err := user.Current(); err == nil {
		m.user = u.Username
	}
	return m
}

// groupOf returns the group that a device node belongs to, "" if its members
// may not use it.
func groupOf(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || st.Mode()&0o060 != 0o060 {
		return "", nil
	}
	g, err := user.LookupGroupId(strconv.Itoa(int(sys.Gid)))
	if err != nil {
		return strconv.Itoa(int(sys.Gid)), nil
	}
	return g.Name, nil
}

func rtLimit() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_RTPRIO, &l); err != nil {
		return 0, err
	}
	return l.Cur, nil
}

// mayNice is what getrlimit(2) says: 20 less the limit.
func mayNice() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NICE, &l); err != nil {
		return 0, err
	}
	return 20 - int(min(l.Cur, 40)), nil
}

const dialTime = 5 * time.Second

func dial(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := mqttpush.Dial(ctx, addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// kernelTime returns the clock, and whether the kernel calls it synchronised.
func kernelTime() (time.Time, bool) {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return time.Now(), err == nil && t.Status&unix.STA_UNSYNC == 0
}
