package sim

import (
	"math"
	"sync"
)

const (
	toneAmplitude  = 8192 // -12 dBFS
	noiseAmplitude = 2    // about -87 dBFS: a quiet room through a good microphone
)

// mic is what the card's microphone hears.
type mic struct {
	mu    sync.Mutex
	rate  float64
	hz    float64 // of the tone; 0: silence
	phase float64 // of the tone, in turns
	noise uint32  // state of xorshift32

	clip   []int16 // what mic_play still has to give
	clipAt int     // the period in which it begins
	next   int     // the period that comes next

	level meter
}

func (m *mic) init(rate int) {
	m.rate = float64(rate)
	m.noise = 0x9E3779B9 // any but 0
	m.level.window = rate / 10
}

// begin starts the count of periods anew, and forgets a clip.
func (m *mic) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clip, m.next = nil, 0
	m.level.reset()
}

func (m *mic) tone(hz float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hz = hz
}

// play takes a clip that begins with the given period, or with the next one
// that is not recorded yet, and returns which.
func (m *mic) play(clip []int16, period int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clip, m.clipAt = clip, max(period, m.next)
	return m.clipAt
}

// record fills dst with the given period.
func (m *mic) record(period int, dst []int16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = period + 1
	n := 0
	if len(m.clip) > 0 && period >= m.clipAt {
		n = copy(dst, m.clip)
		m.clip = m.clip[n:]
	}
	if m.hz > 0 {
		m.addTone(dst[n:])
	} else {
		m.addNoise(dst[n:])
	}
	m.level.add(dst)
}

func (m *mic) addTone(dst []int16) {
	step := m.hz / m.rate
	for i := range dst {
		dst[i] = int16(math.Round(toneAmplitude * math.Sin(2*math.Pi*m.phase)))
		m.phase += step
		m.phase -= math.Floor(m.phase)
	}
}

func (m *mic) addNoise(dst []int16) {
	for i := range dst {
		m.noise ^= m.noise << 13
		m.noise ^= m.noise >> 17
		m.noise ^= m.noise << 5
		dst[i] = int16(m.noise%(2*noiseAmplitude+1)) - noiseAmplitude
	}
}

func (m *mic) dbfs() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.level.dbfs
}
