package audio

import (
	"math"
	"testing"

	"intercom/audio/audiotest"
)

// codecFrames encodes pcm frame by frame.
func codecFrames(t testing.TB, pcm []int16, samples, bitrate int) (payloads [][]byte) {
	t.Helper()
	enc, err := NewEncoder(bitrate)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(pcm) >= samples; pcm = pcm[samples:] {
		buf := make([]byte, MaxPayload)
		n, err := enc.Encode(pcm[:samples], buf)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, buf[:n])
	}
	return payloads
}

// voiced is a signal with the build of a vowel: harmonics of a gliding pitch
// under two formants, in syllables. It makes Opus choose its speech modes.
func voiced(n int) []int16 {
	const harmonics = 25
	out := make([]int16, n)
	var gains [harmonics + 1]float64
	var phase, pitch float64
	for i := range out {
		t := float64(i) / SampleRate
		if i%TickSamples == 0 {
			pitch = 130 + 25*math.Sin(2*math.Pi*1.7*t)
			for h := range gains {
				f := float64(h) * pitch
				gains[h] = math.Exp(-math.Pow((f-600)/250, 2)) + 0.5*math.Exp(-math.Pow((f-1700)/300, 2)) + 0.03
			}
		}
		phase += 2 * math.Pi * pitch / SampleRate
		// sin(h x) by its recurrence: far cheaper than 25 sines.
		s, last, twice, v := math.Sin(phase), 0.0, 2*math.Cos(phase), 0.0
		for h := 1; h <= harmonics; h++ {
			v += gains[h] * s
			s, last = twice*s-last, s
		}
		out[i] = int16(2500 * v * (0.5 - 0.5*math.Cos(2*math.Pi*3*t)))
	}
	return out
}

// TestCodec: a tone survives, at its level, with little beside it.
func TestCodec(t *testing.T) {
	for _, samples := range []int{480, 960, 1920, 2880} {
		dec, err := NewDecoder()
		if err != nil {
			t.Fatal(err)
		}
		var out []int16
		frame := make([]int16, maxPacketSamples)
		for _, p := range codecFrames(t, audiotest.Sine(1000, -10, 48000), samples, 0) {
			n, err := dec.Decode(p, frame)
			if err != nil || n != samples {
				t.Fatalf("decode: %d samples, %v", n, err)
			}
			out = append(out, frame[:n]...)
		}
		steady := out[14400:38400]
		tone, all := audiotest.Goertzel(steady, 1000), audiotest.RMS(steady)
		rest := math.Pow(10, all/10) - math.Pow(10, tone/10)
		if snr := tone - 10*math.Log10(max(rest, 1e-12)); math.Abs(tone+10) > 0.5 || snr < 20 {
			t.Errorf("%d samples: tone %.2f dBFS, want -10; %.1f dB above the rest, want 20", samples, tone, snr)
		}
	}
}

// TestFECIsThere: the settings are such that libopus really writes the copy.
func TestFECIsThere(t *testing.T) {
	for _, samples := range []int{480, 960} {
		for _, bitrate := range []int{MinBitrate, 32000, DefaultBitrate} {
			fec, bytes := 0, 0
			payloads := codecFrames(t, voiced(96000), samples, bitrate)
			for _, p := range payloads {
				info, err := ParsePacket(p)
				if err != nil {
					t.Fatal(err)
				}
				if info.FEC {
					fec++
				}
				bytes += len(p)
			}
			share := float64(fec) / float64(len(payloads))
			t.Logf("%d samples, %d bit/s: FEC in %.0f %%, %d bit/s", samples, bitrate, 100*share, bytes*8/2)
			if share < 0.5 {
				t.Errorf("%d samples, %d bit/s: FEC in %.0f %% of the payloads", samples, bitrate, 100*share)
			}
		}
	}
}

// TestFECBeatsConcealment: with every fifth packet lost, FEC brings the lost
// frames much closer to the original than concealment does.
func TestFECBeatsConcealment(t *testing.T) {
	for _, samples := range []int{480, 960} {
		payloads := codecFrames(t, voiced(96000), samples, 0)
		var clean, errPLC, errFEC float64
		whole, withPLC, withFEC := newDecoder(t), newDecoder(t), newDecoder(t)
		a, b, c := make([]int16, samples), make([]int16, samples), make([]int16, samples)
		for i, p := range payloads[:len(payloads)-1] {
			check(t, decodeTo(whole, p, a))
			if i%5 != 4 || i < 20 {
				check(t, decodeTo(withPLC, p, b))
				check(t, decodeTo(withFEC, p, c))
				continue
			}
			check(t, withPLC.Conceal(b))
			check(t, withFEC.DecodeFEC(payloads[i+1], c))
			for k := range a {
				clean += sq(float64(a[k]))
				errPLC += sq(float64(a[k]) - float64(b[k]))
				errFEC += sq(float64(a[k]) - float64(c[k]))
			}
		}
		plc, fec := 10*math.Log10(clean/errPLC), 10*math.Log10(clean/errFEC)
		t.Logf("%d samples: lost frames at %.1f dB by concealment, %.1f dB by FEC", samples, plc, fec)
		if fec < plc+3 {
			t.Errorf("%d samples: %.1f dB by concealment, %.1f dB by FEC: want 3 dB more", samples, plc, fec)
		}
	}
}

func sq(x float64) float64 { return x * x }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDecoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := NewDecoder()
	check(t, err)
	return d
}

func decodeTo(d *Decoder, p []byte, dst []int16) error {
	_, err := d.Decode(p, dst)
	return err
}

// TestDecoderKeepsToLength: the binding writes up to the capacity; we do not.
func TestDecoderKeepsToLength(t *testing.T) {
	d := newDecoder(t)
	p := codecFrames(t, voiced(9600), 960, 0)
	ring := make([]int16, 48000)
	for i := range ring {
		ring[i] = 7
	}
	for _, payload := range p {
		check(t, decodeTo(d, payload, ring[:960]))
	}
	check(t, d.Conceal(ring[:480]))
	check(t, d.DecodeFEC(p[3], ring[:960]))
	for i, v := range ring[960:] {
		if v != 7 {
			t.Fatalf("sample %d was overwritten", 960+i)
		}
	}
	for name, err := range map[string]error{
		"short dst":     decodeTo(d, p[0], ring[:480]),
		"empty payload": decodeTo(d, nil, ring),
		"conceal 0":     d.Conceal(nil),
		"conceal 100":   d.Conceal(ring[:100]),
		"FEC of 481":    d.DecodeFEC(p[0], ring[:481]),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEncoderRefuses(t *testing.T) {
	for _, bitrate := range []int{-1, MinBitrate - 1, MaxBitrate + 1} {
		if _, err := NewEncoder(bitrate); err == nil {
			t.Errorf("bitrate %d: taken", bitrate)
		}
	}
	e, err := NewEncoder(0)
	check(t, err)
	for _, n := range []int{0, 479, 240, 4800} {
		if _, err := e.Encode(make([]int16, n), make([]byte, MaxPayload)); err == nil {
			t.Errorf("%d samples: taken", n)
		}
	}
}
