package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The world goes before the stations (alsa.Urgency), as it does outside, but in no real-time class: Go's runtime would
// then stand still for 0.95 s where it waits for an ordinary thread (see there), and all of the board with it.
// The loopback cards go before all.
const (
	worldNice    = -8 // so it waits for up to 18 ms there, and what a microphone still has then is 20
	cardPriority = 95 // under SCHED_FIFO
)

// worldThread gives the calling goroutine a thread that goes before the stations, until the goroutine ends.
func worldThread() error {
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: worldNice}, 0); err != nil {
		return fmt.Errorf("nice value %d: %w", worldNice, err)
	}
	return nil
}

// hardwareFirst makes the loopback cards as prompt as hardware. Where a card interrupts, snd-aloop counts on a timer in
// the soft interrupt, which a busy kernel leaves to its thread ksoftirqd: an ordinary one, that waits its turn.
func hardwareFirst() error {
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return err
	}
	found := false
	for _, path := range comms {
		comm, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(comm), "ksoftirqd/") {
			continue // it may have ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return err
		}
		if err := fifo(pid, cardPriority); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return errors.New("no ksoftirqd")
	}
	return nil
}

func fifo(pid, priority int) error {
	if err := unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: uint32(priority)}, 0); err != nil {
		return fmt.Errorf("real time for %d: %w", pid, err)
	}
	return nil
}
