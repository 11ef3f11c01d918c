package call

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestWorlds runs random worlds: a few stations (the production Kit on a
// simulated network and simulated media) do at random what people and networks
// do, and the call model's promises are checked all the while and at the end
// (worldmodel_test.go). STEPS says about how many steps; make test-worlds runs
// many. A world that fails is made smaller by rapid, and its log printed.
func TestWorlds(t *testing.T) {
	steps := 2_000
	if s := os.Getenv("STEPS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("STEPS=%q: want a number", s)
		}
		steps = n
	}
	setFlag(t, "rapid.nofailfile", "true")
	setFlag(t, "rapid.checks", strconv.Itoa(max(1, steps/meanSteps)))
	if f := flag.Lookup("rapid.seed"); f.Value.String() == "0" {
		setFlag(t, "rapid.seed", "1")
	}
	sum := newTally()
	rapid.Check(t, func(rt *rapid.T) {
		p := plans.Draw(rt, "world")
		w := runWorld(t, p)
		if len(w.faults) > 0 {
			rt.Fatalf("%s\n\n%s", strings.Join(w.faults, "\n"), w.story())
		}
		sum.add(w)
	})
	t.Log(sum)
	if steps >= 20_000 {
		for _, kind := range slices.Concat(faultKinds, didKinds) {
			if sum.faults[kind] == 0 && sum.did[kind] == 0 {
				t.Errorf("%q never happened", kind)
			}
		}
	}
}

func setFlag(t *testing.T, name, value string) {
	t.Helper()
	old := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set(name, old) })
}

// plan is a world before it runs: all that is random in it.
type plan struct {
	seed     int64
	quiet    bool // no faults: the stricter table holds
	stations []stationPlan
	steps    []stepPlan
}

type stationPlan struct {
	noWaiting, endsOther, slow, silent, background, eager, journal bool

	// of the second process of a device: it takes pushes, too; its calls are kept in the journal
	rings, kept bool

	disk time.Duration // that it takes to sync
}

// stepPlan is one step: what, by or on which station, how, and how long to
// wait then.
type stepPlan struct {
	what  string
	who   int
	how   int
	pause time.Duration
}

const meanSteps = 40

var pauses = []time.Duration{
	0, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	200 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, 7 * time.Second, 20 * time.Second,
}

var upTo256 = func() (list []int) { // rapid draws from a list evenly, from a range it does not
	for i := range 256 {
		list = append(list, i)
	}
	return list
}()

var disks = []time.Duration{0, 0, 0, 3 * time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond}

// The kinds of step, as often as they stand here; and of those, the faults.
var (
	actKinds = []string{
		"make", "make", "make", "makeGroup", "accept", "accept", "accept", "accept", "end", "end", "endWith", "ringing", "ringing",
		"mute", "mute", "hold", "hold", "open", "open", "claimOpen", "claimOpen", "answerOpen", "answerOpen", "answerOpen", "muteRequest", "silence", "shortData", "shortData", "adopt", "adopt", "adoptPending", "adoptPending", "adoptPending",
		"finishPreparation", "finishPreparation", "activate", "verify", "verify",
		"close", "sleep", "levels", "levels",
	}
	faultSteps = []string{
		"lossy", "lossy", "repeats", "delays", "delays", "cut link", "cut link", "cut path", "cut path", "cut both", "broker down", "stall", "stall",
		"heal", "heal", "heal", "crash", "crash", "ringing process crashes", "ringing process crashes", "network changed", "session failed", "auth failed",
	}
	faultKinds = []string{
		"message lost", "message repeated", "message delayed", "message reordered", "message cut off", "message held back",
		"cut link", "cut path", "broker down", "stall", "heal", "crash", "restart", "network changed", "session failed", "auth failed",
	}
	didKinds = []string{
		"make", "makeGroup", "accept", "end", "endWith", "ringing", "mute", "hold", "open", "claimOpen", "answerOpen", "muteRequest", "silence", "finishPreparation",
		"activate", "shortData", "background", "adopt", "adopt in another process", "adopt of a dead process", "heard of a call elsewhere", "refused a call elsewhere", "verify of a dead process", "verify of a call that came back", "verify", "close", "sleep", "connected", "glare tried", "glare connected", "path lost", "path back", "waiting accepted",
	}
)

