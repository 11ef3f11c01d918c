package rtc

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// watch tells when the addresses of this machine's interfaces changed. The
// kernel's link and address messages (rtnetlink(7)) only make it look: a Wi-Fi
// driver sends many that change nothing.
type watch struct {
	socket *nl.NetlinkSocket
	quit   chan struct{}
	once   sync.Once
	wg     sync.WaitGroup
}

// newWatch calls told for each message at once (false: it was the last), and
// changed when the addresses of the interfaces in use are others.
func newWatch(log *slog.Logger, quiet time.Duration, use func(string) bool, told func(more bool), changed func()) (*watch, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fmt.Errorf("subscribe to link and address messages: %w", err)
	}
	w := &watch{socket: socket, quit: make(chan struct{})}
	events := make(chan struct{}, 1)
	told(true)
	w.wg.Go(func() {
		defer told(false)
		for {
			_, _, err := socket.Receive()
			select {
			case <-w.quit: // err is of the closed socket, in a form that no package exports
				return
			default:
			}
			// ENOBUFS: messages were lost, so something happened.
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				log.Warn("rtc: network changes will only be noticed by lost paths", "err", err)
				return
			}
			told(true)
			select {
			case events <- struct{}{}:
			default:
			}
		}
	})
	w.wg.Go(func() {
		debounce(events, w.quit, quiet, func() (string, error) { return addresses(use) }, changed)
	})
	return w, nil
}

func (w *watch) close() {
	if w == nil {
		return
	}
	w.once.Do(func() {
		close(w.quit)
		w.socket.Close()
	})
	w.wg.Wait()
}

// debounce calls changed when events have been quiet for a time and look no
// longer gives what it gave before. A look that fails says nothing, and is taken
// again. A driver that never is quiet for so long puts
// a look off for longest times that.
func debounce(events, quit <-chan struct{}, quiet time.Duration, look func() (string, error), changed func()) {
	last, err := look()
	known := err == nil
	timer := time.NewTimer(quiet)
	if known {
		timer.Stop()
	}
	defer timer.Stop()
	var latest time.Time // for the next look; zero: nothing has happened
	for {
		select {
		case <-quit:
			return
		case <-events:
			now := time.Now()
			if latest.IsZero() {
				latest = now.Add(longest * quiet)
			}
			timer.Reset(min(quiet, latest.Sub(now)))
		case <-timer.C:
			latest = time.Time{}
			switch now, err := look(); {
			case err != nil:
				timer.Reset(quiet)
			case !known:
				last, known = now, true
			case now != last:
				last = now
				changed()
			}
		}
	}
}

// longest, in quiet times, is how long a look waits: with the default timing a
// path that needs a restart is noticed to be lost only a little later.
const longest = 4

// addresses is one line for each address of each interface in use that is up.
func addresses(use func(string) bool) (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	var lines []string
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 || !use(i.Name) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return "", err // it just went away, perhaps
		}
		for _, a := range addrs {
			lines = append(lines, i.Name+" "+a.String())
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}
