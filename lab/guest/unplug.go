package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"intercom/lab/exchange"
)

const (
	stopTime = 80 * time.Millisecond // twice what a card's buffer holds
	goneTime = 3 * time.Second
	// mostSyscalls is for a station in a call, for each period, but those of countSyscalls.
	mostSyscalls = 32
)

// unplugCase disturbs the sound of the door station in a call: its process is stopped for longer than its card can wait,
// then its card is taken away and given back. The call goes on each time, and each kind of trouble is told once.
func unplugCase(g *guest) error {
	return g.inHouse(func(h *house) error {
		if err := h.connected(); err != nil {
			return err
		}
		st, err := h.door.status()
		if err != nil {
			return err
		}
		call := st.Call.ID
		time.Sleep(pause)
		if err := h.speak(h.door, "before", doorVoice); err != nil {
			return err
		}
		total, table, err := h.door.countSyscalls()
		if err != nil {
			return err
		}
		g.measure("system calls", exchange.Figure{Got: total, Limit: mostSyscalls}, total > 0, "%.1f for each period of 10 ms, at most %d, without nanosleep: %s", total, mostSyscalls, table)
		if err := h.stopTwice(); err != nil {
			return err
		}
		if err := h.unplug(); err != nil {
			return err
		}
		time.Sleep(pause)
		if err := h.speak(h.door, "back", doorVoice); err != nil {
			return err
		}
		if err := h.speak(h.indoor, "answer", indoorVoice); err != nil {
			return err
		}
		for _, m := range []*member{h.door, h.indoor} {
			st, err := m.status()
			if err != nil {
				return err
			}
			g.check("the same call "+m.name, st.Call != nil && st.Call.ID == call && st.State == "talking", "%s", st.State)
		}
		if _, err := h.indoor.press("END", tap); err != nil {
			return err
		}
		if err := h.rest(); err != nil {
			return err
		}
		return h.keepRecords()
	})
}

// stopTwice stops the door station's process twice.
func (h *house) stopTwice() error {
	before, err := h.door.status()
	if err != nil {
		return err
	}
	for range 2 {
		for _, s := range []struct {
			signal syscall.Signal
			then   time.Duration
		}{{syscall.SIGSTOP, stopTime}, {syscall.SIGCONT, pause}} {
			if err := h.door.cmd.Process.Signal(s.signal); err != nil {
				return err
			}
			time.Sleep(s.then)
		}
	}
	if err := h.speak(h.door, "stopped", doorVoice); err != nil {
		return err
	}
	after, err := h.door.status()
	if err != nil {
		return err
	}
	xruns := after.Counters.Card.CaptureXruns - before.Counters.Card.CaptureXruns
	told := strings.Count(h.door.said.String(), "interrupted by an xrun")
	h.g.check("stopped twice", xruns >= 2 && told == 1, "for %v each: %d xruns, told %d times; buffer %.0f ms", stopTime, xruns, told, after.Counters.Audio.PlayoutDelayMS)
	h.g.check("the card stays", after.Counters.Card.Faults == 0 && after.Counters.Card.Starts == 1, "%d faults, %d starts", after.Counters.Card.Faults, after.Counters.Card.Starts)
	return nil
}

// unplug takes the door station's card away for a while.
func (h *house) unplug() error {
	card := h.door.air.card
	place, err := driverDevice(card)
	if err != nil {
		return err
	}
	unbound := make(chan error, 1)
	go func() { unbound <- os.WriteFile(loopbackDriver+"unbind", []byte(place), 0) }() // ends once nobody has it open
	err = h.door.air.close()
	h.door.air = nil
	if err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EBADFD) { // the latter in a wait for room
		return err
	}
	select {
	case err := <-unbound:
		if err != nil {
			return err
		}
	case <-time.After(startTime):
		return fmt.Errorf("the card is still in use: %s", h.door.said)
	}
	if err := h.muted(true); err != nil {
		return err
	}
	before, err := h.door.status()
	if err != nil {
		return err
	}
	since := monotonic()
	if err := h.speak(h.indoor, "unheard", indoorVoice); err != nil {
		return err
	}
	time.Sleep(goneTime)
	after, err := h.door.status()
	if err != nil {
		return err
	}
	// Each of the two answers may have waited for the processor, for up to two periods.
	periods, want := int64(after.Counters.Card.Absent-before.Counters.Card.Absent), int64((monotonic()-since)/period)
	h.g.check("without the card", periods >= want-4 && periods <= want+4, "the peer is told that it is muted; the engine goes on: %d periods in %v; buffer %.0f and %.0f ms",
		periods, (monotonic() - since).Round(time.Millisecond), before.Counters.Audio.PlayoutDelayMS, after.Counters.Audio.PlayoutDelayMS)
	if err := os.WriteFile(loopbackDriver+"bind", []byte(place), 0); err != nil {
		return err
	}
	if h.door.air, err = openAir(card); err != nil {
		return err
	}
	if err := h.muted(false); err != nil {
		return err
	}
	st, err := h.door.status()
	if err != nil {
		return err
	}
	count, said := st.Counters.Card, h.door.said.String()
	gone, back := strings.Count(said, "no sound"), strings.Count(said, "sound card works again")
	h.g.check("told once", count.Faults == 1 && count.Starts == 2 && gone == 1 && back == 1, "%d faults, %d starts; logged %d times that it is gone, %d that it is back",
		count.Faults, count.Starts, gone, back)
	return nil
}

// muted waits until the indoor station sees that the door's microphone is muted, or no longer.
func (h *house) muted(want bool) error {
	return poll(startTime, func() error {
		st, err := h.indoor.status()
		if err == nil && st.PeerMuted != want {
			err = fmt.Errorf("the peer's microphone: muted %v, want %v: %s", st.PeerMuted, want, h.door.said)
		}
		return err
	})
}

const loopbackDriver = "/sys/bus/platform/drivers/snd_aloop/"

// driverDevice returns the name by which a card's driver knows it.
func driverDevice(card string) (string, error) {
	link, err := os.Readlink("/proc/asound/" + card)
	if err != nil {
		return "", err
	}
	device, err := os.Readlink("/sys/class/sound/" + link + "/device")
	return filepath.Base(device), err
}
