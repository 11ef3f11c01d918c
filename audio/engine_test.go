package audio

import (
	"testing"

	"intercom/audio/audiotest"
)

// wire joins one engine's Capture to another's Playback, one packet per send.
type wire struct {
	to  *Receiver
	seq uint16
	ts  uint32
}

func (w *wire) send(payload []byte, samples int) {
	_ = w.to.ReceiveFrame(w.seq, w.ts, payload)
	w.seq++
	w.ts += uint32(samples)
}

// newCall makes two engines; what the first captures, the second plays.
func newCall(t testing.TB, c EngineConfig) (door, room *Engine, rx *Receiver) {
	t.Helper()
	rx, err := NewReceiver()
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{to: rx, seq: 65530, ts: 1<<32 - 4800}
	c.Send = w.send
	if door, err = NewEngine(c); err != nil {
		t.Fatal(err)
	}
	if room, err = NewEngine(EngineConfig{}); err != nil {
		t.Fatal(err)
	}
	door.SetTransmit(true)
	room.SetVoice(rx)
	return door, room, rx
}

// TestCall sends a tone through a whole call, at every device period and both
// codec frames, and asserts that the tone comes out, steadily and on its own.
func TestCall(t *testing.T) {
	for _, frame := range []int{480, 960} {
		for _, period := range []int{240, 256, 480, 720, 960} {
			door, room, rx := newCall(t, EngineConfig{FrameSamples: frame})
			in := audiotest.Sine(1000, -12, 48000)
			var out []int16
			first := -1
			for len(in) >= period {
				if _, err := door.Capture(in[:period]); err != nil {
					t.Fatal(err)
				}
				in = in[period:]
				buf := make([]int16, period)
				p, err := room.Playback(buf)
				if err != nil {
					t.Fatal(err)
				}
				if p.FirstVoice && first < 0 {
					first = len(out)
				}
				out = append(out, buf...)
			}
			steady := out[9600:43200]
			tone, rms := audiotest.Goertzel(steady, 1000), audiotest.RMS(steady)
			if tone < -13 || tone > -11 || rms-tone > 0.2 {
				t.Errorf("frame %d period %d: tone %.1f dBFS in %.1f, want -12 in -12; %+v", frame, period, tone, rms, rx.Stats())
			}
			if first < 0 || first > frame+period {
				t.Errorf("frame %d period %d: first voice at sample %d", frame, period, first)
			}
			// Two packets at once, at the start, cost one: playout begins at the newest.
			if s := rx.Stats(); s.Overflow > 1 || s.Late+s.Resync+s.Duplicate > 0 || s.Ticks[FrameConcealed] > 2 {
				t.Errorf("frame %d period %d: %+v", frame, period, s)
			}
		}
	}
}
