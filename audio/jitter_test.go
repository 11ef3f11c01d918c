package audio

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fakePayload is a payload that ParsePacket takes, never decoded: a hybrid
// frame of 10 or 20 ms that carries FEC, with a number to know it again.
func fakePayload(samples int, n uint32) []byte {
	toc := byte(12 << 3)
	if samples == 960 {
		toc = 13 << 3
	}
	return binary.BigEndian.AppendUint32([]byte{toc, 0x40}, n)
}

func payloadNumber(b []byte) int {
	if len(b) < 6 {
		return -1
	}
	return int(int32(binary.BigEndian.Uint32(b[2:])))
}

// rig steps a JitterBuffer by hand as a Receiver would.
type rig struct {
	*JitterBuffer
	buf     [MaxPayload]byte
	seq0    uint16
	ts0     uint32
	samples int   // of each packet
	played  []int // numbers of the packets played, in order
}

func newRig(seq0 uint16, ts0 uint32, samples int) *rig {
	return &rig{JitterBuffer: NewJitterBuffer(), seq0: seq0, ts0: ts0, samples: samples}
}

// push sends packet n of the stream.
func (r *rig) push(n int) {
	ts := r.ts0 + uint32(n*r.samples)
	_ = r.Push(r.seq0+uint16(n), ts, fakePayload(r.samples, uint32(n)))
}

// pull makes one tick of sound, lowering the delay when that is wanted.
func (r *rig) pull() FrameKind {
	r.Tick()
	kind := r.drain()
	if r.Lower(true) {
		r.drain()
	}
	return kind
}

func (r *rig) drain() FrameKind {
	for {
		s, more := r.Next(r.buf[:])
		if !more {
			return s.Kind
		}
		if s.Samples <= s.Skip || s.Skip < 0 || s.Samples > maxPacketSamples {
			panic(fmt.Sprintf("step without progress: %+v", s))
		}
		if s.Kind == FrameVoice {
			r.played = append(r.played, payloadNumber(s.Payload))
		}
	}
}

// waiting is what is held or decoded ahead of playout, in samples.
func (r *rig) waiting() int64 {
	if !r.started {
		return 0
	}
	end := r.decoded
	for i := range r.slots {
		if s := &r.slots[i]; s.used {
			end = max(end, s.end())
		}
	}
	return end - r.play
}

// TestJitterWrap plays straight streams over every boundary of both numbers.
func TestJitterWrap(t *testing.T) {
	for _, samples := range []int{480, 960} {
		for _, seq := range []uint16{0, 1, 32760, 32767, 65526, 65535} {
			for _, ts := range []uint32{0, 479, 1<<31 - 960, 1<<31 - 1, 1<<32 - 4800, 1<<32 - 480, 1<<32 - 1} {
				r := newRig(seq, ts, samples)
				for n := range 20 {
					r.push(n)
					for range samples / TickSamples {
						if got := r.pull(); got != FrameVoice {
							t.Fatalf("seq %d ts %d: packet %d: %v", seq, ts, n, got)
						}
					}
				}
				want := JitterStats{Received: 20}
				want.Ticks[FrameVoice] = uint64(20 * samples / TickSamples)
				if d := cmp.Diff(want, r.Stats()); d != "" {
					t.Errorf("seq %d ts %d (-want +got):\n%s", seq, ts, d)
				}
			}
		}
	}
}

