package netlab

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Lab is one network: a switch and its hosts. Its methods and those of its
// hosts and links may be called from any goroutine of the test.
type Lab struct {
	t testing.TB

	mu      sync.Mutex
	random  *rand.Rand
	routes  map[netip.Addr]*Link // by the address that packets are sent to
	blocked map[[2]*Host]bool
	closed  bool
	links   []*Link
	running sync.WaitGroup

	counts counts
}

type counts struct{ delivered, lost, cut, unroutable atomic.Uint64 }

// Counts are packets: delivered, dropped by Impair, dropped by Cut, Block or a
// link without carrier, and sent to nobody.
type Counts struct{ Delivered, Lost, Cut, Unroutable uint64 }

// New makes an empty network. Its losses are a function of seed and traffic.
func New(t testing.TB, seed uint64) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := os.Stat(tunDevice); err != nil {
		t.Skipf("no TUN devices here: %v", err)
	}
	l := &Lab{t: t, random: rand.New(rand.NewPCG(seed, 0)), routes: map[netip.Addr]*Link{}, blocked: map[[2]*Host]bool{}}
	t.Cleanup(l.close)
	return l
}

func (l *Lab) close() {
	l.mu.Lock()
	l.closed = true
	links := l.links
	l.mu.Unlock()
	for _, link := range links {
		link.tun.Close()
	}
	l.running.Wait()
}

// Counts returns what became of the packets so far.
func (l *Lab) Counts() Counts {
	c := &l.counts
	return Counts{c.delivered.Load(), c.lost.Load(), c.cut.Load(), c.unroutable.Load()}
}

// Block drops all packets between two hosts, until it is called with false.
func (l *Lab) Block(a, b *Host, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked[[2]*Host{a, b}], l.blocked[[2]*Host{b, a}] = on, on
}

// Host is one machine: a network namespace.
type Host struct {
	lab *Lab
	ns  *os.File
}

// Host makes a machine with a loopback interface only.
func (l *Lab) Host() *Host {
	l.t.Helper()
	h := &Host{lab: l}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err := setUp("lo"); err != nil {
			return err
		}
		var err error
		h.ns, err = threadNamespace()
		return err
	})
	if errors.Is(err, unix.EPERM) {
		l.t.Skipf("not allowed to make network namespaces: %v", err)
	}
	if err != nil {
		l.t.Fatalf("netlab: make a namespace: %v", err)
	}
	l.t.Cleanup(func() { h.ns.Close() })
	return h
}

// Do calls f on a thread inside the namespace: what f opens belongs to it, what
// goroutines that f starts open does not.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// Start starts a process inside the namespace.
func (h *Host) Start(cmd *exec.Cmd) error { return h.Do(cmd.Start) }

// onThread calls f on a thread of its own that may change namespaces, and
// brings it home: a thread that ended would take children with Pdeathsig along.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := threadNamespace()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		err = f()
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			done <- errors.Join(err, back) // the thread ends with the goroutine
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

func threadNamespace() (*os.File, error) { return os.Open("/proc/thread-self/ns/net") }

// Impairment is what a link does to packets, each way.
type Impairment struct {
	Loss      float64       // share of packets dropped, 0 to 1
	Duplicate float64       // share of packets delivered twice
	Delay     time.Duration // of every packet
	Jitter    time.Duration // up to so much more, for each packet anew: reorders them
}
