package station

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"intercom/audio"
	"intercom/call"
)

// TestCardAbsent takes the card away in a call for a good second. The peer's
// stream goes on at its pace, what it says is taken off the buffer, nothing
// counts as heard that was not, and with the card the sound is back.
func TestCardAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period, slowStart = 10 * time.Millisecond, 200 * time.Millisecond
		began := time.Now()
		c := newFakeCard()
		gone := func() bool { at := time.Since(began); return at >= 500*time.Millisecond && at < 1700*time.Millisecond }
		c.start = func() error {
			if gone() {
				return syscall.ENODEV
			}
			if time.Since(began) > 0 {
				time.Sleep(slowStart)
			}
			return nil
		}
		c.closed = make(chan struct{}, 100)
		quit := make(chan struct{})
		c.capture = func() error {
			select {
			case <-quit:
				return os.ErrClosed
			case <-time.After(period):
			}
			if gone() {
				return syscall.ENODEV
			}
			return nil
		}
		c.play = func() error {
			if gone() {
				t.Error("played without a card")
			}
			return nil
		}
		r, err := audio.NewReceiver()
		if err != nil {
			t.Fatal(err)
		}
		s := newTestSound(t, c)
		var sent []time.Duration // what is sent comes back as the peer's voice
		s.engine = newTestEngine(t, func(payload []byte, samples int) {
			_ = r.ReceiveFrame(uint16(len(sent)), uint32(len(sent)*samples), payload)
			sent = append(sent, time.Since(began))
		})
		s.engine.SetTransmit(true)
		type moment struct {
			what string
			at   time.Duration
		}
		var told []moment
		s.tell = func(h heard) {
			what := "card"
			switch {
			case h.ring != 0:
				what = "ring"
			case h.voice != nil:
				what = "voice"
			case h.reason != nil:
				what = "no card"
			}
			told = append(told, moment{what, time.Since(began)})
		}
		s.call.Store(&call.Call{})
		go s.run(s.start())
		time.Sleep(time.Second) // without a card by now
		s.engine.Play(audio.LayerTone, audio.NewToneSource(audio.Ring()), 80)
		s.engine.SetVoice(r)
		time.Sleep(2 * time.Second)
		close(quit)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for i, at := range sent[1:] {
			if gap := at - sent[i]; gap > slowStart+2*period {
				t.Errorf("nothing was sent for %v from %v on", gap, sent[i])
			}
		}
		if len(sent) < 275 || len(sent) > 282 { // all but those of the start
			t.Errorf("%d frames were sent in 3 s", len(sent))
		}
		st := s.status()
		if st.Faults != 1 || st.Absent < 200 || st.Absent > 240 || st.Absent+st.Periods < 298 {
			t.Errorf("status %+v", st)
		}
		pulled := uint64(0)
		for _, n := range r.Stats().Ticks {
			pulled += n
		}
		if pulled < 198 || pulled > 202 {
			t.Errorf("%d frames of the voice were taken in 2 s", pulled)
		}
		back := 0 // when the card came back
		want := []string{"card", "no card", "card", "voice"}
		var got []string
		for i, m := range told {
			got = append(got, m.what)
			if m.what == "card" {
				back = i
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("told %v, want %v", told, want)
		}
		if late := told[3].at - told[back].at; late > 2*period {
			t.Errorf("the voice was heard %v after the card came back", late)
		}
	})
}

// TestXrunCatchesUp loses 70 ms to an xrun: as much of what the peer says is
// dropped, so that the rest does not come later. Nothing is sent for it.
func TestXrunCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCard()
		s := newTestSound(t, c)
		frames := 0
		s.engine = newTestEngine(t, func([]byte, int) { frames++ })
		s.engine.SetTransmit(true)
		r, err := audio.NewReceiver()
		if err != nil {
			t.Fatal(err)
		}
		s.engine.SetVoice(r)
		began, turn := time.Now(), 0
		c.capture = func() error {
			switch turn++; turn {
			case 11:
				time.Sleep(80 * time.Millisecond) // the last ten of them for the period that comes next
				return syscall.EPIPE
			case 12:
				return nil
			}
			time.Sleep(10 * time.Millisecond)
			return nil
		}
		for p := newPeriods(c); time.Since(began) < 500*time.Millisecond; {
			if err := s.step(p); err != nil {
				t.Fatal(err)
			}
		}
		pulled, dropped := 0, int(s.count.absent.Load())
		for _, n := range r.Stats().Ticks {
			pulled += int(n)
		}
		if all := int(time.Since(began) / (10 * time.Millisecond)); pulled != all || c.plays+dropped != all || frames != c.plays {
			t.Errorf("of %d periods %d were taken from the voice, %d played, %d dropped, and %d sent", all, pulled, c.plays, dropped, frames)
		}
	})
}

// TestRingBegunInAnXrun: it is told when it is heard, once. Else the caller would
// never learn that it rings.
func TestRingBegunInAnXrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCard()
		s := newTestSound(t, c)
		var told []heard
		s.tell = func(h heard) { told = append(told, h) }
		var ring uint64
		turn := 0
		c.capture = func() error {
			switch turn++; turn {
			case 5:
				ring = s.engine.Play(audio.LayerTone, audio.NewToneSource(audio.Ring()), 80)
				time.Sleep(80 * time.Millisecond)
				return syscall.EPIPE
			case 6:
				if len(told) > 0 {
					t.Errorf("told %+v of what nobody heard", told)
				}
			}
			time.Sleep(10 * time.Millisecond)
			return nil
		}
		p := newPeriods(c)
		for range 10 {
			if err := s.step(p); err != nil {
				t.Fatal(err)
			}
		}
		if len(told) != 1 || told[0].ring != ring {
			t.Errorf("told %+v, want that ring %d began", told, ring)
		}
	})
}

// TestSettle keeps silent until the amplifier is awake, and begins then.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCard()
		s := newTestSound(t, c)
		s.settle = 3
		s.engine.SetTransmit(true)
		var told []heard
		s.tell = func(h heard) { told = append(told, h) }
		begin := func() uint64 {
			return s.engine.Play(audio.LayerTone, audio.NewToneSource(audio.Ring()), 80)
		}
		begin()
		p := newPeriods(c)
		turn := 0
		var second uint64
		c.play = func() error {
			turn++
			switch {
			case turn <= 3 && (c.level != 0 || len(told) != 0):
				t.Errorf("turn %d: level %d, told %v, before the amplifier is awake", turn, c.level, told)
			case turn == 4 && (len(told) != 1 || !told[0].card || told[0].reason != nil):
				t.Errorf("told %+v once the amplifier is awake, want the card", told)
			case turn == 4:
				second = begin() // as the station does
			case turn == 8:
				return syscall.ENODEV
			}
			return nil
		}
		if err := s.pull(p); err != syscall.ENODEV {
			t.Errorf("pull: %v", err)
		}
		if len(told) != 2 || told[1].ring != second || c.level == 0 {
			t.Errorf("level %d, told %+v, want the ring %d", c.level, told, second)
		}
	})
}