// TestJitterEvents runs small scripts: the numbers of the packets that arrive
// before each tick, and what the ticks give.
func TestJitterEvents(t *testing.T) {
	const V, F, C, S, N = FrameVoice, FrameFEC, FrameConcealed, FrameSilence, FrameNone
	none := []int{}
	for _, c := range []struct {
		name   string
		arrive [][]int
		kinds  []FrameKind
		played []int
		stats  JitterStats // Ticks and Received are not compared
	}{
		{"nothing", [][]int{none, none}, []FrameKind{N, N}, nil, JitterStats{}},
		{"first packet plays at the next tick", [][]int{none, {0}, {1}}, []FrameKind{N, V, V}, []int{0, 1}, JitterStats{}},
		{"duplicates", [][]int{{0, 0}, {1, 0}, {2, 2, 1}}, []FrameKind{V, V, V}, []int{0, 1, 2}, JitterStats{Duplicate: 4}},
		{"reordered within a tick", [][]int{{0}, {2, 1}, none}, []FrameKind{V, V, V}, []int{0, 1, 2}, JitterStats{}},
		{"one tick late: played, the delay rises", [][]int{{0}, none, {1}, {2}, {3}}, []FrameKind{V, C, V, V, V}, []int{0, 1, 2, 3}, JitterStats{Raised: 1}},
		{"two ticks late: dropped, the delay rises by one", [][]int{{0}, none, none, {1, 2, 3}, {4}, {5}}, []FrameKind{V, C, C, V, V, V}, []int{0, 2, 3, 4}, JitterStats{Late: 1, Raised: 1}},
		{"lost, no time for FEC", [][]int{{0}, none, {2}, {3}}, []FrameKind{V, C, V, V}, []int{0, 2, 3}, JitterStats{Lost: 1}},
		{"lost, the next is there: FEC", [][]int{{0}, {2}, none, {3}}, []FrameKind{V, F, V, V}, []int{0, 2, 3}, JitterStats{Lost: 1}},
		{"two lost, the next is there: FEC for the last", [][]int{{0}, {3}, none, none, {4}}, []FrameKind{V, C, F, V, V}, []int{0, 3, 4}, JitterStats{Lost: 2}},
		{"a second loss buys the delay for FEC", [][]int{{0}, none, {2}, none, {4}, {5}, {6, 8}, none, none}, []FrameKind{V, C, V, C, F, V, V, V, F}, []int{0, 2, 4, 5, 6}, JitterStats{Lost: 3, Raised: 1}},
		{"a stall of 130 ms, then all at once: begin near the newest",
			[][]int{{0}, none, none, none, none, none, none, none, none, none, none, none, none, none, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, {15}},
			[]FrameKind{V, C, C, C, C, C, C, C, C, C, C, C, C, S, V, V}, []int{0, 14, 15}, JitterStats{Overflow: 13, Resync: 1}},
		{"each two ticks late: the delay rises to it", [][]int{{0}, none, none, {1}, {2}, {3}}, []FrameKind{V, C, C, C, V, V}, []int{0, 2, 3}, JitterStats{Late: 1, Raised: 2}},
		{"restored by FEC, then it comes: not played again", [][]int{{0}, {2}, {1}, {3}}, []FrameKind{V, F, V, V}, []int{0, 2, 3}, JitterStats{Late: 1}},
		{"the path grows longer by 40 ms", [][]int{{0}, none, none, none, none, {1}, {2}, {3}, {4}, {5}, {6}, {7}},
			[]FrameKind{V, C, C, C, C, C, C, C, C, C, F, V}, []int{0, 6}, JitterStats{Late: 5, Resync: 1, Raised: 1}},
		{"after an outage: not a straggler but the next begins",
			[][]int{{0}, none, none, none, none, none, none, none, none, none, none, none, none, none, {-1}, {15}, {16}},
			[]FrameKind{V, C, C, C, C, C, C, C, C, C, C, C, C, S, S, F, V}, []int{0, 15}, JitterStats{Lost: 14, Late: 1, Raised: 1}},
		{"after an outage: the same delay, and never backwards",
			[][]int{{0}, {3}, none, none, none, none, none, none, none, none, none, none, none, none, none, none, none, none, {4, 2}, {5}, {6}},
			[]FrameKind{V, C, F, V, C, C, C, C, C, C, C, C, C, C, C, C, S, S, S, S, V}, []int{0, 3, 4}, JitterStats{Lost: 1, Late: 1, Resync: 1}},
		{"a burst beyond the bound", [][]int{{0}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}, {24}},
			[]FrameKind{V, V, V}, nil, JitterStats{Resync: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(65534, 1<<32-960, 480)
			var kinds []FrameKind
			for _, in := range c.arrive {
				for _, n := range in {
					r.push(n)
				}
				kinds = append(kinds, r.pull())
			}
			if d := cmp.Diff(c.kinds, kinds); d != "" {
				t.Errorf("kinds (-want +got):\n%s", d)
			}
			got := r.Stats()
			if c.played != nil {
				if d := cmp.Diff(c.played, r.played); d != "" {
					t.Errorf("played (-want +got):\n%s", d)
				}
			} else {
				c.stats.Overflow = got.Overflow
			}
			got.Ticks, got.Received = c.stats.Ticks, 0
			if d := cmp.Diff(c.stats, got); d != "" {
				t.Errorf("stats (-want +got):\n%s", d)
			}
			if w := r.waiting(); w > MaxPlayoutDelay {
				t.Errorf("%d samples wait", w)
			}
		})
	}
}

