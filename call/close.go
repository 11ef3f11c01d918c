package call

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
)

// How a Kit ends, also from one of its own handlers.

// runner is a goroutine that runs the application's functions.
type runner struct {
	done    chan struct{} // it runs no more of them that Close must wait for
	closing chan struct{} // one of them is in Close itself: so nobody may wait for it

	mu        sync.Mutex
	goid      uint64
	over, own bool
}

func newRunner() *runner { return &runner{done: make(chan struct{}), closing: make(chan struct{})} }

func (r *runner) begin() { r.mu.Lock(); r.goid = goid(); r.mu.Unlock() }

// finish is idempotent.
func (r *runner) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.over = true
		close(r.done)
	}
}

// closes reports whether a goroutine that is in Close is this one.
func (r *runner) closes(goroutine uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.goid != goroutine {
		return false
	}
	if !r.own {
		r.own = true
		close(r.closing)
	}
	return true
}

func (r *runner) wait() {
	select {
	case <-r.done:
	case <-r.closing:
	}
}

// handle runs f, which calls the application's functions, as r. k.mu is held.
func (k *Kit) handle(r *runner, f func()) {
	k.runners[r] = true
	k.wg.Go(func() {
		r.begin()
		f()
		r.finish()
		k.mu.Lock()
		delete(k.runners, r)
		k.mu.Unlock()
	})
}

// Close ends every call with appDestroy and waits for the Kit's goroutines.
// Called from a handler it does not wait for that handler, and so not for what
// comes after it: the last event of its call, and the records. Idempotent; the
// error is always nil. The Transport is not closed.
func (k *Kit) Close() error { return k.shut(ReasonAppDestroy) }

// Sleep is Close for a system that goes to sleep: the reason is systemSleep.
func (k *Kit) Sleep() error { return k.shut(ReasonSystemSleep) }

func (k *Kit) shut(r Reason) error {
	me := goid()
	k.mu.Lock()
	k.closed = true
	for _, c := range k.calls {
		if c.s.phase != StateDisconnected {
			k.apply(c, evEnd{EndBody{Reason: r}})
			if c.s.ending { // no time to wait for the caller's word
				k.apply(c, evTimer{timerEnd})
			}
		}
		for kind := range c.timers {
			c.stop(kind)
		}
	}
	clear(k.calls)
	for id := range k.refused {
		k.refusedForGood(id)
	}
	fromHandler := k.notifier.closes(me)
	var queues []*runner
	for r := range k.runners {
		if r != k.notifier {
			fromHandler = r.closes(me) || fromHandler
			queues = append(queues, r)
		}
	}
	k.mu.Unlock()
	for _, q := range queues {
		q.wait()
	}
	k.cfg.Transport.Listen(nil)
	k.journal.hush()
	k.cancel()
	k.notifier.wait()
	k.work.Wait()
	if !fromHandler {
		k.wg.Wait()
	}
	return nil
}

// goid is this goroutine's number, from its stack's header. Only Close asks,
// to tell whether it was called from a handler.
func goid() uint64 {
	var buf [64]byte
	b := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	b, _, _ = bytes.Cut(b, []byte(" "))
	n, _ := strconv.ParseUint(string(b), 10, 64)
	return n
}