// alone are the steps that are not of one call only.
var alone = slices.Concat(faultSteps, []string{"make", "makeGroup", "verify", "close", "sleep", "adoptPending"})

var plans = rapid.Custom(func(t *rapid.T) plan {
	p := plan{seed: rapid.Int64().Draw(t, "seed"), quiet: rapid.IntRange(0, 3).Draw(t, "quiet") == 0}
	for range len(stationNames) {
		p.stations = append(p.stations, stationPlan{
			noWaiting: rapid.IntRange(0, 5).Draw(t, "noWaiting") == 0, endsOther: rapid.IntRange(0, 5).Draw(t, "endsOther") == 0,
			slow: rapid.IntRange(0, 5).Draw(t, "slow") == 0, silent: rapid.IntRange(0, 5).Draw(t, "silent") == 0,
			background: rapid.SampledFrom(upTo256).Draw(t, "background") < 60,
			eager:      rapid.SampledFrom(upTo256).Draw(t, "eager") < 30,
			journal:    rapid.IntRange(0, 3).Draw(t, "journal") != 0,
			rings:      rapid.Bool().Draw(t, "rings"), kept: rapid.Bool().Draw(t, "kept"),
			disk: rapid.SampledFrom(disks).Draw(t, "disk"),
		})
	}
	kinds := slices.Clone(actKinds)
	if !p.quiet {
		kinds = append(kinds, faultSteps...)
	}
	p.steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) stepPlan {
		return stepPlan{
			what: rapid.SampledFrom(kinds).Draw(t, "what"), who: rapid.SampledFrom(upTo256).Draw(t, "who"),
			how: rapid.SampledFrom(upTo256).Draw(t, "how") | rapid.SampledFrom(upTo256).Draw(t, "how2")<<8, pause: rapid.SampledFrom(pauses).Draw(t, "pause"),
		}
	}), rapid.IntRange(10, 2*meanSteps).Draw(t, "at least"), 2*meanSteps).Draw(t, "steps")
	return p
})

