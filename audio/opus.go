package audio

import (
	"fmt"

	"github.com/hraban/opus"
)

// Settings of the encoder. Loss and FEC figures were measured with libopus
// 1.3.1: with less than 10 % expected loss, or less than 24 kbit/s, it
// silently leaves the in-band FEC out.
const (
	// DefaultBitrate in bit/s. On a LAN, 48 kbit/s with FEC keeps bad speech
	// frames at 1.3 % under 10 % loss (6.3 % at 24 kbit/s).
	DefaultBitrate = 48000
	// MinBitrate and MaxBitrate in bit/s bound what a configuration may ask.
	MinBitrate, MaxBitrate = 24000, 128000
	// expectedLoss in percent: the least that makes libopus write FEC.
	expectedLoss = 10
	// complexity 0 to 10: half of the cost of 10, at a difference that
	// speech does not show.
	complexity = 5
)

// Encoder turns frames into Opus payloads. Not safe for concurrent use.
type Encoder struct {
	enc *opus.Encoder
}

// NewEncoder makes an encoder for voice: full band, in-band FEC on. bitrate
// is in bit/s; 0 means DefaultBitrate.
func NewEncoder(bitrate int) (*Encoder, error) {
	if bitrate == 0 {
		bitrate = DefaultBitrate
	}
	if bitrate < MinBitrate || bitrate > MaxBitrate {
		return nil, fmt.Errorf("audio: opus bitrate %d bit/s: want %d to %d", bitrate, MinBitrate, MaxBitrate)
	}
	enc, err := opus.NewEncoder(SampleRate, 1, opus.AppVoIP)
	if err != nil {
		return nil, fmt.Errorf("audio: make opus encoder: %w", err)
	}
	for _, set := range []struct {
		name string
		err  error
	}{
		{"bitrate", enc.SetBitrate(bitrate)},
		{"complexity", enc.SetComplexity(complexity)},
		{"bandwidth", enc.SetMaxBandwidth(opus.Fullband)},
		{"in-band FEC", enc.SetInBandFEC(true)},
		{"expected loss", enc.SetPacketLossPerc(expectedLoss)},
	} {
		if set.err != nil {
			return nil, fmt.Errorf("audio: set opus encoder's %s: %w", set.name, set.err)
		}
	}
	return &Encoder{enc: enc}, nil
}

// Encode writes the payload for pcm (480, 960, 1920 or 2880 samples) into dst
// and returns its length in bytes. MaxPayload bytes are always enough.
func (e *Encoder) Encode(pcm []int16, dst []byte) (int, error) {
	switch len(pcm) {
	case 480, 960, 1920, 2880:
	default:
		return 0, fmt.Errorf("audio: encode %d samples: want 480, 960, 1920 or 2880", len(pcm))
	}
	// The binding goes by capacity, not length: hence the full slices.
	n, err := e.enc.Encode(pcm[:len(pcm):len(pcm)], dst[:len(dst):len(dst)])
	if err != nil {
		return 0, fmt.Errorf("audio: encode %d samples: %w", len(pcm), err)
	}
	return n, nil
}

// Reset forgets all sound encoded so far, so that nothing of one call leaks
// into the next.
func (e *Encoder) Reset() error {
	if err := e.enc.Reset(); err != nil {
		return fmt.Errorf("audio: reset opus encoder: %w", err)
	}
	return nil
}

// Decoder turns Opus payloads into samples. Not safe for concurrent use. For
// a new stream make a new one.
type Decoder struct {
	dec *opus.Decoder
}

// NewDecoder makes a decoder to 48 kHz mono; a stereo payload is mixed down.
func NewDecoder() (*Decoder, error) {
	dec, err := opus.NewDecoder(SampleRate, 1)
	if err != nil {
		return nil, fmt.Errorf("audio: make opus decoder: %w", err)
	}
	return &Decoder{dec: dec}, nil
}

// Decode writes the sound of payload to dst and returns its length in
// samples. A payload that ParsePacket refuses never reaches libopus; a dst too
// short for it is an error.
func (d *Decoder) Decode(payload []byte, dst []int16) (int, error) {
	p, err := ParsePacket(payload)
	if err != nil {
		return 0, err
	}
	if len(dst) < p.Samples {
		return 0, fmt.Errorf("audio: decode %d samples into %d", p.Samples, len(dst))
	}
	n, err := d.dec.Decode(payload, dst[:p.Samples:p.Samples])
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrPacket, err)
	}
	if n != p.Samples {
		return 0, fmt.Errorf("%w: %d samples decoded, header says %d", ErrPacket, n, p.Samples)
	}
	return n, nil
}

// DecodeFEC fills dst with the sound just before next, from the copy that next
// carries. dst should be as long as one Opus frame of next; where next carries
// no copy, libopus conceals. len(dst) must be a multiple of 120.
func (d *Decoder) DecodeFEC(next []byte, dst []int16) error {
	if _, err := ParsePacket(next); err != nil {
		return err
	}
	if err := checkConcealed(dst); err != nil {
		return err
	}
	if err := d.dec.DecodeFEC(next, dst[:len(dst):len(dst)]); err != nil {
		return fmt.Errorf("%w: FEC: %w", ErrPacket, err)
	}
	return nil
}

// Conceal fills dst with a plausible continuation of what was decoded last; it
// has faded to silence after about 120 ms. len(dst) must be a multiple of 120.
func (d *Decoder) Conceal(dst []int16) error {
	if err := checkConcealed(dst); err != nil {
		return err
	}
	if err := d.dec.DecodePLC(dst[:len(dst):len(dst)]); err != nil {
		return fmt.Errorf("audio: conceal: %w", err)
	}
	return nil
}

// concealUnit in samples: libopus conceals in steps of 2.5 ms.
const concealUnit = 120

func checkConcealed(dst []int16) error {
	if len(dst) == 0 || len(dst)%concealUnit != 0 || len(dst) > maxPacketSamples {
		return fmt.Errorf("audio: conceal %d samples: want a multiple of %d up to %d", len(dst), concealUnit, maxPacketSamples)
	}
	return nil
}
