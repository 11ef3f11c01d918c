package rtc

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"pgregory.net/rapid"

	"intercom/call"
)

var start = time.Unix(1_700_000_000, 0)

// Sequence numbers have no gaps, time stamps have all of them.
func TestTimestampsFollowTime(t *testing.T) {
	o, err := newOutbound()
	if err != nil {
		t.Fatal(err)
	}
	seq, ts, now := o.packet.SequenceNumber, o.next, start
	type sent struct {
		Seq       uint16
		Timestamp uint32
		Marker    bool
	}
	for i, c := range []struct {
		after time.Duration
		pass  bool
		want  sent // relative; zero: not sent
	}{
		{0, true, sent{1, 0, true}},
		{10 * time.Millisecond, true, sent{2, 480, false}},
		{10 * time.Millisecond, false, sent{}}, // muted
		{10 * time.Millisecond, false, sent{}},
		{10 * time.Millisecond, true, sent{3, 4 * 480, true}},
		{300 * time.Millisecond, true, sent{4, 5 * 480, false}}, // a late thread,
		{0, true, sent{5, 6 * 480, false}},                      // then its burst
		{1005 * time.Millisecond, true, sent{6, 106 * 480, true}},
		{10 * time.Millisecond, true, sent{7, 107 * 480, false}},
	} {
		now = now.Add(c.after)
		ok := o.write([]byte("x"), 480, now, c.pass)
		if ok != c.pass {
			t.Fatalf("step %d: got sent %v, want %v", i, ok, c.pass)
		}
		if !ok {
			continue
		}
		got := sent{o.packet.SequenceNumber - seq, o.packet.Timestamp - ts, o.packet.Marker}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	for _, payload := range [][]byte{nil, make([]byte, maxPayload+1)} {
		if o.write(payload, 480, now, true) {
			t.Errorf("a payload of %d bytes was sent", len(payload))
		}
	}
}

func rtpPacket(seq uint16, ts uint32) []byte {
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 111, SSRC: 7, SequenceNumber: seq, Timestamp: ts}, Payload: []byte("voice")}
	raw, err := p.Marshal()
	if err != nil {
		panic(err)
	}
	return raw
}

// Loss and jitter of a stream whose packets 3 and 4 (of 10, from a sequence
// number just before the wrap) are lost and whose last comes 20 ms late.
func TestReception(t *testing.T) {
	in := inbound{frame: func(uint16, uint32, []byte) {}}
	var scratch rtp.Packet
	at := start
	for i := range 10 {
		if i == 9 {
			at = at.Add(20 * time.Millisecond)
		}
		if i != 3 && i != 4 {
			in.receive(rtpPacket(uint16(65533+i), uint32(i*480)+1<<31), &scratch, at)
		}
		at = at.Add(10 * time.Millisecond)
	}
	if got := in.lost(); got != 2 {
		t.Errorf("got %d lost, want 2", got)
	}
	if got, want := samples(in.jitter>>4), 20*time.Millisecond/16; got != want {
		t.Errorf("got jitter %v, want %v", got, want)
	}
	in.senderReport, in.senderReportAt = 42, at.Add(-time.Second/2)
	want := rtcp.ReceptionReport{SSRC: 7, FractionLost: 256 * 2 / 10, TotalLost: 2, LastSequenceNumber: 1<<16 + 6,
		Jitter: 60, LastSenderReport: 42, Delay: 65536 / 2}
	if diff := cmp.Diff(want, in.report(at)); diff != "" {
		t.Errorf("first report (-want +got):\n%s", diff)
	}
	want.FractionLost = 0 // nothing since
	if diff := cmp.Diff(want, in.report(at)); diff != "" {
		t.Errorf("second report (-want +got):\n%s", diff)
	}
}

// However packets are lost and reordered within a window, what was sent and
// did not arrive is counted.
func TestLossIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint16().Draw(t, "first")
		n := rapid.IntRange(2, 300).Draw(t, "packets")
		var r reception
		arrived := 0
		order := []int{0} // the first and the last arrive, at the ends
		for _, i := range rapid.Permutation(seq(1, n-1)).Draw(t, "order") {
			if rapid.Bool().Draw(t, "arrives") {
				order = append(order, i)
			}
		}
		for _, i := range append(order, n-1) {
			r.observe(7, first+uint16(i), 0, start)
			arrived++
		}
		if got, want := int(r.lost()), n-arrived; got != want {
			t.Errorf("got %d lost, want %d", got, want)
		}
	})
}

func seq(from, to int) []int {
	var s []int
	for i := from; i < to; i++ {
		s = append(s, i)
	}
	return s
}

