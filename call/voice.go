package call

import (
	"sync/atomic"
	"time"
)

// The voice's way through a call. None of what is called for each frame takes
// the Kit's lock or allocates.

// SetVoice says who gets the peer's voice. Call it before OnConnected.
func (c *Call) SetVoice(v Voice) { c.voice.Store(&v) }

func (c *Call) frame(seq uint16, timestamp uint32, payload []byte) {
	if v := c.voice.Load(); v != nil && *v != nil {
		(*v).ReceiveFrame(seq, timestamp, payload)
	}
}

// WriteFrame sends one Opus payload of the given length in samples at 48 kHz.
// False: dropped, since the gate is closed or there is no path.
func (c *Call) WriteFrame(payload []byte, samples uint32) bool {
	c.captured.Store(int64(c.kit.cfg.Now()))
	s := c.chosen.Load()
	return s != nil && (*s).WriteFrame(payload, samples)
}

// ReportLevel takes the level (0-100) of each captured frame.
func (c *Call) ReportLevel(level int) { c.mine.add(level) }

// ReportPeerLevel takes the level (0-100) of each played frame of the peer.
func (c *Call) ReportPeerLevel(level int) { c.theirs.add(level) }

// meter averages levels between two readings: count in the high half, sum in
// the low.
type meter struct {
	v    atomic.Uint64
	last atomic.Int64
}

func (m *meter) add(level int) { m.v.Add(1<<32 | uint64(min(max(level, 0), 100))) }

// read gives the average since the last reading; ok is false where nothing
// came or nothing changed.
func (m *meter) read() (level int, ok bool) {
	v := m.v.Swap(0)
	n := v >> 32
	if n == 0 {
		return 0, false
	}
	level = int((v & (1<<32 - 1)) / n)
	return level, m.last.Swap(int64(level)+1) != int64(level)+1
}

const levelInterval = 200 * time.Millisecond

// SetLevelInterval sets how often OnAudioDescriptionUpdate and
// OnPeerAudioDescription may come: 200 ms (which it is at first) or more.
// False: less.
func (m MyMediaStatus) SetLevelInterval(d time.Duration) bool {
	if d < levelInterval {
		return false
	}
	m.c.levelEvery.Store(int64(d))
	return true
}

// startLevels reports the levels while the call is connected. kit.mu is held.
func (c *Call) startLevels() {
	tick := func() {
		c.kit.mu.Lock()
		defer c.kit.mu.Unlock()
		if c.levels == nil {
			return
		}
		if l, ok := c.mine.read(); ok {
			c.kit.tell(c, notice{kind: noticeLevel, level: l})
		}
		if l, ok := c.theirs.read(); ok {
			c.kit.tell(c, notice{kind: noticePeerLevel, level: l})
		}
		if c.levels != nil {
			c.levels.Reset(time.Duration(c.levelEvery.Load()))
		}
	}
	c.levels = time.AfterFunc(time.Duration(c.levelEvery.Load()), tick)
}

// Statistics are what is known of a call's voice.
type Statistics struct {
	MediaStats
	Playout    PlayoutStats `json:"playout"`
	AudioGated bool         `json:"audio_gated"` // NotifyAudioActivation is awaited
}

// Statistics are the call's up to now, or up to its end.
func (c *Call) Statistics() Statistics {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	st := Statistics{MediaStats: c.last, AudioGated: !c.s.activated}
	if s := c.sessions[c.s.chosen]; s != nil {
		st.MediaStats = s.Stats()
	}
	st.Playout = c.playout
	if v := c.voice.Load(); v != nil && *v != nil {
		st.Playout = (*v).PlayoutStats()
	}
	return st
}

func (c *Call) stats(s Session) {
	if c.sessions[c.s.chosen] == s {
		c.last = s.Stats()
	}
}
