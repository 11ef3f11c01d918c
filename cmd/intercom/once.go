package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"intercom/audio"
	"intercom/audio/audiotest"
	"intercom/call"
	"intercom/station"
)

// figures are what one whole call took. Times are ms; NaN never appears: what
// was not measured makes the call fail.
type figures struct {
	PressToAcknowledged float64 `json:"press_to_acknowledged"` // raw edge of the pin to the caller's knowledge that it rings
	PressToRinging      float64 `json:"press_to_ringing"`      // raw edge of the pin to the first ring sample in the speaker ring
	AcceptToFirstVoice  float64 `json:"accept_to_first_voice"` // raw edge of accept to the first voice frame in the speaker ring; worse direction
	MouthToEar          float64 `json:"mouth_to_ear"`          // simulated microphone to simulated speaker; worse direction
	DoorRSS             float64 `json:"door_rss_mib"`
	IndoorRSS           float64 `json:"indoor_rss_mib"`
	BrokerRSS           float64 `json:"broker_rss_mib"` // 0: another's broker
	DoorOwn             float64 `json:"door_own_mib"`   // of it, what is not pages of files, which the kernel may drop
	IndoorOwn           float64 `json:"indoor_own_mib"`
	GoroutinesLeaked    int     `json:"goroutines_leaked"`
}

// onceResult is the line that demo --once --json prints.
type onceResult struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	figures
}

type manyResult struct {
	OK        bool         `json:"ok"`
	Succeeded int          `json:"succeeded"`
	Runs      []onceResult `json:"runs"`
	Median    figures      `json:"median"`
	Worst     figures      `json:"worst"`
}

const (
	callTime   = 20 * time.Second // one whole call
	settleTime = 5 * time.Second
	steadyTime = 500 * time.Millisecond
)

// once makes count whole calls without a person.
func once(ctx context.Context, c console, brokerURL string, count int, asJSON bool) error {
	var runs []onceResult
	h, err := openHouse(ctx, brokerURL, c.issueTime())
	if h != nil {
		defer h.Close()
	}
	for i := 0; i < count && ctx.Err() == nil; i++ {
		var r onceResult
		e := err
		if e == nil {
			r.figures, e = h.wholeCall(ctx)
		}
		if r.OK = e == nil; !r.OK {
			r.Error = e.Error()
		}
		runs = append(runs, r)
		if err != nil {
			break
		}
	}
	many := summarise(runs, count)
	var out any = many
	if count == 1 && len(runs) == 1 {
		out = runs[0]
	}
	if asJSON {
		if err := json.NewEncoder(c.out).Encode(out); err != nil {
			return err
		}
	} else {
		printTable(c.out, many)
	}
	if !many.OK {
		return fmt.Errorf("%d of %d calls did not go as they should", count-many.Succeeded, count)
	}
	return nil
}

// fields are the figures in their order.
func (f *figures) fields() []*float64 {
	return []*float64{&f.PressToAcknowledged, &f.PressToRinging, &f.AcceptToFirstVoice, &f.MouthToEar, &f.DoorRSS, &f.IndoorRSS, &f.BrokerRSS, &f.DoorOwn, &f.IndoorOwn}
}

func summarise(runs []onceResult, count int) manyResult {
	m := manyResult{Runs: runs}
	var good []onceResult
	for _, r := range runs {
		if r.OK {
			good = append(good, r)
			m.Worst.GoroutinesLeaked = max(m.Worst.GoroutinesLeaked, r.GoroutinesLeaked)
		}
	}
	m.Succeeded = len(good)
	m.OK = len(good) == count
	if len(good) == 0 {
		return m
	}
	for i := range m.Median.fields() {
		var v []float64
		for j := range good {
			v = append(v, *good[j].fields()[i])
		}
		slices.Sort(v)
		*m.Median.fields()[i] = round((v[(len(v)-1)/2] + v[len(v)/2]) / 2)
		*m.Worst.fields()[i] = v[len(v)-1]
	}
	var leaks []int
	for _, r := range good {
		leaks = append(leaks, r.GoroutinesLeaked)
	}
	slices.Sort(leaks)
	m.Median.GoroutinesLeaked = leaks[len(leaks)/2]
	return m
}

func printTable(w io.Writer, m manyResult) {
	fmt.Fprintf(w, "%d of %d calls went as they should, on simulated boards\n", m.Succeeded, len(m.Runs))
	for i, r := range m.Runs {
		if !r.OK {
			fmt.Fprintf(w, "call %d: %s\n", i+1, r.Error)
		}
	}
	if m.Succeeded == 0 {
		return // nothing was measured
	}
	fmt.Fprintf(w, "%-24s %10s %10s\n", "", "median", "worst")
	names := []string{"press to acknowledged", "press to ringing", "accept to first voice", "mouth to ear", "door memory", "indoor memory", "broker memory", "door own memory", "indoor own memory"}
	for i, n := range names {
		unit := "ms"
		if strings.HasSuffix(n, "memory") {
			unit = "MiB"
		}
		fmt.Fprintf(w, "%-24s %6.1f %-3s %6.1f %s\n", n, *m.Median.fields()[i], unit, *m.Worst.fields()[i], unit)
	}
	fmt.Fprintf(w, "%-24s %6d     %6d\n", "goroutines leaked", m.Median.GoroutinesLeaked, m.Worst.GoroutinesLeaked)
}

