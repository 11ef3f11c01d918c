package sim

import (
	"math"
	"sync"
	"time"
)

// keep is how much of what was played the speaker remembers.
const keep = 5 * time.Second

// speaker remembers what the card's speaker played since the last Start.
type speaker struct {
	mu      sync.Mutex
	card    *Card
	samples []int16  // a ring of periods
	periods []played // their times
	count   int      // periods ever begun; the last of them is still being played
	level   meter
}

// played tells the times of one period's first sample.
type played struct {
	entered time.Duration // into the playback ring
	left    time.Duration // the speaker
}

func (s *speaker) init(c *Card) {
	s.card = c
	n := int(keep/c.length) + 2 // one in part, one still being played
	s.samples = make([]int16, n*c.period)
	s.periods = make([]played, n)
	s.level.window = c.rate / 10
}

func (s *speaker) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = 0
	s.level.reset()
}

// next returns the place of the period that begins now; s.mu is held.
func (s *speaker) next() ([]int16, *played) {
	s.count++
	return s.period(s.count - 1)
}

// period returns a remembered period; s.mu is held.
func (s *speaker) period(i int) ([]int16, *played) {
	at := i % len(s.periods)
	return s.samples[at*s.card.period:][:s.card.period], &s.periods[at]
}

// oldest returns the first period that is still remembered; s.mu is held.
func (s *speaker) oldest() int { return max(0, s.count-len(s.periods)) }

// last returns up to n of the samples that were played last and when the first
// of them left the speaker.
func (s *speaker) last(n int) (pcm []int16, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := s.card.period
	end := max(0, s.count-1) * size
	from := max(s.oldest()*size, end-n)
	for from+len(pcm) < end {
		i := from + len(pcm)
		p, info := s.period(i / size)
		if len(pcm) == 0 {
			at = info.left + s.card.offset(i%size)
		}
		pcm = append(pcm, p[i%size:]...)
	}
	return pcm, at
}

// mark finds the first sample louder than threshold that came into the ring
// after since, among those that have been played.
func (s *speaker) mark(since time.Duration, threshold int) (m Mark, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.oldest(); i < s.count-1; i++ {
		p, info := s.period(i)
		if info.entered <= since {
			continue
		}
		for j, v := range p {
			if int(v) > threshold || int(v) < -threshold {
				return Mark{Entered: info.entered, Left: info.left + s.card.offset(j)}, true
			}
		}
	}
	return Mark{}, false
}

func (s *speaker) dbfs() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.level.dbfs
}

// silentDBFS is the level of digital silence, and the least that is reported:
// half a step of 16 bit.
const silentDBFS = -96

// meter measures the level of a stream, window by window.
type meter struct {
	window int // samples
	dbfs   float64

	sum float64
	n   int
}

func (m *meter) reset() { m.sum, m.n, m.dbfs = 0, 0, silentDBFS }

func (m *meter) add(p []int16) {
	for _, v := range p {
		m.sum += float64(v) * float64(v)
	}
	m.n += len(p)
	if m.n < m.window {
		return
	}
	const full = 1 << 15
	m.dbfs = max(silentDBFS, 10*math.Log10(m.sum/float64(m.n)/(full*full)))
	m.sum, m.n = 0, 0
}