// TestJitterRestart: the sender comes back with other numbers. Sound must be
// back within 100 ms, whatever they are, and count as one resync.
func TestJitterRestart(t *testing.T) {
	for _, c := range []struct {
		name   string
		seq    uint16
		ts     uint32
		subtle bool // looks like late packets at first
	}{
		{"both jump", 40000, 3_000_000_000, false},
		{"both jump back a little", 1000 - 20, 480_000 - 9600, true},
		{"both jump back far", 20, 480, false},
		{"only the timestamp jumps ahead", 1100, 900_000, false},
		{"only the timestamp jumps back", 1100, 480, false},
		{"only the sequence jumps", 9000, 480_000 + 100*480, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(1000, 480_000, 480)
			for n := range 100 {
				r.push(n)
				r.pull()
			}
			r.seq0, r.ts0 = c.seq, c.ts
			voice := 0
			for n := range 50 {
				r.push(n)
				k := r.pull()
				if k == FrameVoice && n >= 10 {
					voice++
				}
				if k != FrameVoice && n >= 2 && !c.subtle {
					t.Errorf("tick %d: %v", n, k)
				}
			}
			if voice < 40 {
				t.Errorf("voice in %d of the last 40 ticks: %+v", voice, r.Stats())
			}
			if s := r.Stats(); s.Resync > 1 {
				t.Errorf("resynced %d times", s.Resync)
			}
		})
	}
}

// TestJitterDTX: a sender that goes silent is not loss.
func TestJitterDTX(t *testing.T) {
	r := newRig(0, 0, 960)
	r.push(0)
	r.pull()
	r.pull()
	_ = r.Push(1, 960, []byte{13 << 3}) // its last word
	var kinds []FrameKind
	for range 42 {
		kinds = append(kinds, r.pull())
	}
	if i := slices.IndexFunc(kinds, func(k FrameKind) bool { return k != FrameComfort }); i >= 0 {
		t.Fatalf("tick %d of the silence: %v", i, kinds[i])
	}
	_ = r.Push(2, 960*22, fakePayload(960, 2))
	if k := r.pull(); k != FrameVoice {
		t.Errorf("after the silence: %v", k)
	}
	if s := r.Stats(); s.ConcealedShare() != 0 || s.Lost+s.Late+s.Resync != 0 {
		t.Errorf("%+v", s)
	}
}

func TestJitterRefuses(t *testing.T) {
	r := NewJitterBuffer()
	for _, b := range [][]byte{nil, make([]byte, MaxPayload+1), {16 << 3}, {12<<3 | 3}, {12<<3 | 3, 0}} {
		if err := r.Push(0, 0, b); err == nil {
			t.Errorf("%d bytes %v: taken", len(b), b[:min(len(b), 3)])
		}
	}
	if s := r.Stats(); s.Malformed != 5 || s.Received != 5 {
		t.Errorf("%+v", s)
	}
}

// network is a simulated stream: a sender whose clock is ppm off, a delay with
// jitter, loss.
type network struct {
	ppm     float64
	samples int
	jitter  float64 // ms, up to which each packet is held up
	loss    float64
}

// run plays seconds of n through r, and checks the bound at every tick. It
// returns the longest PlayoutDelay after the first 10 s, in ms.
func (n network) run(t *testing.T, r *rig, seconds int) (worst float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	type flying struct {
		at float64
		n  int
	}
	var air []flying
	next := 0
	interval := msOf(float64(n.samples)) * (1 - n.ppm*1e-6)
	for tick := range seconds * 100 {
		now := float64(tick)*10 + 3.3
		for ; float64(next)*interval <= now; next++ {
			if rng.Float64() >= n.loss {
				air = append(air, flying{float64(next)*interval + rng.Float64()*n.jitter, next})
			}
		}
		air = slices.DeleteFunc(air, func(f flying) bool {
			if f.at > now {
				return false
			}
			r.push(f.n)
			return true
		})
		r.pull()
		if w := r.waiting(); w > MaxPlayoutDelay {
			t.Fatalf("%+v: tick %d: %d samples wait", n, tick, w)
		}
		if tick > 1000 {
			worst = max(worst, r.PlayoutDelay())
		}
	}
	return worst
}

// TestJitterDrift is ten minutes with clocks that differ: the delay stays
// small, and little more is concealed or dropped than the clocks force.
func TestJitterDrift(t *testing.T) {
	for _, samples := range []int{480, 960} {
		for _, ppm := range []float64{0, 50, -50, 300, -300} {
			n := network{ppm: ppm, samples: samples, jitter: 2}
			r := newRig(65000, 1<<32-48000, samples)
			worst := n.run(t, r, 600)
			s := r.Stats()
			forced := uint64(max(ppm, -ppm)*1e-6*600*100 + 0.5) // ticks
			if bad := s.Ticks[FrameConcealed] + s.Lowered; bad > forced+forced/2+12 {
				t.Errorf("%+v: %d ticks concealed or dropped, the clocks force %d: %+v", n, bad, forced, s)
			}
			if worst > 16 || s.Resync+s.Overflow+s.Lost > 0 {
				t.Errorf("%+v: delay up to %.0f ms: %+v", n, worst, s)
			}
			t.Logf("%+v: delay up to %.1f ms, concealed %d, lowered %d, raised %d, late %d", n, worst, s.Ticks[FrameConcealed], s.Lowered, s.Raised, s.Late)
		}
	}
}