// runWorld runs one in a bubble of its own, to its end and past it.
func runWorld(t *testing.T, p plan) *simWorld {
	dir, err := os.MkdirTemp("", "worlds-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w := &simWorld{plan: p, dir: dir, turns: map[string]chan struct{}{}, sim: newSim(p.seed), calls: map[string]*callLog{}, did: map[string]int{}, ends: map[string]int{}}
	cryptotest.SetGlobalRandom(t, uint64(p.seed))
	synctest.Test(t, func(*testing.T) {
		w.began = time.Now()
		for i := range stationNames {
			w.stations = append(w.stations, newSimStation(w, i))
		}
		for i, s := range p.steps {
			if s.pause == 0 && i+1 < len(p.steps) && s.how%2 == 0 && !slices.Contains(alone, s.what) { // at the same time as the next
				if x := w.pick(w.stations[s.who%len(w.stations)], s); x != nil {
					go x.do(s.what, s.how)
				}
				continue
			}
			w.step(s)
			pass(s.pause)
			w.watch()
		}
		w.finish()
		for _, s := range w.stations {
			s.shut((*Kit).Close)
		}
		synctest.Wait()
		w.after()
	})
	return w
}

// step does one thing. What makes no sense now is not done, and not counted.
func (w *simWorld) step(s stepPlan) {
	st := w.stations[s.who%len(w.stations)]
	w.log("-- %s %s", st.name, s.what)
	if st.dead && s.how%2 == 0 {
		st.start()
		w.count("restart")
		if s.how&2 == 0 { // as a station does that its supervisor has started anew
			st.adoptPending(s.how)
		}
		return
	}
	if st.dead && !slices.Contains(faultSteps, s.what) {
		return
	}
	if slices.Contains(faultSteps, s.what) {
		if live := w.live(); len(live) > 0 && s.how%4 != 0 { // most often where it hurts
			st = live[s.who%len(live)].st
		}
		w.log("   at %s", st.name)
		w.fault(st, s)
		return
	}
	switch s.what {
	case "make":
		st.make(s.how)
	case "makeGroup":
		st.makeGroup(s.how)
	case "adoptPending":
		for i := range w.stations { // the next one that has any
			if st := w.stations[(s.who+i)%len(w.stations)]; !st.dead && st.adoptPending(s.how) {
				return
			}
		}
	case "verify":
		st.verifyLate()
	case "close":
		st.shut((*Kit).Close)
		w.count(s.what)
	case "sleep":
		st.shut((*Kit).Sleep)
		w.count(s.what)
	default:
		switch side := w.pick(st, s); {
		case side == nil:
			st.make(s.how) // nobody talks: so that there is more to do
		case side.do(s.what, s.how):
			w.count(s.what)
		}
	}
}

func (w *simWorld) fault(st *simStation, s stepPlan) {
	m := w.sim
	share := float64(1+s.how%5) / 10
	w.count(s.what)
	switch s.what {
	case "lossy":
		m.set(func() { m.loss = share })
	case "repeats":
		m.set(func() { m.repeat = share })
	case "delays":
		m.set(func() { m.delay = time.Duration(1+s.how%9) * 100 * time.Millisecond })
	case "cut link":
		m.set(func() { st.line.linkDown = true })
	case "cut path":
		m.set(func() { st.line.pathDown = true })
	case "cut both":
		m.set(func() { st.line.linkDown, st.line.pathDown = true, true })
	case "broker down":
		m.set(func() {
			for _, l := range m.lines {
				l.linkDown = true
			}
		})
	case "stall":
		m.set(func() { st.line.stalled = true })
	case "heal":
		m.heal()
	case "crash":
		st.crash()
	case "ringing process crashes": // of a device that has two; perhaps the one that has just adopted the call
		for _, x := range w.live() {
			t := x.st.twin
			if x.role != RoleCallee || t == nil || x.connected() {
				continue
			}
			dies := x.st
			if x.b != nil && !t.dead && !t.has(x.id) && s.how&0x200 != 0 && x.adopt(t, 0) {
				pass(time.Duration(s.how>>10) * 10 * time.Millisecond)
				dies = t
			}
			dies.crash()
			return
		}
	case "network changed", "session failed", "auth failed":
		kind := map[string]SessionEventKind{"network changed": SessionNetworkChanged, "session failed": SessionFailed, "auth failed": SessionAuthFailed}[s.what]
		if kind != SessionNetworkChanged && s.how%4 != 0 {
			return
		}
		for _, x := range m.of(st.line) {
			func() { defer x.lock()(); x.event(SessionEvent{Kind: kind}) }()
		}
	}
}

func (m *sim) of(l *line) []*simSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*simSession
	for _, s := range m.sessions {
		if s.line == l {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *simSession) int { return strings.Compare(a.id, b.id) })
	return list
}

// tally adds up what happened in the worlds.
type tally struct {
	worlds, steps, calls int
	faults, did, ends    map[string]int
}

func newTally() *tally {
	return &tally{faults: map[string]int{}, did: map[string]int{}, ends: map[string]int{}}
}

func (t *tally) add(w *simWorld) {
	t.worlds++
	t.steps += len(w.plan.steps)
	t.calls += len(w.calls)
	for _, m := range []struct{ to, from map[string]int }{{t.faults, w.sim.faults}, {t.did, w.did}, {t.ends, w.ends}} {
		for k, n := range m.from {
			m.to[k] += n
		}
	}
}

func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps in %d worlds, %d calls\n", t.steps, t.worlds, t.calls)
	for _, part := range []struct {
		name string
		m    map[string]int
	}{{"messages", t.faults}, {"done", t.did}, {"ended (caller / callee)", t.ends}} {
		fmt.Fprintf(&b, "%s:\n", part.name)
		keys := make([]string, 0, len(part.m))
		for k := range part.m {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b string) int {
			if d := part.m[b] - part.m[a]; d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		for _, k := range keys {
			fmt.Fprintf(&b, "%9d %s\n", part.m[k], k)
		}
	}
	return b.String()
}
