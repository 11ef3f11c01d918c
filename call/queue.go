package call

import "sync"

// queueSize bounds the events that wait for a handler.
const queueSize = 256

// queue hands a call's events to its handlers: in order, one at a time, from
// one goroutine. Level events coalesce; the last event is noticeDisconnected, or noticeAdopted.
type queue struct {
	deliver func(notice)
	after   func() // set before the last event is put; runs once after it
	ready   chan struct{}

	mu   sync.Mutex
	list []notice
	last bool
}

func newQueue(deliver func(notice)) *queue {
	return &queue{deliver: deliver, ready: make(chan struct{}, 1)}
}

// put never blocks. False: the queue was full of life-cycle events, and n is
// lost; the last always finds a place.
func (q *queue) put(n notice) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last {
		return true
	}
	if n.kind == noticeLevel || n.kind == noticePeerLevel {
		for i := range q.list {
			if q.list[i].kind == n.kind {
				q.list[i].level = n.level
				return true
			}
		}
	}
	if len(q.list) >= queueSize && !n.kind.last() {
		return n.kind == noticeLevel || n.kind == noticePeerLevel
	}
	q.last = n.kind.last()
	q.list = append(q.list, n)
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// run ends after the last event.
func (q *queue) run() {
	for range q.ready {
		q.mu.Lock()
		list := q.list
		q.list = nil
		q.mu.Unlock()
		for _, n := range list {
			q.deliver(n)
			if n.kind.last() {
				if q.after != nil {
					q.after()
				}
				return
			}
		}
	}
}
