package audio

import (
	"errors"
	"math"
	"testing"

	"intercom/audio/audiotest"
)

func newReceiver(t testing.TB) *Receiver {
	t.Helper()
	r, err := NewReceiver()
	check(t, err)
	return r
}

// receive plays payloads of samples each, without those that lost says, and
// returns the sound.
func receive(t testing.TB, r *Receiver, payloads [][]byte, samples int, lost func(i int) bool) (out []int16) {
	t.Helper()
	for i, p := range payloads {
		if lost == nil || !lost(i) {
			check(t, r.ReceiveFrame(uint16(65500+i), uint32(1<<32-9600+i*samples), p))
		}
		for range samples / TickSamples {
			frame := make([]int16, TickSamples)
			_, err := r.Pull(frame)
			check(t, err)
			out = append(out, frame...)
		}
	}
	return out
}

// TestReceiverFrameLengths: a peer may send 10, 20, 40 or 60 ms, and all of it
// is heard.
func TestReceiverFrameLengths(t *testing.T) {
	for _, samples := range []int{480, 960, 1920, 2880} {
		r := newReceiver(t)
		out := receive(t, r, codecFrames(t, audiotest.Sine(700, -15, 96000), samples, 0), samples, nil)
		steady := out[9600:]
		tone, all := audiotest.Goertzel(steady[:76800], 700), audiotest.RMS(steady)
		if math.Abs(tone+15) > 0.5 || math.Abs(all-tone) > 0.1 {
			t.Errorf("%d samples: tone %.2f dBFS in %.2f, want -15", samples, tone, all)
		}
		s := r.Stats()
		if s.Ticks[FrameVoice] != uint64(len(out)/480) {
			t.Errorf("%d samples: %+v", samples, s)
		}
	}
}

// TestReceiverLoss: with every tenth packet lost the receiver finds the delay
// for FEC by itself, and next to nothing is concealed. Two in a row leave one.
func TestReceiverLoss(t *testing.T) {
	for _, samples := range []int{480, 960} {
		payloads := codecFrames(t, voiced(5*48000), samples, 0)
		r := newReceiver(t)
		receive(t, r, payloads, samples, func(i int) bool { return i%10 == 9 })
		s := r.Stats()
		if want := uint64(len(payloads) / 10); s.Lost < want-1 || s.Lost > want || s.ConcealedShare() > 0.03 || s.Ticks[FrameFEC] < want/2 {
			t.Errorf("%d samples, one in ten lost: concealed %.3f, %+v", samples, s.ConcealedShare(), s)
		}
		r = newReceiver(t)
		receive(t, r, payloads, samples, func(i int) bool { return i%20 >= 18 })
		if s := r.Stats(); s.ConcealedShare() > 0.07 {
			t.Errorf("%d samples, two in twenty lost: concealed %.3f, %+v", samples, s.ConcealedShare(), s)
		}
	}
}

// TestReceiverOutage: concealment fades to true silence, and the voice comes
// back.
func TestReceiverOutage(t *testing.T) {
	r := newReceiver(t)
	out := receive(t, r, codecFrames(t, audiotest.Sine(700, -15, 96000), 480, 0), 480, func(i int) bool { return i >= 100 && i < 150 })
	if got := Level(out[115*480 : 150*480]); got > 0 {
		t.Errorf("level %d in the outage", got)
	}
	if got := audiotest.Goertzel(out[160*480:190*480], 700); math.Abs(got+15) > 0.5 {
		t.Errorf("%.1f dBFS after it", got)
	}
	if s := r.Stats(); s.Ticks[FrameConcealed] != 12 || s.Ticks[FrameSilence] != 38 {
		t.Errorf("%+v", s)
	}
}

