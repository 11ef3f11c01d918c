package main

import (
	_ "embed"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"intercom/call"
)

// tone is a second of 440 Hz, as 50 Opus packets of 20 ms, each after its
// length in two bytes (big-endian). It is what this phone says: it has no
// microphone, no speaker and no codec, so it needs no C library.
//
//go:embed tone.opus
var tone []byte

const (
	frame        = 20 * time.Millisecond
	frameSamples = 960 // at 48 kHz
)

// voice says the tone, and counts what it hears.
type voice struct {
	packets [][]byte
	heard   atomic.Uint64 // frames
	quit    chan struct{}
	once    sync.Once
	talking sync.WaitGroup
}

func newVoice() *voice {
	v := &voice{quit: make(chan struct{})}
	for rest := tone; len(rest) >= 2; {
		n := int(binary.BigEndian.Uint16(rest))
		v.packets = append(v.packets, rest[2:2+n])
		rest = rest[2+n:]
	}
	return v
}

// speak says the tone until stop. While the call is muted or held, its gate
// drops the frames.
func (v *voice) speak(c *call.Call) {
	v.talking.Go(func() {
		tick := time.NewTicker(frame)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				c.WriteFrame(v.packets[i%len(v.packets)], frameSamples)
			case <-v.quit:
				return
			}
		}
	})
}

func (v *voice) stop() {
	v.once.Do(func() { close(v.quit) })
	v.talking.Wait()
}

// ReceiveFrame implements call.Voice: a real phone decodes and plays it.
func (v *voice) ReceiveFrame(uint16, uint32, []byte) { v.heard.Add(1) }

// PlayoutStats implements call.Voice.
func (v *voice) PlayoutStats() call.PlayoutStats { return call.PlayoutStats{} }
