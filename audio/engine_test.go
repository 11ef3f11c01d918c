package audio

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestFirstRingSample: the very next Playback begins with the ring, whatever
// the period.
func TestFirstRingSample(t *testing.T) {
	for _, period := range []int{240, 480, 882, 960} {
		_, e, _ := newCall(t, EngineConfig{})
		buf := make([]int16, period)
		if p, _ := e.Playback(buf); p.Started != [layers]uint64{} {
			t.Errorf("started before it was told: %+v", p)
		}
		id := e.Play(LayerTone, NewToneSource(Ring()), 100)
		p, err := e.Playback(buf)
		if err != nil || p.Started != [layers]uint64{id, 0} || buf[0] == 0 {
			t.Errorf("period %d: %+v, %v, first sample %d", period, p, err, buf[0])
		}
		want := make([]int16, period)
		NewToneSource(Ring()).Next(want)
		if !slices.Equal(want, buf) {
			t.Errorf("period %d: not the ring", period)
		}
		if p, _ = e.Playback(buf); p.Started != [layers]uint64{} {
			t.Errorf("started twice: %+v", p)
		}
	}
}

// TestLayers: a source replaces the one of its layer in a ramp, mixes with the
// other layer and the voice, and reports its end.
func TestLayers(t *testing.T) {
	e, err := NewEngine(EngineConfig{})
	check(t, err)
	play := func(d time.Duration) (out []int16, ended [layers]uint64) {
		for range samplesIn(d) / 480 {
			buf := make([]int16, 480)
			p, err := e.Playback(buf)
			check(t, err)
			out = append(out, buf...)
			for l, id := range p.Ended {
				ended[l] = max(ended[l], id)
			}
		}
		return out, ended
	}
	tone := func(freq float64, on time.Duration, repeat bool) Source {
		return NewToneSource(Tone{Level: -20, Repeat: repeat, Segments: []Segment{{[]float64{freq}, on, 0}}})
	}
	levels := func(pcm []int16, low, high float64) {
		t.Helper()
		a, b := audiotest.Goertzel(pcm, 400), audiotest.Goertzel(pcm, 1000)
		if math.Abs(a-low) > 0.5 && max(a, low) > -60 || math.Abs(b-high) > 0.5 && max(b, high) > -60 {
			t.Errorf("400 Hz %.1f, 1000 Hz %.1f dBFS; want %.0f, %.0f", a, b, low, high)
		}
	}
	const none = -100
	e.Play(LayerTone, tone(400, time.Hour, true), 100)
	pcm, _ := play(100 * time.Millisecond)
	levels(pcm[480:], -20, none)

	notice := e.Play(LayerNotice, tone(1000, 100*time.Millisecond, false), 50)
	pcm, ended := play(100 * time.Millisecond)
	levels(pcm[480:4320], -20, -40)
	if ended != [layers]uint64{0, notice} {
		t.Errorf("ended: %v, want the notice %d", ended, notice)
	}

	e.Play(LayerTone, tone(1000, time.Hour, true), 100)
	pcm, _ = play(100 * time.Millisecond)
	levels(pcm[480:], none, -20)

	last := pcm[len(pcm)-1]
	e.Stop(LayerTone)
	pcm, ended = play(20 * time.Millisecond)
	if ended != [layers]uint64{} {
		t.Errorf("stopped is not ended: %v", ended)
	}
	for i := range 480 { // -20 dBFS at 1000 Hz moves by 429
		if d := int(pcm[i]) - int(last); d > 500 || d < -500 {
			t.Fatalf("stop clicks: step of %d at %d", d, i)
		}
		last = pcm[i]
	}
	if Level(pcm[480:]) != 0 {
		t.Error("sounds after the stop")
	}
}

