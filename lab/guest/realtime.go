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

// Priorities under SCHED_FIFO. The world goes before the stations, as it does outside; the loopback cards go before all.
const (
	worldPriority = 90
	cardPriority  = 95
)

// realTimeThread gives the calling goroutine a thread that goes before the stations, until the goroutine ends.
func realTimeThread() error {
	runtime.LockOSThread()
	return fifo(0, worldPriority)
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
	const policy = 1 // SCHED_FIFO
	if err := unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: uint32(priority)}, 0); err != nil {
		return fmt.Errorf("real time for %d: %w", pid, err)
	}
	return nil
}