func ms(d time.Duration) float64 { return round(float64(d) / 1e6) }
func round(f float64) float64    { return math.Round(f*100) / 100 }

// wholeCall presses, accepts, listens both ways, opens, ends, and measures.
func (h *house) wholeCall(ctx context.Context) (f figures, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w%s%s%s%s", err, h.door.account(), h.indoor.account(), h.door.tail(), h.indoor.tail())
			h.hangUp()
		}
	}()
	before, err := h.settled(ctx, -1)
	if err != nil {
		return f, fmt.Errorf("the stations are not idle: %w", err)
	}
	seen := [2]string{lastID(before[0]), lastID(before[1])}
	edge, err := h.door.sim.Tap("bell-1", 100*time.Millisecond)
	if err != nil {
		return f, fmt.Errorf("press: %w", err)
	}
	// The call is acknowledged at the door, and rings indoors.
	door, err := h.stage(ctx, h.door, "acknowledged")
	if err != nil {
		return f, err
	}
	f.PressToAcknowledged = ms(door - edge)
	ring, err := h.stage(ctx, h.indoor, "ring_sample")
	if err != nil {
		return f, err
	}
	f.PressToRinging = ms(ring - edge)
	accept, err := h.indoor.sim.Tap("accept", 100*time.Millisecond)
	if err != nil {
		return f, fmt.Errorf("accept: %w", err)
	}
	for _, m := range []*member{h.door, h.indoor} {
		at, err := h.stage(ctx, m, "first_voice")
		if err != nil {
			return f, err
		}
		f.AcceptToFirstVoice = max(f.AcceptToFirstVoice, ms(at-accept))
	}
	for _, way := range [][2]*member{{h.door, h.indoor}, {h.indoor, h.door}} {
		d, err := mouthToEar(ctx, way[0], way[1])
		if err != nil {
			return f, fmt.Errorf("voice from the %s to the %s station: %w", way[0].name, way[1].name, err)
		}
		f.MouthToEar = max(f.MouthToEar, ms(d))
	}
	if _, err := h.indoor.sim.Tap("open", 100*time.Millisecond); err != nil {
		return f, fmt.Errorf("open: %w", err)
	}
	if err := h.relayOpened(ctx, accept); err != nil {
		return f, err
	}
	f.DoorRSS, f.DoorOwn = memory(h.door.process)
	f.IndoorRSS, f.IndoorOwn = memory(h.indoor.process)
	if h.broker != nil {
		f.BrokerRSS, _ = memory(h.broker)
	}
	if _, err := h.indoor.sim.Tap("end", 100*time.Millisecond); err != nil {
		return f, fmt.Errorf("end: %w", err)
	}
	for i, m := range []*member{h.door, h.indoor} {
		rec, err := h.ended(ctx, m, seen[i])
		if err != nil {
			return f, err
		}
		if rec.Disconnected.Reason != call.ReasonNormal {
			return f, fmt.Errorf("the call ended at the %s station as %s, want normal", m.name, rec.Disconnected.Reason)
		}
	}
	after, err := h.settled(ctx, before[0].Goroutines+before[1].Goroutines)
	if after[0].Goroutines == 0 {
		return f, fmt.Errorf("after the call: %w", err)
	}
	f.GoroutinesLeaked = max(0, after[0].Goroutines+after[1].Goroutines-before[0].Goroutines-before[1].Goroutines)
	return f, nil
}

// account is what a station says of itself when a call has failed.
func (m *member) account() string {
	st, err := station.ReadStatus(m.status)
	if err != nil {
		return fmt.Sprintf("; the %s station does not answer: %v", m.name, err)
	}
	text := fmt.Sprintf("; the %s station is %s", m.name, st.State)
	if st.Fault != "" {
		text += " (" + st.Fault + ")"
	}
	if n := len(st.Last); n > 0 {
		text += fmt.Sprintf(", its last call ended %s", st.Last[n-1].Disconnected.Reason)
	}
	return text
}

// hangUp leaves an idle house behind a call that failed.
func (h *house) hangUp() {
	for range 2 {
		h.indoor.sim.Tap("end", 50*time.Millisecond) // best effort: the failure is told already
		time.Sleep(300 * time.Millisecond)
	}
}

func lastID(st station.Status) string {
	if len(st.Last) == 0 {
		return ""
	}
	return st.Last[len(st.Last)-1].CallID
}

