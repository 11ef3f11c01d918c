package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"intercom/call"
	"intercom/station"
)

func open(t *testing.T) *house {
	t.Helper()
	h, err := openHouse(t.Context(), "", time.Now())
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

// killRinging kills a station that rings, once its journal says so: it is written behind the ring, which does not wait for it.
func (h *house) killRinging(t *testing.T, m *member) {
	t.Helper()
	if _, err := h.stage(t.Context(), m, "ring_sample"); err != nil {
		t.Fatal(err)
	}
	h.kill(t, m, `"rang":true`)
}

// kill kills a station once its journal has a call of which it says so, and that
// it is this process's: that of the one before is there until then.
func (h *house) kill(t *testing.T, m *member, says string) {
	t.Helper()
	st, err := station.ReadStatus(m.status)
	if err != nil {
		t.Fatal(err)
	}
	err = poll(t.Context(), callTime, func() error {
		for _, f := range h.journal(t, m) {
			if data, err := os.ReadFile(f); err == nil && strings.Contains(string(data), says) && strings.Contains(string(data), st.Session) {
				return nil
			}
		}
		return fmt.Errorf("the journal has no call of which it says %s", says)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-m.done
	m.sim.Close()
	m.sim = nil
}

// journal names the files of its calls.
func (h *house) journal(t *testing.T, m *member) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, m.name, "state", "calls", "*.call"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// restart is what a supervisor does.
func (h *house) restart(t *testing.T, m *member) {
	t.Helper()
	var err error
	if m.process, err = start(m.name, "run", "--config", filepath.Join(h.dir, m.name, "station.toml")); err != nil {
		t.Fatal(err)
	}
	if err := m.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestKilledRinging: an indoor station that is killed while it rings, and
// started again, rings on and is answered. The visitor's lamp says all the
// while that it rings.
func TestKilledRinging(t *testing.T) {
	h := open(t)
	tap(t, h.door, "bell-1")
	m := h.indoor
	for range 2 { // also the one that took the ring over
		h.killRinging(t, m)
		killed := time.Now()
		h.restart(t, m)
		if _, err := h.stage(t.Context(), m, "ring_sample"); err != nil {
			t.Fatal(err)
		}
		t.Logf("rings again %v after the kill", time.Since(killed).Round(time.Millisecond))
		st, err := station.ReadStatus(h.door.status)
		if err != nil || st.State != "ringback" {
			t.Fatalf("the door shows %s, %v", st.State, err)
		}
	}
	tap(t, m, "accept")
	for _, m := range []*member{h.door, h.indoor} {
		if _, err := h.stage(t.Context(), m, "first_voice"); err != nil {
			t.Fatal(err)
		}
	}
	tap(t, m, "end")
	for _, m := range []*member{h.door, h.indoor} {
		rec, err := h.ended(t.Context(), m, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, told := rec.At("unreachable"); told || rec.Disconnected.Reason != call.ReasonNormal {
			t.Errorf("the record of the %s station: %v, stages %v", m.name, rec.Disconnected, rec.Stages)
		}
	}
	err := poll(t.Context(), callTime, func() error {
		if files := h.journal(t, m); len(files) != 0 {
			return fmt.Errorf("left in the journal: %v", files)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// disturbNobody is what a station has in its configuration from its next start on.
func disturbNobody(t *testing.T, m *member) {
	t.Helper()
	f, err := os.OpenFile(m.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("[quiet]\ndo_not_disturb = true\n"); err != nil {
		t.Fatal(err)
	}
}

// TestKilledRingingQuiet: what rang before the quiet hours began rings on after
// a restart in them, as it would without one: the visitor's lamp says so.
func TestKilledRingingQuiet(t *testing.T) {
	h := open(t)
	tap(t, h.door, "bell-1")
	h.killRinging(t, h.indoor)
	disturbNobody(t, h.indoor)
	h.restart(t, h.indoor)
	if _, err := h.stage(t.Context(), h.indoor, "ring_sample"); err != nil {
		t.Error(err)
	}
}

// TestKilledSilent: what did not ring, since nobody was to be disturbed, does
// not after a restart, and the visitor's lamp never says that it did.
func TestKilledSilent(t *testing.T) {
	h := open(t)
	h.indoor.process.stop()
	h.indoor.sim.Close()
	h.indoor.sim = nil
	disturbNobody(t, h.indoor)
	h.restart(t, h.indoor)
	tap(t, h.door, "bell-1")
	for range 2 {
		if _, err := h.stage(t.Context(), h.indoor, "verified"); err != nil {
			t.Fatal(err)
		}
		h.kill(t, h.indoor, `"verified":true`)
		h.restart(t, h.indoor)
	}
	err := poll(t.Context(), callTime, func() error {
		st, err := station.ReadStatus(h.indoor.status)
		if err == nil && st.State != "silent" {
			err = fmt.Errorf("the indoor station is %s", st.State)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if st, err := station.ReadStatus(h.door.status); err != nil || st.State == "ringback" {
		t.Errorf("the door shows %s, %v", st.State, err)
	}
}

// TestKilledRingingOver: what ended while the station was down does not ring.
func TestKilledRingingOver(t *testing.T) {
	h := open(t)
	tap(t, h.door, "bell-1")
	h.killRinging(t, h.indoor)
	h.door.stop()
	h.restart(t, h.indoor)
	rec, err := h.ended(t.Context(), h.indoor, "")
	if err != nil || rec.Disconnected.Reason != call.ReasonReleasedCall {
		t.Errorf("ended as %v, %v; want releasedCall", rec.Disconnected, err)
	}
	if _, rang := rec.At("ring_sample"); rang {
		t.Error("it rang, although the caller was gone")
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
		st, err := station.ReadStatus(h.door.status)
		switch {
		case err != nil:
			return err
		case st.Call == nil:
			return stop{errors.New("the call was given up before the visitor was told")}
		case st.State != "unreachable":
			return fmt.Errorf("the visitor is shown %q", st.State)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
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

// TestDemoStoppedEarly: stopping the demo while its stations start is no error.
func TestDemoStoppedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	if code := (console{&out, &errs, time.Now, buildInfo()}).logic(ctx, []string{"demo"}); code != exitOK || errs.Len() > 0 {
		t.Errorf("code %d: %s", code, errs.String())
	}
}
