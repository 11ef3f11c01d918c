package alsa

import (
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeKernel is a kernel with cards that run on the clock of time.Now, to be
// used inside synctest.Test, where that costs no time and is exact.
type fakeKernel struct {
	mu      sync.Mutex
	cards   []*fakeCard
	open_   map[int]any // *fakePCM, *fakeCard (its mixer), *fakeEvent
	nextFD  int
	changed chan struct{} // closed when something has happened
	began   time.Time
	held    bool // polls do not return: the thread is stopped

	requests   map[uintptr]int
	polls      int
	signals    int
	drains     int
	notUrgent  error
	denied     map[string]error // by path
	extraFiles fstest.MapFS
}

type fakeEvent struct{ set bool }

type fakeCard struct {
	index         int
	id, name      string
	port          string // USB
	capture, play *fakePCM
	controls      []*fakeControl
	gone          bool
	noLink        bool
}

func newFakeKernel(t testing.TB, cards ...*fakeCard) *fakeKernel {
	k := &fakeKernel{
		cards: cards, open_: map[int]any{}, nextFD: 3, changed: make(chan struct{}), began: time.Now(),
		requests: map[uintptr]int{}, denied: map[string]error{}, extraFiles: fstest.MapFS{},
	}
	for _, c := range cards {
		for _, p := range []*fakePCM{c.capture, c.play} {
			if p != nil {
				p.k, p.card = k, c
			}
		}
	}
	t.Cleanup(func() {
		if n := len(k.open_); n > 0 {
			t.Errorf("%d descriptors are still open: %v", n, k.open_)
		}
	})
	return k
}

// change does something to the world and wakes who polls.
func (k *fakeKernel) change(do func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do()
	k.wake()
}

func (k *fakeKernel) wake() {
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *fakeKernel) files() fs.FS {
	k.mu.Lock()
	defer k.mu.Unlock()
	tree := fstest.MapFS{}
	var cards, pcms string
	for _, c := range k.cards {
		if c.gone {
			continue
		}
		driver := "Loopback"
		if c.port != "" {
			driver = "USB-Audio"
			tree[fmt.Sprintf("sys/class/sound/card%d/device", c.index)] = &fstest.MapFile{Data: []byte("../../../" + c.port + ":1.0"), Mode: fs.ModeSymlink}
		}
		cards += fmt.Sprintf("%2d [%-15s]: %s - %s\n                      %s at somewhere\n", c.index, c.id, driver, c.name, c.name)
		pcms += fmt.Sprintf("%02d-00: %s : %s", c.index, c.name, c.name)
		if c.play != nil {
			pcms += " : playback 1"
		}
		if c.capture != nil {
			pcms += " : capture 1"
		}
		pcms += "\n"
	}
	if cards == "" {
		cards = "--- no soundcards ---\n"
	}
	tree["proc/asound/cards"] = &fstest.MapFile{Data: []byte(cards)}
	tree["proc/asound/pcm"] = &fstest.MapFile{Data: []byte(pcms)}
	for path, file := range k.extraFiles {
		tree[path] = file
	}
	return tree
}

func (k *fakeKernel) open(path string) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.denied[path]; err != nil {
		return -1, err
	}
	for _, c := range k.cards {
		var node any
		switch path {
		case fmt.Sprintf("/dev/snd/controlC%d", c.index):
			node = c
		case fmt.Sprintf("/dev/snd/pcmC%dD0c", c.index):
			node = c.capture
		case fmt.Sprintf("/dev/snd/pcmC%dD0p", c.index):
			node = c.play
		default:
			continue
		}
		if c.gone {
			return -1, unix.ENOENT
		}
		if p, ok := node.(*fakePCM); ok {
			for _, other := range k.open_ {
				if other == node {
					return -1, unix.EBUSY
				}
			}
			p.reset()
		}
		return k.add(node), nil
	}
	return -1, unix.ENOENT
}

func (k *fakeKernel) add(node any) int {
	k.nextFD++
	k.open_[k.nextFD] = node
	return k.nextFD
}

func (k *fakeKernel) close(fd int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.open_[fd].(*fakePCM); ok {
		p.reset()
	}
	if _, ok := k.open_[fd]; !ok {
		return unix.EBADF
	}
	delete(k.open_, fd)
	return nil
}

func (k *fakeKernel) ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.requests[request]++
	switch node := k.open_[fd].(type) {
	case *fakePCM:
		if node.card.gone {
			return unix.ENODEV
		}
		return node.ioctl(request, arg)
	case *fakeCard:
		if node.gone {
			return unix.ENODEV
		}
		return node.mixer(request, arg)
	}
	return unix.EBADF
}

func (k *fakeKernel) ioctlInt(fd int, request uintptr, arg int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.requests[request]++
	p, ok := k.open_[fd].(*fakePCM)
	if !ok {
		return unix.EBADF
	}
	if p.card.gone {
		return unix.ENODEV
	}
	if request == reqLink {
		other, ok := k.open_[arg].(*fakePCM)
		if !ok || p.card.noLink {
			return unix.ENOSYS
		}
		p.linked, other.linked = other, p
		return nil
	}
	return p.command(request)
}

func (k *fakeKernel) poll(fds []unix.PollFd, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for {
		k.mu.Lock()
		n, next := k.ready(fds)
		changed, held := k.changed, k.held
		if n > 0 || !time.Now().Before(deadline) {
			k.polls++
		}
		k.mu.Unlock()
		if !held && (n > 0 || !time.Now().Before(deadline)) {
			return nil
		}
		wait := min(time.Until(deadline), next)
		if held {
			wait = time.Hour
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ready sets the events that there are, and says how long none will come.
func (k *fakeKernel) ready(fds []unix.PollFd) (n int, next time.Duration) {
	next = time.Hour
	for i := range fds {
		fds[i].Revents = 0
		switch node := k.open_[int(fds[i].Fd)].(type) {
		case *fakeEvent:
			if node.set {
				fds[i].Revents = unix.POLLIN
			}
		case *fakePCM:
			var wait time.Duration
			fds[i].Revents, wait = node.ready()
			next = min(next, wait)
		default:
			fds[i].Revents = unix.POLLNVAL
		}
		if fds[i].Revents != 0 {
			n++
		}
	}
	return n, next
}

func (k *fakeKernel) eventfd() (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.add(&fakeEvent{}), nil
}

func (k *fakeKernel) signal(fd int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.open_[fd].(*fakeEvent)
	if !ok {
		return unix.EBADF
	}
	k.signals++
	e.set = true
	k.wake()
	return nil
}

func (k *fakeKernel) drain(fd int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drains++
	k.open_[fd].(*fakeEvent).set = false
	return nil
}

func (k *fakeKernel) now() time.Duration { return time.Since(k.began) }

func (k *fakeKernel) urgent() error { return k.notUrgent }
