// Package audio is the sound path of a call: Opus, jitter buffer, levels,
// gain, tones, recorded messages, and the Engine that joins them.
//
// It owns no device, no goroutine and no clock. The owner of the devices steps
// it one period at a time, so a test steps it by hand, and an hour of a call
// is simulated in a second. It does not know RTP, only the three things of an
// RTP packet that matter to playout: sequence number, timestamp and payload.
//
// Everywhere: 48 kHz, mono, signed 16 bit. One tick is 10 ms (480 samples).
//
//	microphone period                                    network
//	  └▶ Engine.Capture ─ mute ramp ─ Meter ─ re-block ─ Encoder ─▶ send(payload, samples)
//	                    ^ echo canceller's place
//	network                                              loudspeaker period
//	  └▶ Receiver.ReceiveFrame ─▶ JitterBuffer ─ Decoder ─ Receiver.Pull ─┐
//	     ToneSource, ClipSource (ring, ringback, messages) ── Gain ───────┴ Mix ─▶ Engine.Playback
//
// Who may call what:
//
//	goroutine          methods
//	engine (one)       Engine.Capture, Engine.Playback, Receiver.Pull
//	network (any)      Receiver.ReceiveFrame, JitterBuffer.Push
//	control (any)      Engine.SetMute, SetTransmit, SetVoice, SetVolume, Play, Stop;
//	                   Receiver.Reset, Stats
//
// Capture and Playback may also run in two goroutines: they share nothing but
// atomics. All other types belong to one goroutine at a time. Nothing on the
// path allocates once built, and nothing on it waits, except for a mutex held
// for the copy of one payload.
package audio

import "time"

const (
	// SampleRate is the rate of every sample in this package, in Hz. It is
	// also the RTP clock rate of Opus (RFC 7587 section 4.1).
	SampleRate = 48000
	// TickSamples is one step of the playout side: 10 ms.
	TickSamples = 480
	// MaxPayload is the longest payload that is taken from the network, in
	// bytes: what fits an Ethernet frame.
	MaxPayload = 1500
)

// samplesIn converts a duration to samples, rounding down.
func samplesIn(d time.Duration) int {
	return int(d * SampleRate / time.Second)
}

// msOf converts samples to milliseconds.
func msOf(samples float64) float64 { return samples * 1000 / SampleRate }
