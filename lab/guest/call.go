package main

import (
	"fmt"
	"time"

	"intercom/audio/audiotest"
)

const (
	tap   = 80 * time.Millisecond
	pause = 500 * time.Millisecond
)

// Tones that are spoken into the microphones; the host looks for them.
const (
	doorVoice   = 700.0  // Hz
	indoorVoice = 1100.0 // Hz
	mutedVoice  = 1900.0 // Hz, and must not arrive
	voiceLevel  = -12.0  // dBFS
)

// mark notes a moment of the board's time, for the host.
func (g *guest) mark(name string, at time.Duration) { g.report.Marks[name] = at.Seconds() }

// callCase is a day of the house: the bell is pressed while the door boots, then a whole call.
func callCase(g *guest) error {
	return g.inHouse(func(h *house) error {
		if err := h.boot(); err != nil {
			return err
		}
		return h.wholeCall()
	})
}

// boot starts everything in the worst order. The bell is held while the door starts, which rings nothing; then it
// is pressed as soon as the door has its lines, before it can have reached the broker, and that rings.
func (h *house) boot() error {
	if err := h.open(h.indoor); err != nil {
		return err
	}
	if err := h.door.pull("BELL", false); err != nil {
		return err
	}
	if err := h.door.start(); err != nil {
		return err
	}
	if err := poll(startTime, func() error { return lineTaken(h.door.chip, "BELL") }); err != nil {
		return fmt.Errorf("the door does not take its lines: %w: %s", err, h.door.said)
	}
	time.Sleep(tap)
	if err := h.door.pull("BELL", true); err != nil {
		return err
	}
	time.Sleep(tap)
	edge, err := h.door.press("BELL", tap)
	if err != nil {
		return err
	}
	h.g.mark("boot_press", edge)
	ring, err := h.indoor.stage("ring_sample")
	if err != nil {
		return fmt.Errorf("pressed while the door boots: %w", err)
	}
	h.g.mark("boot_ring", ring)
	time.Sleep(pause)
	declined, err := h.indoor.press("END", tap)
	if err != nil {
		return err
	}
	h.g.mark("boot_declined", declined)
	return h.rest()
}

// wholeCall presses, lets it ring, accepts, talks both ways, mutes, opens, ends. Each moment is marked.
func (h *house) wholeCall() error {
	if err := h.markXruns("before"); err != nil {
		return err
	}
	press := func(m *member, button, mark string) error {
		at, err := m.press(button, tap)
		h.g.mark(mark, at)
		return err
	}
	if err := press(h.door, "BELL", "press"); err != nil {
		return err
	}
	ring, err := h.indoor.stage("ring_sample")
	if err != nil {
		return err
	}
	h.g.mark("ring_sample", ring)
	acknowledged, err := h.door.stage("acknowledged")
	if err != nil {
		return err
	}
	h.g.mark("acknowledged", acknowledged)
	time.Sleep(2500 * time.Millisecond) // a whole ring cadence
	if err := press(h.indoor, "ACCEPT", "accept"); err != nil {
		return err
	}
	for _, m := range []*member{h.door, h.indoor} {
		at, err := m.stage("first_voice")
		if err != nil {
			return err
		}
		h.g.mark(m.name+"_first_voice", at)
	}
	time.Sleep(pause)
	cpu, since := h.cpu(), monotonic()
	for _, way := range []struct {
		from *member
		freq float64
	}{{h.door, doorVoice}, {h.indoor, indoorVoice}} {
		if err := h.speak(way.from, way.from.name, way.freq); err != nil {
			return err
		}
	}
	h.g.report.Marks["cpu_per_call_second"] = (h.cpu() - cpu).Seconds() / (monotonic() - since).Seconds()
	if err := press(h.indoor, "MUTE", "mute"); err != nil {
		return err
	}
	time.Sleep(pause)
	if err := h.speak(h.indoor, "muted", mutedVoice); err != nil {
		return err
	}
	if err := press(h.indoor, "MUTE", "unmute"); err != nil {
		return err
	}
	time.Sleep(pause)
	if err := h.speak(h.indoor, "unmuted", indoorVoice); err != nil {
		return err
	}
	if err := press(h.indoor, "OPEN", "open"); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	if err := press(h.indoor, "END", "end"); err != nil {
		return err
	}
	if err := h.rest(); err != nil {
		return err
	}
	h.g.mark("over", monotonic())
	return h.keepRecords()
}

// markXruns notes the xruns of each station so far, and of what is around it.
func (h *house) markXruns(when string) error {
	for _, m := range []*member{h.door, h.indoor} {
		st, err := m.status()
		if err != nil {
			return err
		}
		h.g.report.Marks[m.name+"_xruns_"+when] = float64(st.Counters.Card.CaptureXruns + st.Counters.Card.PlayXruns)
		h.g.report.Marks[m.name+"_world_xruns_"+when] = float64(m.air.mouth.xruns.Load() + m.air.ear.xruns.Load())
	}
	return nil
}

// Moments at which the listener's loudspeaker is looked at while somebody speaks. They move on against its periods, so that
// all phases of one are seen.
const (
	heldTimes = 36
	heldEvery = 41 * time.Millisecond
)

// speak says a mark and a second of a tone into a microphone and waits until all has arrived at the other side. It notes
// the most that the other side's loudspeaker's buffer holds meanwhile, and then for how long packets wait there in the
// jitter buffer; to ask for that before would use the processor when it counts.
func (h *house) speak(m *member, name string, freq float64) error {
	to := h.door
	if m == to {
		to = h.indoor
	}
	m.air.say(append(audiotest.Mark(), audiotest.Sine(freq, voiceLevel, sampleRate)...))
	most := time.Duration(0)
	for range heldTimes {
		time.Sleep(heldEvery)
		if to.air == nil { // its card is not there
			continue
		}
		held, err := to.air.held()
		if err != nil {
			return err
		}
		most = max(most, held)
	}
	h.g.mark(name+"_held", most)
	h.g.mark(name+"_said", m.air.said())
	st, err := to.status()
	h.g.report.Marks[name+"_jitter"] = st.Counters.Audio.PlayoutDelayMS / 1000
	return err
}

func (h *house) cpu() time.Duration { return h.door.cpu() + h.indoor.cpu() }

// keepRecords sends both stations' status with the record of the call.
func (h *house) keepRecords() error {
	for _, m := range []*member{h.door, h.indoor} {
		st, raw, err := readStatus(m.dir + "/state/status.sock")
		if err != nil {
			return err
		}
		h.g.keep(m.name+"-status.json", raw)
		reason := "no record"
		if n := len(st.Last); n > 0 {
			reason = st.Last[n-1].Disconnected.Reason
		}
		h.g.check(m.name+" record", reason == "normal", "%s", reason)
	}
	return h.markXruns("after")
}
