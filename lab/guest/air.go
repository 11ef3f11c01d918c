package main

import (
	"bytes"
	"encoding/binary"
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
	for a.next(period) {
		if err := a.mouth.transferAll(period); err != nil {
			a.fail(err)
			return
		}
	}
}

// next fills a period from the queue. What is written now is in the microphone when all that is written before
// has been taken: the buffer is full then, as the write before had to wait.
func (a *air) next(period []int16) bool {
	select {
	case <-a.stop:
		return false
	default:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := copy(period, a.queue)
	clear(period[n:])
	a.queue = a.queue[n:]
	if a.asked && n > 0 {
		delay := time.Duration(micConfig.period*(micConfig.periods-1)) * time.Second / sampleRate
		a.spokeAt, a.asked = monotonic()+delay, false
	}
	return true
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
		a.mu.Lock()
		if len(a.heard) == 0 {
			a.began = monotonic() - duration(len(period))
		}
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
