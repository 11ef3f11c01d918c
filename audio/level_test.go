package audio

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/audio/audiotest"
)

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		dBFS     float64
		low, top int
	}{{0, 100, 100}, {-3, 95, 96}, {-20, 69, 70}, {-31, 53, 53}, {-62, 5, 7}, {-66, 0, 1}, {-80, 0, 0}} {
		if got := Level(audiotest.Sine(1000, c.dBFS, 480)); got < c.low || got > c.top {
			t.Errorf("%.0f dBFS: %d, want %d to %d", c.dBFS, got, c.low, c.top)
		}
	}
	if got := []int{Level(nil), Level(make([]int16, 480))}; !cmp.Equal(got, []int{0, 0}) {
		t.Errorf("nothing and silence: %d", got)
	}
	square := make([]int16, 480)
	for i := range square {
		square[i] = math.MinInt16
	}
	if got := Level(square); got != 100 {
		t.Errorf("everything: %d", got)
	}
	last := 0
	for db := -70.0; db <= 0; db += 0.5 {
		got := Level(audiotest.Sine(997, db, 4800))
		if got < last {
			t.Fatalf("%.1f dBFS: %d, below %d", db, got, last)
		}
		last = got
	}
}

func TestVolumeGain(t *testing.T) {
	if got := []float32{VolumeGain(-5), VolumeGain(0), VolumeGain(100), VolumeGain(500)}; !cmp.Equal(got, []float32{0, 0, 1, 1}) {
		t.Errorf("ends: %v", got)
	}
	if db := 20 * math.Log10(float64(VolumeGain(50))); math.Abs(db+20) > 0.01 {
		t.Errorf("volume 50: %.2f dB, want -20", db)
	}
	for v := 1; v <= 100; v++ {
		if VolumeGain(v) <= VolumeGain(v-1) {
			t.Errorf("volume %d is not louder than %d", v, v-1)
		}
	}
}

// TestGainRamp: each change takes 5 ms, evenly, and arrives exactly.
func TestGainRamp(t *testing.T) {
	full := samplesIn(5 * time.Millisecond)
	for _, c := range []struct{ from, to float32 }{{0, 1}, {1, 0}, {1, 0.3}, {0.1, 0.7}} {
		var g Gain
		g.Jump(c.from)
		g.Set(c.to)
		frame := make([]int16, 480)
		for i := range frame {
			frame[i] = 10000
		}
		g.Apply(frame[:100]) // the ramp goes on over frames
		g.Apply(frame[100:])
		last := float32(10000) * c.from
		for i, v := range frame {
			if d := float32(v) - last; d > 45 || d < -45 {
				t.Fatalf("%v: step of %v at %d", c, d, i)
			}
			last = float32(v)
		}
		if want := int16(10000 * c.to); frame[full+2] != want || !g.Settled() {
			t.Errorf("%v: %d after the ramp, want %d", c, frame[full+2], want)
		}
		if mid, want := float32(frame[full/2-1]), 5000*(c.from+c.to); mid < want-50 || mid > want+50 {
			t.Errorf("%v: %v in the middle, want %v", c, mid, want)
		}
	}
}

func TestMixSaturates(t *testing.T) {
	got := []int16{32000, -32000, 100, -32768}
	Mix(got, []int16{1000, -1000, -50, -32768})
	if d := cmp.Diff([]int16{32767, -32768, 50, -32768}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
