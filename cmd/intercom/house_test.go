package main

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"intercom/call"
	"intercom/station"
)

func open(t *testing.T) *house {
	t.Helper()
	h, err := openHouse(t.Context(), "")
	if h != nil {
		t.Cleanup(h.Close)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) talk(t *testing.T) {
	t.Helper()
	tap(t, h.door, "bell-1")
	if _, err := h.stage(t.Context(), h.indoor, "ring_sample"); err != nil {
		t.Fatal(err)
	}
	tap(t, h.indoor, "accept")
	for _, m := range []*member{h.door, h.indoor} {
		if _, err := h.stage(t.Context(), m, "first_voice"); err != nil {
			t.Fatal(err)
		}
	}
}

func tap(t *testing.T, m *member, button string) {
	t.Helper()
	if _, err := m.sim.Tap(button, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
}

// TestStopInCall: SIGTERM ends the call at both ends and the process in time.
func TestStopInCall(t *testing.T) {
	h := open(t)
	h.talk(t)
	began := time.Now()
	if err := h.door.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-h.door.done
	t.Logf("stopped in %v (aim: 2 s)", time.Since(began).Round(time.Millisecond))
	if s := h.door.cmd.ProcessState; s.ExitCode() != exitOK {
		t.Errorf("the door's process: %v%s", s, h.door.tail())
	}
	rec, err := h.ended(t.Context(), h.indoor, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := rec.Disconnected; got.Reason != call.ReasonAppDestroy || got.Source != call.SourceCaller || !got.ByRemote {
		t.Errorf("indoors the call ended as %+v, want appDestroy by the caller", got)
	}
}

// TestKilledInRing: the caller's power cut silences the ring.
func TestKilledInRing(t *testing.T) {
	h := open(t)
	tap(t, h.door, "bell-1")
	if _, err := h.stage(t.Context(), h.indoor, "ring_sample"); err != nil {
		t.Fatal(err)
	}
	if err := h.door.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-h.door.done
	rec, err := h.ended(t.Context(), h.indoor, "")
	if err != nil {
		t.Fatal(err)
	}
	if rec.Disconnected.Reason != call.ReasonReleasedCall {
		t.Errorf("ended as %v, want releasedCall", rec.Disconnected.Reason)
	}
}

// TestNoBroker: the visitor is told, the chime sounds, and the station goes on.
func TestNoBroker(t *testing.T) {
	h := open(t)
	h.broker.stop()
	err := poll(t.Context(), callTime, func() error {
		st, err := station.ReadStatus(h.door.status)
		if err == nil && st.Connected {
			err = errors.New("still connected")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	edge, err := h.door.sim.Tap("bell-1", 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	at, err := h.stage(t.Context(), h.door, "unreachable")
	if err != nil {
		t.Fatal(err)
	}
	if d := at - edge; d < 2*time.Second {
		t.Errorf("told after %v, before the 2 s that a device may take", d)
	}
	err = poll(t.Context(), callTime, func() error {
		m, ok, err := h.door.sim.SpeakerMark(edge, 0)
		if err == nil && !ok {
			err = errors.New("no chime")
		}
		if err == nil && m.Entered-edge > time.Second {
			t.Logf("the chime came after %v", m.Entered-edge)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	rec, err := h.ended(t.Context(), h.door, "")
	if err != nil {
		t.Fatal(err)
	}
	if rec.Disconnected.Reason != call.ReasonUnavailableNetwork {
		t.Errorf("ended as %v, want unavailableNetwork", rec.Disconnected.Reason)
	}
}

// TestHouseLeavesNothing: no process and no file outlives a house.
func TestHouseLeavesNothing(t *testing.T) {
	h := open(t)
	h.Close()
	for _, p := range []*process{h.broker, h.door.process, h.indoor.process} {
		if !p.exited() {
			t.Errorf("the %s still runs", p.what)
		}
	}
	if _, err := os.Stat(h.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", h.dir, err)
	}
}
