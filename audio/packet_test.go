package audio

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePacket(t *testing.T) {
	frame := func(n int) []byte { return bytes.Repeat([]byte{0x20}, n) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, c := range []struct {
		name    string
		payload []byte
		want    PacketInfo // zero: refused
	}{
		{"SILK 10 ms", join([]byte{0 << 3}, frame(9)), PacketInfo{Samples: 480, FrameSamples: 480}},
		{"SILK 60 ms", join([]byte{11 << 3}, frame(9)), PacketInfo{Samples: 2880, FrameSamples: 2880}},
		{"SILK 40 ms, LBRR is the third bit", []byte{2 << 3, 0x20, 0}, PacketInfo{Samples: 1920, FrameSamples: 1920, FEC: true}},
		{"hybrid 20 ms with LBRR", []byte{15 << 3, 0x40, 0}, PacketInfo{Samples: 960, FrameSamples: 960, FEC: true}},
		{"CELT 20 ms", join([]byte{31 << 3}, frame(9)), PacketInfo{Samples: 960, FrameSamples: 960, CELT: true}},
		{"CELT 2.5 ms alone", join([]byte{16 << 3}, frame(9)), PacketInfo{}},
		{"CELT 2.5 ms, four", join([]byte{16<<3 | 3, 4}, frame(8)), PacketInfo{Samples: 480, FrameSamples: 120, CELT: true}},
		{"header only", []byte{13 << 3}, PacketInfo{Samples: 960, FrameSamples: 960, DTX: true}},
		{"two equal", join([]byte{13<<3 | 1}, frame(8)), PacketInfo{Samples: 1920, FrameSamples: 960}},
		{"two equal, odd bytes", join([]byte{13<<3 | 1}, frame(9)), PacketInfo{}},
		{"two", join([]byte{13<<3 | 2, 3}, frame(8)), PacketInfo{Samples: 1920, FrameSamples: 960}},
		{"two, the first too long", join([]byte{13<<3 | 2, 9}, frame(8)), PacketInfo{}},
		{"two, length cut off", []byte{13<<3 | 2, 252}, PacketInfo{}},
		{"two, length of two bytes", join([]byte{13<<3 | 2, 252, 1}, frame(260)), PacketInfo{Samples: 1920, FrameSamples: 960}},
		{"none at all", join([]byte{13<<3 | 3, 0}, frame(3)), PacketInfo{}},
		{"three, VBR", join([]byte{13<<3 | 3, 0x83, 1, 2}, frame(6)), PacketInfo{Samples: 2880, FrameSamples: 960}},
		{"three, VBR, too few bytes", join([]byte{13<<3 | 3, 0x83, 4, 4}, frame(6)), PacketInfo{}},
		{"three, padded", join([]byte{13<<3 | 3, 0x43, 2}, frame(6), []byte{0, 0}), PacketInfo{Samples: 2880, FrameSamples: 960}},
		{"padded by more than 254", join([]byte{13<<3 | 3, 0x43, 255, 1}, frame(6), make([]byte, 255)), PacketInfo{Samples: 2880, FrameSamples: 960}},
		{"padding longer than the packet", join([]byte{13<<3 | 3, 0x43, 200}, frame(6)), PacketInfo{}},
		{"80 ms", join([]byte{13<<3 | 3, 4}, frame(8)), PacketInfo{}},
		{"a frame over 1275 bytes", join([]byte{13 << 3}, frame(1276)), PacketInfo{}},
		{"empty", nil, PacketInfo{}},
	} {
		got, err := ParsePacket(c.payload)
		if c.want == (PacketInfo{}) {
			if !errors.Is(err, ErrPacket) {
				t.Errorf("%s: got %+v, %v, want it refused", c.name, got, err)
			}
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, d)
		}
	}
}

// FuzzPayload takes any bytes from the network through parser, jitter buffer
// and decoder. The decoder's buffer is guarded: libopus must not write beyond
// what the header promised.
func FuzzPayload(f *testing.F) {
	enc, err := NewEncoder(0)
	if err != nil {
		f.Fatal(err)
	}
	buf := make([]byte, MaxPayload)
	for _, n := range []int{480, 960, 2880} {
		size, err := enc.Encode(make([]int16, n), buf)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(buf[:size]), uint16(n), uint32(n))
	}
	f.Add([]byte{13<<3 | 3, 0x83, 1, 2, 0, 0, 0}, uint16(65535), uint32(1<<32-1))
	dec, err := NewDecoder()
	if err != nil {
		f.Fatal(err)
	}
	rx, err := NewReceiver()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte, seq uint16, ts uint32) {
		var pcm [maxPacketSamples + 960]int16
		guard := pcm[maxPacketSamples:]
		for i := range guard {
			guard[i] = 12345
		}
		info, parseErr := ParsePacket(payload)
		n, err := dec.Decode(payload, pcm[:maxPacketSamples])
		if parseErr != nil && err == nil {
			t.Fatalf("refused by the parser (%v), decoded to %d", parseErr, n)
		}
		if err == nil && n != info.Samples {
			t.Fatalf("%d samples, parser says %d", n, info.Samples)
		}
		_ = dec.DecodeFEC(payload, pcm[maxPacketSamples-480:maxPacketSamples])
		for i, v := range guard {
			if v != 12345 {
				t.Fatalf("sample %d after the end was overwritten", i)
			}
		}
		var out [TickSamples]int16
		for i := range uint16(4) {
			_ = rx.ReceiveFrame(seq+i, ts+uint32(i)*uint32(info.Samples), payload)
			if _, err := rx.Pull(out[:]); err != nil {
				t.Fatal(err)
			}
		}
	})
}
