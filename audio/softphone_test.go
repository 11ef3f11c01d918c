package audio

import (
	"encoding/binary"
	"flag"
	"math"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the tone of examples/softphone anew")

// TestSoftphoneTone: the file that examples/softphone says is a second of a
// clean 440 Hz, and goes on as one when it begins again.
func TestSoftphoneTone(t *testing.T) {
	const path, frame, hz = "../examples/softphone/tone.opus", 960, 440
	if *update {
		enc, err := NewEncoder(24000)
		if err != nil {
			t.Fatal(err)
		}
		var file []byte
		pcm, buf := make([]int16, frame), make([]byte, 1024)
		for n := range 100 { // the second second, when the encoder has settled
			for i := range pcm {
				pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(n*frame+i)/SampleRate))
			}
			size, err := enc.Encode(pcm, buf)
			if err != nil {
				t.Fatal(err)
			}
			if n >= 50 {
				file = append(binary.BigEndian.AppendUint16(file, uint16(size)), buf[:size]...)
			}
		}
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	pcm := make([]int16, 5760)
	for range 2 {
		for rest := file; len(rest) > 0; {
			size := int(binary.BigEndian.Uint16(rest))
			n, err := dec.Decode(rest[2:2+size], pcm)
			if err != nil || n != frame {
				t.Fatalf("a packet of %d samples, %v", n, err)
			}
			for _, s := range pcm[:n] {
				all = append(all, float64(s))
			}
			rest = rest[2+size:]
		}
	}
	if len(all) != 2*SampleRate {
		t.Fatalf("%d samples, want 2 s", len(all))
	}
	// The share of 440 Hz in each 100 ms after the first (Goertzel's sums).
	const win = SampleRate / 10
	for w := 1; w < len(all)/win; w++ {
		var re, im, power float64
		for i, s := range all[w*win : (w+1)*win] {
			re += s * math.Cos(2*math.Pi*hz*float64(i)/SampleRate)
			im += s * math.Sin(2*math.Pi*hz*float64(i)/SampleRate)
			power += s * s
		}
		if share := 2 * (re*re + im*im) / win / power; share < 0.9 {
			t.Errorf("window %d: %.0f %% of it is the tone", w, 100*share)
		}
	}
}