// The peer's reports and the own clock reach Stats.
func TestStats(t *testing.T) {
	m := testMedia(t, nil)
	var skew atomic.Int64
	m.now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	callee, caller := connect(t, m, m)
	callee.Gate(true, true)
	caller.Gate(true, true)
	send := func() {
		callee.WriteFrame([]byte("voice"), 480)
		caller.nextFrame()
	}
	send()
	callee.out.mu.Lock()
	callee.out.packet.SequenceNumber += 3 // as if three were lost
	callee.out.mu.Unlock()
	skew.Add(int64(100 * time.Millisecond)) // and the next comes late
	send()
	until(t, "loss, jitter and round trip at both", func() bool {
		a, b := callee.Stats(), caller.Stats()
		return a.Sent.Lost == 3 && a.Sent.Jitter > 0 && a.RoundTrip > 0 && b.RoundTrip > 0 &&
			b.Received.Lost == 3 && b.Received.Jitter == a.Sent.Jitter
	})
	_ = callee.Close()
	if got := callee.Stats().Sent.Packets; got != 2 {
		t.Errorf("got %d packets after Close, want 2", got)
	}
}

func TestSteadyVoiceAllocatesNothing(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector makes sync.Pool forget, and pion uses it")
	}
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	callee.Gate(true, true)
	caller.Gate(true, true)
	payload := make([]byte, 80)
	callee.WriteFrame(payload, 480)
	caller.nextFrame()
	caller.Gate(true, false) // the test's Frame allocates
	if got := testing.AllocsPerRun(1000, func() { callee.WriteFrame(payload, 480) }); got != 0 {
		t.Errorf("got %v allocations for each WriteFrame, want 0", got)
	}
	var scratch rtp.Packet
	raw, in := rtpPacket(1, 1), &inbound{frame: func(uint16, uint32, []byte) {}}
	in.gate.Store(true)
	if got := testing.AllocsPerRun(1000, func() { in.receive(raw, &scratch, start) }); got != 0 {
		t.Errorf("got %v allocations for each packet received, want 0", got)
	}
}

// No packet passes that can't be a voice frame, none panics, and the gate
// holds.
func FuzzReceive(f *testing.F) {
	f.Add(rtpPacket(1, 1), true)
	f.Add(rtpPacket(1, 1), false)
	f.Add([]byte{}, true)
	f.Add([]byte{0xb0, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0xbe, 0xde, 0, 9}, true) // extension past the end
	f.Fuzz(func(t *testing.T, raw []byte, open bool) {
		var scratch rtp.Packet
		in := inbound{frame: func(_ uint16, _ uint32, p []byte) {
			if !open || len(p) == 0 || len(p) > maxPayload {
				t.Errorf("a payload of %d bytes passed, gate %v", len(p), open)
			}
		}}
		in.gate.Store(open)
		in.receive(raw, &scratch, start)
		in.receive(raw, &scratch, start.Add(time.Second))
		in.report(start)
		if in.received.Packets+in.received.Dropped < 2 {
			t.Error("a packet was not counted")
		}
	})
}

func FuzzReports(f *testing.F) {
	for _, p := range []rtcp.Packet{
		&rtcp.SenderReport{SSRC: 7, NTPTime: ntp(start), Reports: []rtcp.ReceptionReport{{SSRC: 9, TotalLost: 5, Jitter: 48}}},
		&rtcp.ReceiverReport{SSRC: 7, Reports: []rtcp.ReceptionReport{{SSRC: 9, TotalLost: 1<<24 - 1}}},
	} {
		raw, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := &Session{ssrc: 9, out: &outbound{}}
		s.in.observe(7, 1, 1, start)
		s.takeReports(raw, start)
		if s.Stats().Sent.Lost >= 1<<23 {
			t.Error("a negative loss was taken")
		}
	})
}

// BenchmarkSetUp is from NewSession to SessionUp at both ends, without
// signalling; the median, because other work on the machine shows in the mean.
func BenchmarkSetUp(b *testing.B) {
	m := testMedia(b, nil)
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		callee, caller := connect(b, m, m)
		took = append(took, time.Since(began))
		b.StopTimer()
		_ = callee.Close()
		_ = caller.Close()
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/set-up")
}

// BenchmarkFrame is one frame from WriteFrame to Frame.
func BenchmarkFrame(b *testing.B) {
	m := testMedia(b, nil)
	callee, caller := connect(b, m, m)
	arrived := make(chan struct{}, 1)
	caller.in.mu.Lock()
	caller.in.frame = func(uint16, uint32, []byte) { arrived <- struct{}{} }
	caller.in.mu.Unlock()
	callee.Gate(true, true)
	caller.Gate(true, true)
	payload := make([]byte, 80)
	b.ReportAllocs()
	for b.Loop() {
		callee.WriteFrame(payload, 480)
		<-arrived
	}
}

func ExampleMedia() {
	media, err := New(Config{Interfaces: []string{"lo"}, IncludeLoopback: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer media.Close()
	offered := make(chan string, 1)
	session, err := media.NewSession(call.SessionConfig{
		Role:  call.RoleCallee,
		Event: func(e call.SessionEvent) { offered <- e.SDP[:3] },
		Frame: func(seq uint16, timestamp uint32, payload []byte) {},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	session.Offer()
	fmt.Println(<-offered)
	// Output: v=0
}
