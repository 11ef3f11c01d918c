package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const sampleRate = 48000 // Hz; all sound of the world is mono, 16 bit

// air is what is around a station's microphone and loudspeaker: the other ends of the cables of its card. It
// records the loudspeaker all the time, and plays silence into the microphone when it has nothing else.
type air struct {
	card  string
	mouth *pcm // into the microphone
	ear   *pcm // from the loudspeaker

	mu      sync.Mutex    // guards the rest
	began   time.Duration // of the recording's first sample
	heard   []int16
	queue   []int16       // to be played next
	spokeAt time.Duration // when the first sample of the queue reached the microphone
	asked   bool          // and that is still to come
	loop    bool          // the microphone hears the loudspeaker
	err     error
	stop    chan struct{}
	running sync.WaitGroup
}

// micConfig has a short buffer, so that what is spoken is in the microphone soon.
var micConfig = pcmConfig{rate: sampleRate, channels: 1, period: 480, periods: 3}

// openAir takes device 1 of a card: the stations have device 0.
func openAir(card string) (*air, error) {
	mouth, err := openPCM(card, 1, false, micConfig)
	if err != nil {
		return nil, err
	}
	ear, err := openPCM(card, 1, true, airConfig)
	if err != nil {
		mouth.close()
		return nil, err
	}
	a := &air{card: card, mouth: mouth, ear: ear, stop: make(chan struct{}), heard: make([]int16, 0, 3*60*sampleRate)}
	a.running.Go(a.speak)
	a.running.Go(a.listen)
	return a, nil
}

func (a *air) speak() {
	if err := worldThread(); err != nil {
		a.fail(err)
		return
	}
	period := make([]int16, micConfig.period)
	for {
		begins, ok := a.next(period)
		if !ok {
			return
		}
		err := a.mouth.transferAll(period)
		if err == nil && begins {
			err = a.spoken(len(period))
		}
		if err != nil {
			a.fail(err)
			return
		}
	}
}

// next fills a period from the queue; begins tells that what was said last begins with it.
func (a *air) next(period []int16) (begins, ok bool) {
	select {
	case <-a.stop:
		return false, false
	default:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := copy(period, a.queue)
	clear(period[n:])
	a.queue = a.queue[n:]
	begins = a.asked && n > 0
	a.asked = a.asked && !begins
	return begins, true
}

// spoken notes when the frames just written reach the microphone: after all that was written before. The card's own
// word for that is of its latest tick, which is the one that let the write return.
func (a *air) spoken(frames int) error {
	ahead, err := a.mouth.delay()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spokeAt = monotonic() + duration(int(ahead)-frames)
	return err
}

func (a *air) listen() {
	if err := worldThread(); err != nil {
		a.fail(err)
		return
	}
	period := make([]int16, airConfig.period)
	for {
		select {
		case <-a.stop:
			return
		default:
		}
		if err := a.ear.transferAll(period); err != nil {
			a.fail(err)
			return
		}
		if len(a.heard) == 0 {
			behind, err := a.ear.delay()
			if err != nil {
				a.fail(err)
				return
			}
			a.began = monotonic() - duration(int(behind)+len(period))
		}
		a.mu.Lock()
		a.heard = append(a.heard, period...)
		if a.loop {
			a.queue = append(a.queue, period...)
		}
		a.mu.Unlock()
	}
}

func (a *air) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

// say plays sound into the microphone after what is still to be played.
func (a *air) say(sound []int16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, sound...)
	a.asked = true
}

// echo lets the microphone hear the loudspeaker, or no longer.
func (a *air) echo(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.loop = on
}

// said returns when the sound of the latest say began.
func (a *air) said() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.spokeAt
}

// held is what the buffer of the station's loudspeaker holds, by the kernel's word.
func (a *air) held() (time.Duration, error) {
	path := "/proc/asound/" + a.card + "/pcm0p/sub0/status"
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var at [2]int
	for i, name := range []string{"appl_ptr", "hw_ptr"} {
		_, rest, _ := strings.Cut(string(text), name)
		if _, err := fmt.Sscanf(rest, " : %d", &at[i]); err != nil {
			return 0, fmt.Errorf("%s: %s: %w: %q", path, name, err, text)
		}
	}
	return duration(at[0] - at[1]), nil
}

// close ends both streams.
func (a *air) close() error {
	close(a.stop)
	a.running.Wait()
	a.mouth.close()
	a.ear.close()
	return a.err
}

func duration(frames int) time.Duration { return time.Duration(frames) * time.Second / sampleRate }

// monotonic is the clock of the stations' stages.
func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // only a wrong clock or address makes it fail
	}
	return time.Duration(t.Nano())
}

// wav is a WAV file of 48 kHz, mono, 16 bit.
func wav(pcm []int16) []byte {
	var b bytes.Buffer
	size := uint32(len(pcm) * 2)
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, 36+size)
	b.WriteString("WAVEfmt ")
	binary.Write(&b, binary.LittleEndian, struct {
		size             uint32
		format, channels uint16
		rate, byteRate   uint32
		align, bits      uint16
	}{16, 1, 1, sampleRate, 2 * sampleRate, 2, 16})
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, size)
	binary.Write(&b, binary.LittleEndian, pcm)
	return b.Bytes()
}
