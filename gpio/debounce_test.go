package gpio

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func newDebounce(active bool) *debounce {
	d := &debounce{filter: DefaultFilter, lockout: DefaultLockout, long: DefaultLong, stuck: DefaultStuck}
	d.start(active)
	return d
}

// happened is an event with the time at which it was acted on.
type happened struct {
	Kind Kind
	At   time.Duration // the event's own time
	Told time.Duration // when it was told
}

// play runs edges through a debounce as its driver would: it advances at each
// time that next asks for, and then up to end.
func play(d *debounce, edges []Edge, end time.Duration) []happened {
	var out []happened
	tell := func(now time.Duration) func(Kind, time.Duration) {
		return func(k Kind, at time.Duration) { out = append(out, happened{k, at, now}) }
	}
	until := func(t time.Duration) {
		for {
			next, ok := d.next()
			if !ok || next > t {
				return
			}
			d.advance(next, tell(next))
		}
	}
	for _, e := range edges {
		until(e.At - 1)
		d.edge(e, tell(e.At))
	}
	until(end)
	return out
}

// turns makes alternating edges that begin with an active one.
func turns(at ...time.Duration) []Edge {
	edges := make([]Edge, len(at))
	for i, t := range at {
		edges[i] = Edge{Active: i%2 == 0, At: t}
	}
	return edges
}

