package main

import (
	"fmt"
	"syscall"
	"time"
)

// killCase kills the door station while its opener is on. The opener must fall at once, the indoor station must come to
// rest by itself, and a new door station must ring again. The cards are in another order than in the other cases.
func killCase(g *guest) (err error) {
	h, err := g.newHouse()
	if err != nil {
		return err
	}
	defer func() {
		if e := h.close(); err == nil {
			err = e
		}
	}()
	if err := h.start(); err != nil {
		return err
	}
	if err := h.connect(); err != nil {
		return err
	}
	at, err := h.indoor.press("OPEN", tap)
	if err != nil {
		return err
	}
	g.mark("open", at)
	if err := poll(startTime, func() error {
		if !h.door.on("STRIKE") {
			return fmt.Errorf("the opener is off")
		}
		return nil
	}); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	g.mark("killed", monotonic())
	if err := h.door.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-h.door.done
	if err := h.indoor.idle(); err != nil {
		return fmt.Errorf("after the door station was killed: %w", err)
	}
	g.mark("at_rest", monotonic())
	if err := h.door.start(); err != nil {
		return err
	}
	if err := h.door.ready(); err != nil {
		return err
	}
	return h.ringOnce()
}

// start starts all in the usual order and waits until they are connected.
func (h *house) start() error {
	if err := h.startBroker(); err != nil {
		return err
	}
	for _, m := range []*member{h.indoor, h.door} {
		if err := m.start(); err != nil {
			return err
		}
		if err := m.ready(); err != nil {
			return err
		}
	}
	return nil
}

// connect rings at the door and accepts indoors.
func (h *house) connect() error {
	if _, err := h.door.press("BELL", tap); err != nil {
		return err
	}
	ring, err := h.indoor.stage("ring_sample")
	if err != nil {
		return err
	}
	h.g.mark("ring_sample", ring)
	time.Sleep(pause)
	accept, err := h.indoor.press("ACCEPT", tap)
	if err != nil {
		return err
	}
	h.g.mark("accept", accept)
	for _, m := range []*member{h.door, h.indoor} {
		if _, err := m.stage("first_voice"); err != nil {
			return err
		}
	}
	return nil
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
