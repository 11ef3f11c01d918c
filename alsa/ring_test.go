package alsa

import (
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustRing(t testing.TB, capacity int) *Ring {
	t.Helper()
	r, err := NewRing(capacity)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startAt makes an empty ring whose indices have already counted to i.
func (r *Ring) startAt(i uint32) {
	r.head.Store(i)
	r.tail.Store(i)
	r.headSeen, r.tailSeen = i, i
}

func TestNewRing(t *testing.T) {
	for _, tc := range []struct{ ask, got int }{{1, 1}, {2, 2}, {3, 4}, {960, 1024}, {1024, 1024}, {1025, 2048}} {
		if got := mustRing(t, tc.ask).Cap(); got != tc.got {
			t.Errorf("NewRing(%d): Cap = %d, want %d", tc.ask, got, tc.got)
		}
	}
	for _, ask := range []int{-1, 0, MaxRing + 1} {
		if _, err := NewRing(ask); err == nil {
			t.Errorf("NewRing(%d): no error", ask)
		}
	}
}

// A ring behaves as a bounded slice, also when its indices wrap at 2^32.
func TestRingAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := NewRing(rapid.IntRange(1, 40).Draw(t, "capacity"))
		if err != nil {
			t.Fatal(err)
		}
		r.startAt(-rapid.Uint32Range(0, 200).Draw(t, "samples before the wrap"))
		var model []int16
		var over, under uint64
		next := int16(0)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				p := make([]int16, rapid.IntRange(0, 2*r.Cap()).Draw(t, "n"))
				for i := range p {
					next++
					p[i] = next
				}
				n := min(len(p), r.Cap()-len(model))
				model = append(model, p[:n]...)
				over += uint64(len(p) - n)
				if got := r.Write(p); got != n {
					t.Fatalf("Write(%d samples) = %d, want %d", len(p), got, n)
				}
			},
			"read": func(t *rapid.T) {
				p := make([]int16, rapid.IntRange(0, 2*r.Cap()).Draw(t, "n"))
				n := min(len(p), len(model))
				want := make([]int16, len(p))
				copy(want, model[:n])
				model = model[n:]
				under += uint64(len(p) - n)
				if got := r.Read(p); got != n {
					t.Fatalf("Read(%d samples) = %d, want %d", len(p), got, n)
				}
				if d := cmp.Diff(want, p); d != "" {
					t.Fatalf("Read (-want +got):\n%s", d)
				}
			},
			"discard": func(t *rapid.T) {
				ask := rapid.IntRange(0, 2*r.Cap()).Draw(t, "n")
				n := min(ask, len(model))
				model = model[n:]
				if got := r.Discard(ask); got != n {
					t.Fatalf("Discard(%d) = %d, want %d", ask, got, n)
				}
			},
			"": func(t *rapid.T) {
				want := [3]uint64{uint64(len(model)), over, under}
				got := [3]uint64{uint64(r.Len()), r.Overruns(), r.Underruns()}
				if got != want {
					t.Fatalf("Len, Overruns, Underruns = %v, want %v", got, want)
				}
			},
		})
	})
}

// What two goroutines pass through a ring arrives whole and in order; run it
// with -race to check the ordering of memory.
func TestRingBetweenGoroutines(t *testing.T) {
	const total = 200_000
	r := mustRing(t, 64)
	r.startAt(1<<32 - total/2)
	var wg sync.WaitGroup
	wg.Go(func() {
		var p [37]int16
		for sent := 0; sent < total; {
			n := min(len(p), total-sent)
			for i := range n {
				p[i] = int16(sent + i)
			}
			w := r.Write(p[:n])
			if w == 0 {
				runtime.Gosched()
			}
			sent += w
		}
	})
	var p [23]int16
	for got := 0; got < total; {
		n := r.Read(p[:])
		if n == 0 {
			runtime.Gosched()
		}
		for i := range n {
			if want := int16(got + i); p[i] != want {
				t.Errorf("sample %d = %d, want %d", got+i, p[i], want)
				got = total // let the producer finish
				break
			}
		}
		got += n
	}
	for r.Read(p[:]) > 0 || r.Len() > 0 { // only after a failure
	}
	wg.Wait()
}

func TestRingAllocatesNothing(t *testing.T) {
	r, p := mustRing(t, 1024), make([]int16, 480)
	if n := testing.AllocsPerRun(100, func() { r.Write(p); r.Read(p) }); n != 0 {
		t.Errorf("%v allocations for a Write and a Read, want 0", n)
	}
}

// mutexRing is the obvious alternative, for the benchmark.
type mutexRing struct {
	mu         sync.Mutex
	buf        []int16
	head, tail int
}

func (r *mutexRing) Write(p []int16) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(p), len(r.buf)-(r.tail-r.head))
	at := r.tail % len(r.buf)
	first := copy(r.buf[at:], p[:n])
	copy(r.buf, p[first:n])
	r.tail += n
	return n
}

func (r *mutexRing) Read(p []int16) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(p), r.tail-r.head)
	at := r.head % len(r.buf)
	first := copy(p[:n], r.buf[at:])
	copy(p[first:n], r.buf)
	r.head += n
	return n
}

// BenchmarkPeriod passes periods of 480 samples (10 ms at 48 kHz) from one
// goroutine to another.
func BenchmarkPeriod(b *testing.B) {
	const period = 480
	pass := func(b *testing.B, write, read func([]int16) int) {
		b.ReportAllocs()
		b.SetBytes(2 * period)
		var wg sync.WaitGroup
		wg.Go(func() {
			p := make([]int16, period)
			for sent := 0; sent < b.N*period; {
				n := write(p[:min(period, b.N*period-sent)])
				if n == 0 {
					runtime.Gosched()
				}
				sent += n
			}
		})
		p := make([]int16, period)
		for got := 0; got < b.N*period; {
			n := read(p)
			if n == 0 {
				runtime.Gosched()
			}
			got += n
		}
		wg.Wait()
	}
	b.Run("ring", func(b *testing.B) {
		r := mustRing(b, 2*period)
		pass(b, r.Write, r.Read)
	})
	b.Run("mutex", func(b *testing.B) {
		r := &mutexRing{buf: make([]int16, 1024)}
		pass(b, r.Write, r.Read)
	})
	b.Run("channel", func(b *testing.B) {
		ch, free := make(chan []int16, 2), make(chan []int16, 2)
		free <- make([]int16, period)
		free <- make([]int16, period)
		pass(b, func(p []int16) int {
			q := (<-free)[:len(p)]
			copy(q, p)
			ch <- q
			return len(p)
		}, func(p []int16) int {
			q := <-ch
			n := copy(p, q)
			free <- q[:period]
			return n
		})
	})
}

// BenchmarkAlone is the cost to one side: a Write and a Read without a peer.
func BenchmarkAlone(b *testing.B) {
	p := make([]int16, 480)
	b.Run("ring", func(b *testing.B) {
		r := mustRing(b, 1024)
		for b.Loop() {
			r.Write(p)
			r.Read(p)
		}
	})
	b.Run("mutex", func(b *testing.B) {
		r := &mutexRing{buf: make([]int16, 1024)}
		for b.Loop() {
			r.Write(p)
			r.Read(p)
		}
	})
	b.Run("channel", func(b *testing.B) {
		ch := make(chan []int16, 2)
		for b.Loop() {
			ch <- p
			<-ch
		}
	})
}
