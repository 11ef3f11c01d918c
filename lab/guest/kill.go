package main

import (
	"fmt"
	"syscall"
	"time"
)

// killCase kills the door station while its opener is on. The opener must fall at once, the indoor station must come to
// rest by itself, and a new door station must ring again. The cards are in another order than in the other cases.
func killCase(g *guest) error {
	return g.inHouse(func(h *house) error {
		if err := h.connected(); err != nil {
			return err
		}
		if err := h.killWhileOpen(); err != nil {
			return err
		}
		return h.ringOnce()
	})
}

func (h *house) killWhileOpen() error {
	at, err := h.indoor.press("OPEN", tap)
	if err != nil {
		return err
	}
	h.g.mark("open", at)
	if err := poll(startTime, func() error {
		if !h.door.on("STRIKE") {
			return fmt.Errorf("the opener is off")
		}
		return nil
	}); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	h.g.mark("killed", monotonic())
	if err := h.door.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-h.door.done
	if err := h.indoor.idle(); err != nil {
		return fmt.Errorf("after the door station was killed: %w", err)
	}
	h.g.mark("at_rest", monotonic())
	if err := h.door.start(); err != nil {
		return err
	}
	return h.door.ready()
}

// ringOnce rings at the door and declines indoors.
func (h *house) ringOnce() error {
	at, err := h.door.press("BELL", tap)
	if err != nil {
		return err
	}
	h.g.mark("again", at)
	ring, err := h.indoor.stage("ring_sample")
	if err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	h.g.mark("again_ring", ring)
	time.Sleep(pause)
	if _, err := h.indoor.press("END", tap); err != nil {
		return err
	}
	return h.indoor.idle()
}