func TestDebounce(t *testing.T) {
	tests := []struct {
		name   string
		held   bool // at the start
		edges  []Edge
		end    time.Duration
		want   []happened
		health Health
	}{
		{
			name:   "a clean press and release",
			edges:  turns(100*ms, 300*ms),
			want:   []happened{{Press, 100 * ms, 104 * ms}, {Release, 300 * ms, 304 * ms}},
			health: Health{Presses: 1, LongestHold: 200 * ms},
		},
		{
			name:   "a spike is a glitch",
			edges:  turns(100*ms, 103*ms),
			health: Health{Glitches: 1},
		},
		{
			name:   "a level that ends with the filter has not survived it",
			edges:  turns(100*ms, 104*ms),
			health: Health{Glitches: 1},
		},
		{
			name:   "bounces: acted on after the last, timed from the first",
			edges:  turns(100*ms, 101*ms, 102*ms, 104*ms, 105*ms),
			end:    200 * ms,
			want:   []happened{{Press, 100 * ms, 109 * ms}},
			health: Health{Presses: 1, Glitches: 2},
		},
		{
			name:   "a spike long before the press does not give it its time",
			edges:  turns(100*ms, 101*ms, 106*ms),
			end:    200 * ms,
			want:   []happened{{Press, 106 * ms, 110 * ms}},
			health: Health{Presses: 1, Glitches: 1},
		},
		{
			name:   "what is taken back in the lock-out is a bounce, however long",
			edges:  turns(100*ms, 110*ms, 130*ms),
			end:    200 * ms,
			want:   []happened{{Press, 100 * ms, 104 * ms}},
			health: Health{Presses: 1, Bounces: 1},
		},
		{
			name:   "a tap shorter than the lock-out is released at its end, and timed right",
			edges:  turns(100*ms, 120*ms),
			want:   []happened{{Press, 100 * ms, 104 * ms}, {Release, 120 * ms, 154 * ms}},
			health: Health{Presses: 1, LongestHold: 20 * ms},
		},
		{
			name:  "the next press after such a tap is not put off",
			edges: turns(100*ms, 120*ms, 160*ms),
			want: []happened{
				{Press, 100 * ms, 104 * ms}, {Release, 120 * ms, 154 * ms}, {Press, 160 * ms, 174 * ms},
			},
			health: Health{Presses: 2, LongestHold: 20 * ms},
		},
		{
			name:  "held: long press, then stuck, once each",
			edges: turns(100 * ms),
			end:   10 * time.Minute,
			want: []happened{
				{Press, 100 * ms, 104 * ms},
				{LongPress, 1100 * ms, 1100 * ms},
				{Stuck, 60100 * ms, 60100 * ms},
			},
			health: Health{Presses: 1, Stuck: true},
		},
		{
			name:   "released just before it is long",
			edges:  turns(100*ms, 1099*ms),
			end:    2000 * ms,
			want:   []happened{{Press, 100 * ms, 104 * ms}, {Release, 1099 * ms, 1103 * ms}},
			health: Health{Presses: 1, LongestHold: 999 * ms},
		},
		{
			name:  "held at the start is no press, nor is its release one",
			held:  true,
			edges: []Edge{{false, 500 * ms}, {true, 900 * ms}},
			end:   1000 * ms,
			want:  []happened{{Press, 900 * ms, 904 * ms}},
			health: Health{
				Presses: 1, LongestHold: 500 * ms,
			},
		},
		{
			name:   "held at the start for ever is stuck",
			held:   true,
			end:    time.Hour,
			want:   []happened{{Stuck, time.Minute, time.Minute}},
			health: Health{Stuck: true},
		},
		{
			name:   "a repeated level is two lost edges: at rest no matter, else the filter starts again",
			edges:  []Edge{{false, 50 * ms}, {true, 100 * ms}, {true, 103 * ms}},
			end:    200 * ms,
			want:   []happened{{Press, 100 * ms, 107 * ms}},
			health: Health{Presses: 1, Glitches: 1},
		},
		{
			name:   "a stamp that goes back is held",
			edges:  []Edge{{true, 100 * ms}, {false, 300 * ms}, {true, 200 * ms}, {false, 200 * ms}},
			end:    400 * ms,
			want:   []happened{{Press, 100 * ms, 104 * ms}, {Release, 300 * ms, 304 * ms}},
			health: Health{Presses: 1, Glitches: 1, LongestHold: 200 * ms},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDebounce(test.held)
			got := play(d, test.edges, max(test.end, 500*ms))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.health, d.health); diff != "" {
				t.Errorf("health (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDebounceProperties plays random contacts: rests, spikes, bounces and
// presses of all lengths.
func TestDebounceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gap := rapid.OneOf(
			rapid.Int64Range(1, int64(DefaultFilter)),                     // bounces
			rapid.Int64Range(int64(DefaultFilter), int64(70*ms)),          // around the lock-out
			rapid.Int64Range(int64(50*ms), int64(500*ms)),                 // presses
			rapid.Int64Range(int64(900*ms), int64(1200*ms)),               // around a long press
			rapid.Int64Range(int64(59*time.Second), int64(2*time.Minute)), // around stuck
		)
		var edges []Edge
		at := time.Duration(0)
		for i, g := range rapid.SliceOfN(gap, 1, 60).Draw(t, "gaps") {
			at += time.Duration(g)
			edges = append(edges, Edge{Active: i%2 == 0, At: at})
		}
		end := at + 2*time.Minute
		got := play(newDebounce(false), edges, end)

		// One at a time and in one go is the same.
		var coarse []happened
		d := newDebounce(false)
		for _, e := range edges {
			d.edge(e, func(k Kind, at time.Duration) { coarse = append(coarse, happened{k, at, 0}) })
		}
		d.advance(end, func(k Kind, at time.Duration) { coarse = append(coarse, happened{k, at, 0}) })
		fine := slices.Clone(got)
		for i := range fine {
			fine[i].Told = 0
		}
		if diff := cmp.Diff(fine, coarse); diff != "" {
			t.Fatalf("a late driver sees something else (-in time +late):\n%s", diff)
		}

		// Order: press, then perhaps long and stuck, then release; nothing
		// within the lock-out of a press.
		before, pressed := Release, -time.Hour
		for _, h := range got {
			ok := map[Kind][]Kind{
				Press: {Release}, LongPress: {Press}, Stuck: {LongPress}, Release: {Press, LongPress, Stuck},
			}[h.Kind]
			if !slices.Contains(ok, before) {
				t.Fatalf("%v after %v in %v", h.Kind, before, got)
			}
			before = h.Kind
			if (h.Kind == Press || h.Kind == Release) && h.Told-pressed < DefaultLockout {
				t.Fatalf("%v in the lock-out of the press told at %v", h, pressed)
			}
			if h.Kind == Press {
				pressed = h.Told
			}
		}

		// No event out of nothing: the level had been there for the filter.
		for _, h := range got {
			if h.Kind != Press && h.Kind != Release {
				continue
			}
			if l, since := levelAt(edges, h.Told-1); l != (h.Kind == Press) || h.Told-since < DefaultFilter {
				t.Fatalf("%v told although the line is %v since %v", h, l, since)
			}
			if !slices.ContainsFunc(edges, func(e Edge) bool { return e == Edge{h.Kind == Press, h.At} }) {
				t.Fatalf("the time of %v is no raw edge", h)
			}
		}

		// Every real press is seen, once, with its raw edge: after a rest and
		// for a time that each outlast lock-out and filter.
		const real = DefaultLockout + DefaultFilter + 1
		for i, e := range edges {
			if !e.Active || i > 0 && e.At-edges[i-1].At < real || i+1 < len(edges) && edges[i+1].At-e.At < real {
				continue
			}
			n := 0
			for _, h := range got {
				if h.Kind == Press && h.At == e.At && h.Told == e.At+DefaultFilter {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("the press at %v was told %d times: %v", e.At, n, got)
			}
		}
	})
}

// levelAt returns the raw level at a time, and since when it holds.
func levelAt(edges []Edge, t time.Duration) (active bool, since time.Duration) {
	for _, e := range edges {
		if e.At > t {
			break
		}
		active, since = e.Active, e.At
	}
	return active, since
}
