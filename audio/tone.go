package audio

import (
	"math"
	"time"
)

// Source makes sound step by step. Next fills dst entirely, with zeros after
// the end, and tells whether more is to come after it. One goroutine.
type Source interface {
	Next(dst []int16) (more bool)
}

// Tone is a signal as data.
type Tone struct {
	Segments []Segment
	Repeat   bool    // begin again after the last segment, for ever
	Level    float64 // level of each sine in dBFS, peak against full scale; at most 0
}

// Segment is a chord of at most maxFreqs sines for On, then silence for Off.
type Segment struct {
	Freqs []float64 // Hz
	On    time.Duration
	Off   time.Duration
}

const (
	// maxFreqs keeps a ToneSource of fixed size.
	maxFreqs = 3
	// toneRamp at both ends of each segment keeps it from clicking.
	toneRamp = 4 * time.Millisecond
	// cadenceFreq in Hz, and the cadences below, are those of European
	// networks (ETSI TR 101 041-2; ITU-T E.180 supplement 2).
	cadenceFreq = 425
)

// Ring is the indoor ringer: a falling third, twice, then a pause. It sounds
// from its first sample on.
func Ring() Tone {
	high, low := []float64{880, 1320}, []float64{698.5, 1047.7}
	return Tone{Repeat: true, Level: -9, Segments: []Segment{
		{high, 350 * time.Millisecond, 0},
		{low, 350 * time.Millisecond, 100 * time.Millisecond},
		{high, 350 * time.Millisecond, 0},
		{low, 350 * time.Millisecond, 1500 * time.Millisecond},
	}}
}

// Ringback tells the visitor that it rings: 1 s on, 4 s off.
func Ringback() Tone { return cadence(-12, true, time.Second, 4*time.Second) }

// Busy is 0.5 s on, 0.5 s off.
func Busy() Tone { return cadence(-12, true, 500*time.Millisecond, 500*time.Millisecond) }

// Ended says that the other side ended: three short ones.
func Ended() Tone {
	t := cadence(-14, false, 150*time.Millisecond, 150*time.Millisecond)
	t.Segments = append(t.Segments, t.Segments[0], t.Segments[0])
	return t
}

// Unreachable is the special information tone (ITU-T E.180 section 7): three
// rising notes of 330 ms, once.
func Unreachable() Tone {
	const on = 330 * time.Millisecond
	return Tone{Level: -14, Segments: []Segment{
		{[]float64{950}, on, 0}, {[]float64{1400}, on, 0}, {[]float64{1800}, on, 0},
	}}
}

// Opened says that the door is open: two rising notes.
func Opened() Tone {
	return Tone{Level: -12, Segments: []Segment{
		{[]float64{784}, 120 * time.Millisecond, 30 * time.Millisecond},
		{[]float64{1175}, 250 * time.Millisecond, 0},
	}}
}

// CallWaiting tells a talker softly that another call waits: two short ones
// each 10 s.
func CallWaiting() Tone {
	t := cadence(-24, true, 200*time.Millisecond, 200*time.Millisecond)
	t.Segments = append(t.Segments, Segment{[]float64{cadenceFreq}, 200 * time.Millisecond, 9400 * time.Millisecond})
	return t
}

func cadence(level float64, repeat bool, on, off time.Duration) Tone {
	return Tone{Level: level, Repeat: repeat, Segments: []Segment{{[]float64{cadenceFreq}, on, off}}}
}

// ToneSource plays a Tone.
type ToneSource struct {
	tone    Tone
	amp     float64
	segment int
	pos     int // samples into the segment
	on, all int // lengths of the segment, samples
	phase   [maxFreqs]float64
	step    [maxFreqs]float64 // radians per sample
	freqs   int
	done    bool
}

// NewToneSource starts t at its beginning. A Tone that makes no sound (no
// segment, none of any length) ends at once.
func NewToneSource(t Tone) *ToneSource {
	s := &ToneSource{tone: t, amp: math.MaxInt16 * math.Pow(10, math.Min(t.Level, 0)/20)}
	total := 0
	for _, g := range t.Segments {
		total += samplesIn(g.On) + samplesIn(g.Off)
	}
	if s.done = total == 0; !s.done {
		s.enter(0)
	}
	return s
}

// enter begins a segment. Its sines start at their crest, under the ramp, so
// that the first sample already sounds.
func (s *ToneSource) enter(i int) {
	g := s.tone.Segments[i]
	s.segment, s.pos = i, 0
	s.on = samplesIn(g.On)
	s.all = s.on + samplesIn(g.Off)
	s.freqs = min(len(g.Freqs), maxFreqs)
	for k, f := range g.Freqs[:s.freqs] {
		s.phase[k], s.step[k] = math.Pi/2, 2*math.Pi*f/SampleRate
	}
}

// Next implements Source.
func (s *ToneSource) Next(dst []int16) (more bool) {
	for len(dst) > 0 && !s.done {
		switch {
		case s.pos < s.on:
			n := min(len(dst), s.on-s.pos)
			s.sound(dst[:n])
			dst = dst[n:]
			s.pos += n
		case s.pos < s.all:
			n := min(len(dst), s.all-s.pos)
			clear(dst[:n])
			dst = dst[n:]
			s.pos += n
		}
		s.advance()
	}
	clear(dst)
	return !s.done
}

// advance leaves a finished segment.
func (s *ToneSource) advance() {
	for !s.done && s.pos >= s.all {
		if s.segment+1 < len(s.tone.Segments) {
			s.enter(s.segment + 1)
		} else if s.tone.Repeat {
			s.enter(0)
		} else {
			s.done = true
		}
	}
}

func (s *ToneSource) sound(dst []int16) {
	ramp := float64(samplesIn(toneRamp))
	for i := range dst {
		at := float64(s.pos+i) + 0.5
		gain := s.amp * min(1, at/ramp, (float64(s.on)-at)/ramp)
		var v float64
		for k := range s.freqs {
			v += math.Sin(s.phase[k])
			if s.phase[k] += s.step[k]; s.phase[k] > 2*math.Pi {
				s.phase[k] -= 2 * math.Pi
			}
		}
		dst[i] = int16(max(math.MinInt16, min(math.MaxInt16, v*gain)))
	}
}