// stage waits for a stage of the station's present call.
func (h *house) stage(ctx context.Context, m *member, name string) (at time.Duration, err error) {
	err = poll(ctx, callTime, func() error {
		st, err := station.ReadStatus(m.status)
		if err != nil {
			return err
		}
		if st.Call == nil {
			return fmt.Errorf("no %s at the %s station: it has no call", name, m.name)
		}
		var ok bool
		if at, ok = (call.Record{Stages: st.Call.Stages}).At(name); !ok {
			return fmt.Errorf("no %s at the %s station: its call is %s", name, m.name, st.Call.State)
		}
		return nil
	})
	return at, err
}

// ended waits for the record of a call later than the one seen before.
func (h *house) ended(ctx context.Context, m *member, seen string) (rec call.Record, err error) {
	err = poll(ctx, callTime, func() error {
		st, err := station.ReadStatus(m.status)
		if err != nil {
			return err
		}
		if id := lastID(st); id == "" || id == seen {
			return fmt.Errorf("the call did not end at the %s station", m.name)
		}
		rec = st.Last[len(st.Last)-1]
		return nil
	})
	return rec, err
}

// settled waits until both stations have no call, their lamps and relay rest,
// and no more than limit goroutines are left (limit < 0: any number, but the
// same for a while: a station that has just started still starts some).
func (h *house) settled(ctx context.Context, limit int) (st [2]station.Status, err error) {
	last, since := -1, time.Now()
	err = poll(ctx, settleTime, func() error {
		sum := 0
		for i, m := range []*member{h.door, h.indoor} {
			s, err := station.ReadStatus(m.status)
			if err != nil {
				return err
			}
			st[i] = s
			sum += s.Goroutines
			if s.Call != nil {
				return fmt.Errorf("the %s station has a call", m.name)
			}
			lines, err := m.sim.Lines()
			if err != nil {
				return err
			}
			for _, l := range lines {
				if l.Output && l.Active {
					return fmt.Errorf("at the %s station %s is on", m.name, l.Name)
				}
			}
		}
		if limit >= 0 {
			if sum > limit {
				return fmt.Errorf("%d goroutines, %d before", sum, limit)
			}
			return nil
		}
		if sum != last {
			last, since = sum, time.Now()
		}
		if time.Since(since) < steadyTime {
			return errors.New("the number of goroutines still changes")
		}
		return nil
	})
	return st, err
}

func (h *house) relayOpened(ctx context.Context, since time.Duration) error {
	return poll(ctx, 5*time.Second, func() error {
		changes, err := h.door.sim.History()
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.Name == "strike" && c.Active && c.At >= since {
				return nil
			}
		}
		return errors.New("the door's relay did not switch on")
	})
}

// mouthToEar plays a mark into one station's microphone and finds it at the
// other's speaker.
func mouthToEar(ctx context.Context, from, to *member) (time.Duration, error) {
	return delay(ctx, from.sim.MicPlay, to.sim.Speaker)
}

const (
	markTries  = 4
	markLooks  = 4                      // for each of them
	markLook   = 400 * time.Millisecond // by then a mark has surely been heard, unless the machine is out of breath
	markWindow = 2 * time.Second        // of what was heard; longer than all looks
)

// delay plays a mark until it is found in what was heard, and tells how late it
// was. A lost packet or a machine that does not keep up may spoil one, or hold
// it up; only what was heard after a mark was played counts for it, and each has
// long passed before the next.
func delay(ctx context.Context, play func([]int16) (time.Duration, error), hear func(time.Duration) ([]int16, time.Duration, error)) (time.Duration, error) {
	mark := audiotest.Mark()
	best := 0.0
	for range markTries {
		mouth, err := play(mark)
		if err != nil {
			return 0, err
		}
		for range markLooks {
			select {
			case <-ctx.Done():
				return 0, fmt.Errorf("the marked sound was not found yet (best score %.2f): %w", best, ctx.Err())
			case <-time.After(markLook):
			}
			pcm, at, err := hear(markWindow)
			if err != nil {
				return 0, err
			}
			if earlier := int((mouth - at) * audio.SampleRate / time.Second); earlier > 0 {
				pcm, at = pcm[min(earlier, len(pcm)):], at+time.Duration(earlier)*time.Second/audio.SampleRate
			}
			offset, score, ok := audiotest.FindMark(pcm, mark)
			if ok {
				return at + time.Duration(offset*float64(time.Second)/audio.SampleRate) - mouth, nil
			}
			best = max(best, score)
		}
	}
	return 0, fmt.Errorf("the marked sound was not found in %d tries (best score %.2f)", markTries, best)
}

// memory is what a process has resident, in MiB, and what of that is no file's;
// 0 where it can't be read.
func memory(p *process) (resident, own float64) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(data)) {
		var what string
		var kib float64
		if n, _ := fmt.Sscan(line, &what, &kib); n < 2 {
			continue
		}
		switch what {
		case "VmRSS:":
			resident = round(kib / 1024)
		case "RssAnon:":
			own = round(kib / 1024)
		}
	}
	return resident, own
}