// TestJitterAdapts: a bad network costs delay instead of voice, and the delay
// is given back when it heals.
func TestJitterAdapts(t *testing.T) {
	for _, c := range []struct {
		net       network
		share     float64 // concealed, at most
		maxDelay  float64 // ms
		wantFEC   bool
		maxHealed float64 // ms
	}{
		{network{samples: 480, jitter: 35}, 0.01, 70, false, 20},
		{network{samples: 960, jitter: 35}, 0.01, 70, false, 20},
		{network{samples: 480, jitter: 2, loss: 0.1}, 0.025, 40, true, 20},
		{network{samples: 960, jitter: 2, loss: 0.1}, 0.025, 60, true, 20},
	} {
		r := newRig(0, 0, c.net.samples)
		worst := c.net.run(t, r, 120)
		s := r.Stats()
		if s.ConcealedShare() > c.share || worst > c.maxDelay || c.wantFEC != (s.Ticks[FrameFEC] > 100) {
			t.Errorf("%+v: concealed %.4f, delay up to %.0f ms: %+v", c.net, s.ConcealedShare(), worst, s)
		}
		t.Logf("%+v: concealed %.4f, delay up to %.0f ms, %+v", c.net, s.ConcealedShare(), worst, s)
		// The same stream goes on over a network that has healed.
		last := int(r.newestSeq&0xffff) + 1
		for n := range 18000 * 480 / c.net.samples {
			r.push(last + n)
			for range c.net.samples / TickSamples {
				r.pull()
			}
		}
		if d := r.PlayoutDelay(); d > c.maxHealed {
			t.Errorf("%+v: %.0f ms after it healed, want at most %.0f", c.net, d, c.maxHealed)
		}
	}
}

// TestJitterLearns: where less delay has shown not to work, it is tried ever
// less often. Here one packet in 700 comes a tick late.
func TestJitterLearns(t *testing.T) {
	r := newRig(0, 0, 480)
	tries := func(minutes int) uint64 {
		before := r.Stats().Lowered
		for range minutes * 6000 {
			n := int(r.ticks)
			late := n%700 == 699
			if !late {
				r.push(n)
			}
			r.pull()
			if late {
				r.push(n)
			}
		}
		return r.Stats().Lowered - before
	}
	if early, late := tries(1), tries(5); early < 1 || late > 2 {
		t.Errorf("tried %d times in the first minute, %d times in the next five", early, late)
	}
}

// TestJitterProperties throws everything at the buffer in any order. Whatever
// comes: every step makes progress, what waits is bounded, every packet is
// accounted for, and packets of an undisturbed stream play in order, once.
func TestJitterProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SampledFrom([]int{480, 960}).Draw(t, "samples")
		r := newRig(rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "ts"), samples)
		next, jumped := 0, false
		t.Repeat(map[string]func(*rapid.T){
			"send":    func(t *rapid.T) { r.push(next); next++ },
			"lose":    func(t *rapid.T) { next += rapid.IntRange(1, 5).Draw(t, "n") },
			"again":   func(t *rapid.T) { r.push(next - rapid.IntRange(1, 90).Draw(t, "back")) },
			"reorder": func(t *rapid.T) { r.push(next + 1); r.push(next); next += 2 },
			"burst": func(t *rapid.T) {
				for range rapid.IntRange(2, 40).Draw(t, "n") {
					r.push(next)
					next++
				}
			},
			"pull": func(t *rapid.T) { r.pull() },
			"pull some": func(t *rapid.T) {
				for range rapid.IntRange(2, 30).Draw(t, "n") {
					r.pull()
				}
			},
			"jump": func(t *rapid.T) {
				r.seq0, r.ts0, jumped = rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "ts"), true
			},
			"anything": func(t *rapid.T) {
				jumped = true
				_ = r.Push(rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "ts"), fakePayload(samples, 0))
			},
			"rubbish": func(t *rapid.T) {
				_ = r.Push(r.seq0+uint16(next), 0, rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "payload"))
				jumped = true
			},
			"": func(t *rapid.T) {
				if w := r.waiting(); w > MaxPlayoutDelay {
					t.Fatalf("%d samples wait", w)
				}
				held := 0
				for i := range r.slots {
					if r.slots[i].used {
						held++
					}
				}
				s := r.Stats()
				if held != r.held {
					t.Fatalf("%d held, counted %d", held, r.held)
				}
				if !jumped {
					if in, out := s.Received-s.Malformed, s.Late+s.Duplicate+s.Overflow+uint64(held+len(r.played)); in != out {
						t.Fatalf("%d came, %d accounted for: %+v", in, out, s)
					}
					if !slices.IsSorted(r.played) || len(slices.Compact(slices.Clone(r.played))) != len(r.played) {
						t.Fatalf("played %v", r.played)
					}
				}
			},
		})
	})
}