// TestReceiverLowers: too much delay is taken out again, with no click.
func TestReceiverLowers(t *testing.T) {
	r := newReceiver(t)
	payloads := codecFrames(t, audiotest.Sine(530, -15, 18*48000), 480, 0)
	for i := range 8 { // a burst: 80 ms at once after the first
		check(t, r.ReceiveFrame(uint16(i), uint32(i*480), payloads[i]))
		if i == 0 {
			_, err := r.Pull(make([]int16, 480))
			check(t, err)
		}
	}
	var last int16
	for i, p := range payloads[8:] {
		check(t, r.ReceiveFrame(uint16(i+8), uint32((i+8)*480), p))
		frame := make([]int16, TickSamples)
		_, err := r.Pull(frame)
		check(t, err)
		for k, v := range frame {
			// 530 Hz at -15 dBFS moves at most 404 from sample to sample.
			if d := int(v) - int(last); i > 20 && (d > 600 || d < -600) {
				t.Fatalf("step of %d at tick %d, sample %d", d, i, k)
			}
			last = v
		}
	}
	if s := r.Stats(); s.Lowered < 6 || s.PlayoutDelayMS > 16 {
		t.Errorf("%+v", s)
	}
}

// TestReceiverReset: nothing of one call is left in the next.
func TestReceiverReset(t *testing.T) {
	r := newReceiver(t)
	receive(t, r, codecFrames(t, audiotest.Sine(700, -3, 48000), 960, 0), 960, nil)
	check(t, r.Reset())
	frame := make([]int16, TickSamples)
	if kind, err := r.Pull(frame); kind != FrameNone || err != nil || Level(frame) != 0 {
		t.Errorf("%v, %v, level %d", kind, err, Level(frame))
	}
	check(t, r.ReceiveFrame(7, 7, codecFrames(t, make([]int16, 480), 480, 0)[0]))
	if kind, err := r.Pull(frame); kind != FrameVoice || err != nil || Level(frame) != 0 {
		t.Errorf("%v, %v, level %d", kind, err, Level(frame))
	}
	if s := r.Stats(); s.Received != 1 || s.Ticks[FrameVoice] != 1 {
		t.Errorf("%+v", s)
	}
}

// TestReceiverOverlap: of a packet that begins before the last one ended, only
// the rest is played.
func TestReceiverOverlap(t *testing.T) {
	r := newReceiver(t)
	p := codecFrames(t, voiced(960), 480, 0)
	check(t, r.ReceiveFrame(0, 0, p[0]))
	frame := make([]int16, TickSamples)
	_, err := r.Pull(frame)
	check(t, err)
	check(t, r.ReceiveFrame(1, 360, p[1])) // gives 360, then 120 are concealed
	_, err = r.Pull(frame)
	check(t, err)
	if s := r.Stats(); r.pending != 0 || s.Ticks[FrameConcealed] != 1 {
		t.Errorf("%d samples left over, %+v", r.pending, s)
	}
}

func TestReceiverRefuses(t *testing.T) {
	r := newReceiver(t)
	if err := r.ReceiveFrame(0, 0, nil); !errors.Is(err, ErrPacket) {
		t.Errorf("an empty payload: %v", err)
	}
	if _, err := r.Pull(make([]int16, 100)); err == nil {
		t.Error("pulled 100 samples")
	}
	// A good header on rubbish: playout goes on.
	check(t, r.ReceiveFrame(0, 0, append([]byte{13<<3 | 3, 0x43, 1, 255, 255}, make([]byte, 41)...)))
	if _, err := r.Pull(make([]int16, 480)); err != nil {
		t.Error(err)
	}
}

// TestMarkSurvives: the mark of audiotest is found after the codec, where it
// should be, and after one packet in ten was lost, near there.
func TestMarkSurvives(t *testing.T) {
	mark := audiotest.Mark()
	for _, c := range []struct {
		samples, bitrate, loseEach int
		tolerance, score           float64
	}{
		{480, 48000, 1000, 4, 0.95}, {960, 48000, 1000, 4, 0.95}, {480, 24000, 1000, 10, 0.6},
		{480, 48000, 10, 485, 0.3}, {960, 48000, 10, 965, 0.3},
	} {
		in := make([]int16, 48000)
		copy(in[20000:], mark)
		out := receive(t, newReceiver(t), codecFrames(t, in, c.samples, c.bitrate), c.samples,
			func(i int) bool { return i%c.loseEach == c.loseEach-1 })
		at, score, ok := audiotest.FindMark(out, mark)
		// Both ends are stepped together: what is left is Opus' own 6.5 ms,
		// and with losses what the delay was raised for FEC.
		const opusDelay = 312
		if off := at - 20000 - opusDelay; !ok || score < c.score || off < -c.tolerance || off > c.tolerance {
			t.Errorf("%+v: %.1f samples off, score %.2f, %v", c, off, score, ok)
		}
	}
}
