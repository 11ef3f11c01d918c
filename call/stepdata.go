package call

import (
	"slices"
	"time"
)

// Short data: a few bytes from one application to the other, one a second,
// repeated until the other side acknowledged it or for shortDataFor.

const (
	shortDataInterval = 500 * time.Millisecond // between copies
	shortDataTries    = 8
	shortDataRate     = time.Second
	shortDataFor      = shortDataTries * shortDataInterval
)

// shortSent is one that has yet to be acknowledged.
type shortSent struct {
	ShortDataBody
	tries int
}

// window says which numbers have been seen of late.
type window struct {
	max  int64
	seen uint64 // bit i: max-i
}

// add reports whether n is new; what is older than the window is not.
func (w *window) add(n int64) bool {
	if d := n - w.max; d > 0 {
		w.max, w.seen = n, w.seen<<min(d, 64)|1
		return true
	}
	bit := uint64(1) << min(w.max-n, 64)
	if bit == 0 || w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	return true
}

func (m *machine) sendShortData(typ string, data []byte) bool {
	if m.phase != StateConnected || m.ending || m.shortWait {
		return false
	}
	m.shortSeq++
	d := shortSent{ShortDataBody{Seq: m.shortSeq, Type: typ, Data: data}, 1}
	if len(m.short) == 0 {
		m.timer(timerShortData, shortDataInterval)
	}
	m.short = append(slices.Clone(m.short), d)
	m.shortWait = true
	m.timer(timerShortRate, shortDataRate)
	m.send(m.peerLeg(), TypeShortData, pathAny, &d.ShortDataBody)
	return true
}

// shortDataAgain repeats what was not acknowledged, or gives it up.
func (m *machine) shortDataAgain() {
	var left []shortSent
	for _, d := range m.short {
		if d.tries >= shortDataTries {
			m.tell(notice{kind: noticeShortDataResult, seq: d.Seq})
			continue
		}
		d.tries++
		m.send(m.peerLeg(), TypeShortData, pathBoth, &d.ShortDataBody)
		left = append(left, d)
	}
	if m.short = left; len(left) > 0 {
		m.timer(timerShortData, shortDataInterval)
	}
}

func (m *machine) shortDataCame(b *ShortDataBody) bool {
	if b.Seq <= 0 {
		return false
	}
	m.send(m.peerLeg(), TypeShortDataAck, pathAny, &ShortDataAckBody{Seq: b.Seq})
	if m.peerShort.add(b.Seq) {
		m.tell(notice{kind: noticeShortData, text: b.Type, data: b.Data})
	}
	return true
}

func (m *machine) shortDataAcked(b *ShortDataAckBody) bool {
	i := slices.IndexFunc(m.short, func(d shortSent) bool { return d.Seq == b.Seq })
	if i < 0 {
		return false
	}
	m.short = slices.Delete(slices.Clone(m.short), i, i+1)
	if len(m.short) == 0 {
		m.stop(timerShortData)
	}
	m.tell(notice{kind: noticeShortDataResult, seq: b.Seq, on: true})
	return true
}

// shortDataOver: what was not acknowledged by the end never will be.
func (m *machine) shortDataOver() {
	for _, d := range m.short {
		m.tell(notice{kind: noticeShortDataResult, seq: d.Seq})
	}
	m.short = nil
}