// TestMute: within one period the peer hears nothing, packets go on, and the
// gate stops them.
func TestMute(t *testing.T) {
	door, room, rx := newCall(t, EngineConfig{})
	in := audiotest.Sine(1000, -6, 480*10) // ten whole frames of whole waves
	step := func(periods int) (sent, level, heard int) {
		for i := range periods {
			c, err := door.Capture(in[i%10*480 : i%10*480+480])
			check(t, err)
			buf := make([]int16, 480)
			p, err := room.Playback(buf)
			check(t, err)
			sent, level, heard = sent+c.Sent, c.Level, p.VoiceLevel
		}
		return sent, level, heard
	}
	type figures struct{ Sent, Level, Heard int }
	expect := func(what string, want figures) {
		t.Helper()
		sent, level, heard := step(50)
		got := figures{sent, level, heard}
		if abs(got.Heard-want.Heard) <= 2 {
			got.Heard = want.Heard
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	expect("open", figures{50, 91, 91})
	door.SetMute(true)
	expect("muted", figures{50, 0, 0})
	door.SetMute(false)
	expect("open again", figures{50, 91, 91})
	door.SetTransmit(false)
	expect("gate shut", figures{0, 0, 0})
	door.SetTransmit(true)
	expect("gate open", figures{50, 91, 91})
	room.SetVolume(0)
	expect("volume 0 leaves the peer's level", figures{50, 91, 91})
	if got := rx.Stats().Malformed; got != 0 {
		t.Errorf("%d malformed", got)
	}
	buf := make([]int16, 480)
	_, _ = room.Playback(buf)
	if Level(buf) != 0 {
		t.Error("volume 0 sounds")
	}
	room.SetVolume(100)
	room.SetVoice(nil)
	_, _ = room.Playback(buf)
	if p, _ := room.Playback(buf); p.Voice != FrameNone || Level(buf) != 0 {
		t.Errorf("no voice wanted: %+v, level %d", p, Level(buf))
	}
}

// TestGateForgets: when the gate opens, nothing is sent of what was said while
// or before it was shut, and it opens in a ramp.
func TestGateForgets(t *testing.T) {
	var sent [][]byte
	e, err := NewEngine(EngineConfig{Send: func(p []byte, _ int) { sent = append(sent, slices.Clone(p)) }})
	check(t, err)
	loud := audiotest.Sine(500, 0, 240)
	for _, open := range []bool{true, false} { // leaves half a frame behind
		e.SetTransmit(open)
		for range 11 {
			_, err := e.Capture(loud)
			check(t, err)
		}
	}
	sent = nil
	e.SetTransmit(true)
	for range 4 {
		_, err := e.Capture(make([]int16, 240))
		check(t, err)
	}
	d, pcm := newDecoder(t), make([]int16, 480)
	for i, p := range sent {
		check(t, decodeTo(d, p, pcm))
		if got := Level(pcm); got != 0 {
			t.Errorf("frame %d after the gate opened: level %d", i, got)
		}
	}
	if len(sent) != 2 {
		t.Errorf("%d payloads for 20 ms", len(sent))
	}
	flat := slices.Repeat([]int16{10000}, 240)
	for _, open := range []bool{false, true} {
		e.SetTransmit(open)
		_, err := e.Capture(flat)
		check(t, err)
	}
	if got := e.mic.fifo[0]; got > 100 {
		t.Errorf("the gate opens at %d", got)
	}
}

// TestVoiceSwitch: the stream that was chosen is heard at once, and nothing
// more of the one before, not even the rest of its frame.
func TestVoiceSwitch(t *testing.T) {
	e, err := NewEngine(EngineConfig{})
	check(t, err)
	loud, none := newReceiver(t), newReceiver(t)
	e.SetVoice(loud)
	buf := make([]int16, 720)
	for i, p := range codecFrames(t, audiotest.Sine(500, -6, 4800), 480, 0) {
		check(t, loud.ReceiveFrame(uint16(i), uint32(i*480), p))
	}
	first, _ := e.Playback(buf)
	second, _ := e.Playback(buf[:240])
	if !first.FirstVoice || second.FirstVoice {
		t.Errorf("first voice: %v, then %v", first.FirstVoice, second.FirstVoice)
	}
	_, _ = e.Playback(buf[:240])
	e.SetVoice(none)
	if p, _ := e.Playback(buf[:240]); p.VoiceLevel != 0 || p.Voice != FrameNone {
		t.Errorf("after the switch: %+v", p)
	}
}

func abs(x int) int { return max(x, -x) }

// TestControlsRace drives everything from the goroutines it is meant for; it
// is for the race detector.
func TestControlsRace(t *testing.T) {
	door, room, rx := newCall(t, EngineConfig{})
	var wg sync.WaitGroup
	const rounds = 300
	for _, f := range []func(i int){
		func(i int) { _, _ = door.Capture(make([]int16, 480)) },
		func(i int) { _, _ = room.Playback(make([]int16, 480)) },
		func(i int) { room.Play(Layer(i%int(layers)), NewToneSource(Busy()), i%100); room.Stop(LayerTone) },
		func(i int) { door.SetMute(i%2 == 0); door.SetTransmit(i%3 != 0); room.SetVolume(i % 100) },
		func(i int) {
			_ = rx.Stats()
			if i%50 == 0 {
				_ = rx.Reset()
				room.SetVoice(nil)
			}
			room.SetVoice(rx)
		},
	} {
		wg.Go(func() {
			for i := range rounds {
				f(i)
			}
		})
	}
	wg.Wait()
}

// callSecond is a second of a call in both directions at one station: what it
// captures, and what it plays of a peer's stream, with a tone on top.
func callSecond(t testing.TB) func() {
	_, room, _ := newCall(t, EngineConfig{})
	peer := newReceiver(t)
	payloads := codecFrames(t, voiced(48000), 480, 0)
	room.SetVoice(peer)
	room.SetTransmit(true)
	room.Play(LayerNotice, NewToneSource(CallWaiting()), 80)
	mic, out := voiced(48000), make([]int16, 480)
	var seq uint16
	return func() {
		for i, p := range payloads {
			if i%20 != 19 { // FEC and concealment are part of the path
				_ = peer.ReceiveFrame(seq, uint32(seq)*480, p)
			}
			seq++
			_, _ = room.Capture(mic[i*480 : i*480+480])
			_, _ = room.Playback(out)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	second := callSecond(t)
	second()
	if got := testing.AllocsPerRun(2, second); got != 0 {
		t.Errorf("%v allocations in a second of a call", got)
	}
}

// BenchmarkCall is the processor time of one second of a call at one station.
func BenchmarkCall(b *testing.B) {
	second := callSecond(b)
	b.ReportAllocs()
	for b.Loop() {
		second()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/call-second")
}
