package call

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// side is one end of a call as its application sees it, with the automaton of
// what may come after what.
type side struct {
	w    *simWorld
	st   *simStation
	line *line
	name string
	role Role

	activation bool // by user

	mu      sync.Mutex
	id      string
	peer    string
	c       *Call
	b       *BackgroundCall // of a background call; then c is not set
	started time.Time
	records []Record
	seen    map[string]int

	crashed     bool
	adopts      bool // it took over from a background call
	heir        bool // it verified a call that a killed process of its device had
	adopted     bool // its last event was OnAdopted
	over        *Disconnected
	overAt      time.Time
	connectedAt time.Time
	ringing     bool      // Ringing was said, and not accepted or ended since
	rangAt      time.Time // when Ringing was said first
	accepted    bool
	prep        bool // in preparation

	muted, held, silenced, activated bool
	peerMuted, peerHeld, lost        bool
	asked, answers                   int              // open requests of ours, results
	unanswered, opened               int              // of these: no answer, opened
	requests, answered               int              // open requests of the peer, answers
	sent                             map[int64]string // short data
	results                          map[int64]bool
	acknowledged                     []int64
	heard                            map[string]bool // short data of the peer
}

// side is a new end of a call. Each third has its audio activated by the user.
func (s *simStation) side(l *line, role Role, id string) *side {
	x := &side{w: s.w, st: s, line: l, name: s.name, role: role, id: id, seen: map[string]int{}, started: time.Now(),
		sent: map[int64]string{}, results: map[int64]bool{}, heard: map[string]bool{}}
	x.activation = len(s.w.all())%3 == 0
	x.activated = !x.activation
	return x
}

// rangOn: it said that it rings, in time for the caller to hear it, and did not end that itself.
func (x *side) rangOn(caller *side) bool {
	return !x.rangAt.IsZero() && caller.overAt.Sub(x.rangAt) > 100*time.Millisecond && (x.over == nil || x.over.Source != SourceCallee)
}

// fresh: it has connected within the last second.
func (x *side) fresh() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.connectedAt.IsZero() && time.Since(x.connectedAt) < time.Second
}

func (x *side) device() string { return x.st.user + "/" + x.st.device }

func (x *side) wasAdopted() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.adopted }

// micTimeout: some calls end when their microphone gives nothing for a while.
func (x *side) micTimeout() time.Duration {
	if len(x.w.all())%5 == 0 {
		return 5 * time.Second
	}
	return 0
}

func (x *side) byUser() bool { return x.activation }

func (x *side) String() string { return fmt.Sprintf("%s as %s of %s", x.name, x.role, short(x.id)) }

// enter notes a call that started.
func (x *side) enter(c *Call) {
	x.mu.Lock()
	x.c, x.id = c, c.ID()
	x.mu.Unlock()
	x.list()
}

// list makes it known to its station and the world.
func (x *side) list() {
	x.st.mu.Lock()
	x.st.sides = append(x.st.sides, x)
	x.st.mu.Unlock()
	w := x.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sides = append(w.sides, x)
	l := w.calls[x.id]
	if l == nil {
		l = &callLog{id: x.id}
		w.calls[x.id] = l
	}
	if x.role == RoleCaller {
		l.caller = x
	} else {
		l.callees = append(l.callees, x)
	}
}

func (x *side) call() *Call { x.mu.Lock(); defer x.mu.Unlock(); return x.c }

func (x *side) state() State {
	if x.b != nil {
		return x.b.State()
	}
	return x.call().State()
}

func (x *side) isOver() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.over != nil || x.adopted || x.crashed
}
func (x *side) connected() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.seen["connected"] > 0 }

func (x *side) inPrep() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.prep }

// lateOpens are the results that came after "no answer".
func (x *side) lateOpens() int { return max(0, x.answers-x.asked) }

func (x *side) owesAnswer() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.requests > x.answered
}

func (x *side) crash() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over == nil && !x.adopted && !x.crashed {
		x.crashed, x.overAt = true, time.Now()
	}
}

func (x *side) ending() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.adopted {
		return "(adopted)"
	}
	if x.over == nil {
		return "(crashed)"
	}
	return x.over.Reason.String() + " " + x.over.Source.String()
}

// order is the automaton: whose event it is, what must have come before (one
// of), how often it may come (0: no matter), and what it may not come after.
var order = map[string]struct {
	role  Role // 0: both
	after string
	most  int
	until string
}{
	"waitConnected": {RoleCaller, "", 1, "connected"},
	"unreachable":   {RoleCaller, "", 1, "acknowledged|connected"},
	"acknowledged":  {RoleCaller, "waitConnected", 1, "connected"},
	"verified":      {RoleCallee, "", 1, "connected"},
	"connected":     {0, "waitConnected|verified", 1, ""},
	"prepared":      {0, "connected", 1, ""},
	"peerMuted":     {0, "connected", 0, ""},
	"peerUnmuted":   {0, "peerMuted", 0, ""},
	"muteRequested": {0, "connected", 0, ""},
	"peerHold":      {0, "connected", 0, ""},
	"peerUnhold":    {0, "peerHold", 0, ""},
	"openRequest":   {0, "connected", 0, ""},
	"openResult":    {0, "connected", 0, ""},
	"pathLost":      {0, "connected", 0, ""},
	"pathBack":      {0, "pathLost", 0, ""},
	"shortData":     {0, "connected", 0, ""},
	"shortResult":   {0, "connected", 0, ""},
	"adopted":       {RoleCallee, "", 1, "connected"},
	"disconnected":  {0, "", 1, ""},
}

// event takes one event through the automaton; then f, with the lock held.
func (x *side) event(name, detail string, f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.crashed {
		return
	}
	x.w.log("%s: %s %s", x.tag(), name, detail)
	o, known := order[name]
	any := func(names string) bool {
		for n := range strings.SplitSeq(names, "|") {
			if x.seen[n] > 0 {
				return true
			}
		}
		return false
	}
	switch {
	case !known:
		x.w.fail("%s: an event of no name: %s", x.tag(), name)
	case x.over != nil || x.adopted:
		x.w.fail("%s: %s after the last event", x.tag(), name)
	case o.role != 0 && o.role != x.role:
		x.w.fail("%s: %s is the other side's", x.tag(), name)
	case o.after != "" && !any(o.after):
		x.w.fail("%s: %s before %s", x.tag(), name, o.after)
	case o.until != "" && any(o.until):
		x.w.fail("%s: %s after %s", x.tag(), name, o.until)
	case o.most != 0 && x.seen[name] >= o.most:
		x.w.fail("%s: %s a second time", x.tag(), name)
	}
	x.seen[name]++
	if f != nil {
		f()
	}
}

// tag is String with the lock held.
func (x *side) tag() string { return fmt.Sprintf("%s as %s of %s", x.name, x.role, short(x.id)) }

// turn is an event that must change what was.
func (x *side) turn(name string, was *bool, to bool) {
	x.event(name, "", func() {
		if *was == to {
			x.w.fail("%s: %s changes nothing", x.tag(), name)
		}
		*was = to
	})
}

func (x *side) handler() Handler { return handlerOf(func(*Call) *side { return x }) }

// handlerOf gives each event to the side of its call.
func handlerOf(of func(*Call) *side) Handler {
	plain := func(name string) func(*Call) { return func(c *Call) { of(c).event(name, "", nil) } }
	turn := func(name string, which func(*side) *bool, to bool) func(*Call) {
		return func(c *Call) { x := of(c); x.turn(name, which(x), to) }
	}
	muted, held := func(x *side) *bool { return &x.peerMuted }, func(x *side) *bool { return &x.peerHeld }
	lost, prep := func(x *side) *bool { return &x.lost }, func(x *side) *bool { return &x.prep }
	return Handler{
		OnWaitConnected:              plain("waitConnected"),
		OnUnreachable:                plain("unreachable"),
		OnAcknowledged:               func(c *Call, d Address) { of(c).event("acknowledged", d.Device, nil) },
		OnVerified:                   func(c *Call, prep bool) { of(c).verified(c, prep) },
		OnConnected:                  func(c *Call, in, should bool) { of(c).connects(in, should) },
		OnPreparationFinished:        turn("prepared", prep, false),
		OnPeerMicMuted:               turn("peerMuted", muted, true),
		OnPeerMicUnmuted:             turn("peerUnmuted", muted, false),
		OnMyAudioMuteRequestedByPeer: plain("muteRequested"),
		OnPeerHold:                   func(c *Call, _ string) { turn("peerHold", held, true)(c) },
		OnPeerUnhold:                 turn("peerUnhold", held, false),
		OnOpenRequest:                func(c *Call) { x := of(c); x.event("openRequest", "", func() { x.requests++ }) },
		OnOpenResult:                 func(c *Call, ok bool, why string) { of(c).openResult(ok, why) },
		OnShortData:                  func(c *Call, typ string, data []byte) { of(c).shortData(typ, string(data)) },
		OnShortDataResult:            func(c *Call, id int64, ok bool) { of(c).shortResult(id, ok) },
		OnNetworkUnavailable: func(c *Call, _ bool, _ time.Duration) {
			turn("pathLost", lost, true)(c)
			of(c).w.count("path lost")
		},
		OnNetworkReavailable: func(c *Call) { turn("pathBack", lost, false)(c); of(c).w.count("path back") },
		OnDisconnected:       func(c *Call, d Disconnected) { of(c).disconnected(d) },
	}
}

func (x *side) verified(c *Call, prep bool) {
	gaveWay := x.gaveWay() // the Kit accepts by itself then
	x.event("verified", fmt.Sprint(prep), func() { x.accepted = gaveWay })
	if !x.st.plan.silent {
		x.rings(c.Ringing)
	}
	if x.st.plan.eager {
		x.do("accept", 0)
	}
}

// rings says so to the caller, and notes that it does.
func (x *side) rings(say func() bool) bool {
	ok := say()
	x.mu.Lock()
	defer x.mu.Unlock()
	if ok {
		if x.rangAt.IsZero() {
			x.rangAt = time.Now()
		}
		x.ringing = x.over == nil && !x.adopted
	}
	return ok
}

func (x *side) connects(in, should bool) {
	gaveWay := x.role == RoleCallee && x.gaveWay()
	x.event("connected", fmt.Sprint(in), func() {
		x.prep, x.ringing, x.connectedAt = in, false, time.Now()
		if should != (in && x.role == RoleCallee) {
			x.w.fail("%s: should finish: %v", x.tag(), should)
		}
		x.accepted = x.accepted || gaveWay
		if x.role == RoleCallee && !x.accepted {
			x.w.fail("%s: connected, and nobody accepted", x.tag())
		}
	})
	x.w.count("connected")
	if gaveWay {
		x.w.count("glare connected")
	}
}

// gaveWay: a call of this process to the peer made way for this one, or a call of the process that it took this one from.
func (x *side) gaveWay() bool {
	for _, o := range x.w.all() {
		mine := o.line == x.line || (x.adopts || x.heir) && o.st.user == x.st.user && o.st.device == x.st.device
		if mine && o.role == RoleCaller && o.peer == x.peer && o.over != nil && o.over.Reason == ReasonAlreadyGotACall {
			return true
		}
	}
	return false
}

// openResult: each request is told once how it went, or first that no answer
// came, and later that it was opened after all.
func (x *side) openResult(ok bool, why string) {
	x.event("openResult", fmt.Sprint(ok, why), func() {
		x.answers++
		if why == whyNoAnswer {
			x.unanswered++
		}
		if x.answers > x.asked+x.unanswered {
			x.w.fail("%s: %d results for %d open requests", x.tag(), x.answers, x.asked)
		}
		if ok {
			if x.opened++; x.opened > x.asked {
				x.w.fail("%s: opened %d times for %d requests", x.tag(), x.opened, x.asked)
			}
		}
	})
}

// shortData: what the other side sent, once.
func (x *side) shortData(typ, text string) {
	x.event("shortData", typ+" "+text, func() {
		if x.heard[text] {
			x.w.fail("%s: short data %q a second time", x.tag(), text)
		}
		x.heard[text] = true
	})
}

// shortResult: one for each that was sent; it is checked in the end that what
// was acknowledged was heard.
func (x *side) shortResult(id int64, ok bool) {
	x.event("shortResult", fmt.Sprint(id, ok), func() {
		if x.results[id] {
			x.w.fail("%s: a second result for short data %d", x.tag(), id)
		}
		x.results[id] = true
		if ok {
			x.acknowledged = append(x.acknowledged, id)
		}
	})
}

func (x *side) sendShort(c *Call, how int) bool {
	text := fmt.Sprintf("%s %d", x.name, time.Since(x.w.began))
	id, err := c.SendShortData("t", []byte(text))
	if err != nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent[id] = text
	return true
}

// backgroundHandler is the handler of a side that has a background call.
func (x *side) backgroundHandler() BackgroundHandler {
	return BackgroundHandler{
		OnVerified: func(b *BackgroundCall, prep bool) {
			x.event("verified", fmt.Sprint(prep), nil)
			if !x.st.plan.silent {
				x.rings(b.Ringing)
			}
		},
		OnError: func(_ *BackgroundCall, err error) {
			if !x.line.dead {
				x.w.fail("%s: %v", x, err)
			}
		},
		OnAdopted:      func(*BackgroundCall) { x.event("adopted", "", func() { x.adopted, x.ringing = true, false }) },
		OnDisconnected: func(_ *BackgroundCall, d Disconnected) { x.disconnected(d) },
	}
}

func (x *side) disconnected(d Disconnected) {
	x.event("disconnected", fmt.Sprint(d), func() {
		x.over, x.overAt, x.ringing = &d, time.Now(), false
		if d.ByRemote != (d.Source == x.role.Peer().source()) {
			x.w.fail("%s: %v: ByRemote", x.tag(), d)
		}
		if d.Source == SourceUndefined || d.Reason == ReasonUnknown {
			x.w.fail("%s: %v is no ending", x.tag(), d)
		}
	})
}

// do is a wish of this side's user; whether it was taken up.
func (x *side) do(what string, how int) (ok bool) {
	c := x.call()
	if c == nil && x.b == nil { // the event came before the method that starts the call returned
		return false
	}
	if x.b != nil {
		by := x.st
		if t := x.st.twin; t != nil && !t.dead && how&0x400 != 0 && !t.has(x.id) { // it may, after a glare
			by = t
		}
		return x.adopt(by, how)
	}
	switch what {
	case "accept":
		x.mu.Lock()
		was := x.accepted
		x.accepted = true // connected may come before Accept has returned
		x.mu.Unlock()
		ok = c.Accept(AcceptOptions{UseResponderPreparation: how&0x300 != 0})
		x.mu.Lock()
		x.accepted = was || ok
		x.ringing = x.ringing && !ok
		x.mu.Unlock()
		if ok && x.waits() {
			x.w.count("waiting accepted")
		}
	case "end":
		ok = c.End()
	case "endWith":
		var err error
		if ok, err = c.EndWith(EndOptions{UserCode: []string{"", "E7"}[how>>8&1], Phrase: "bye"}); err != nil {
			x.w.fail("%s: EndWith: %v", x, err)
		}
	case "ringing":
		ok = x.rings(c.Ringing)
	case "mute":
		ok = x.toggle(&x.muted, how&0x100 != 0, c.MyMediaStatus().Mute)
	case "hold":
		ok = x.toggle(&x.held, how&0x300 != 0, func(on bool) bool {
			if on {
				return c.Hold("why")
			}
			return c.Unhold()
		})
	case "open":
		x.mu.Lock()
		x.asked++ // its result may come before RequestOpen has returned
		x.mu.Unlock()
		if ok = c.RequestOpen(); !ok {
			x.mu.Lock()
			x.asked--
			x.mu.Unlock()
		}
	case "claimOpen":
		ok = c.ClaimOpen()
	case "answerOpen":
		ok = c.AnswerOpen(how&0x100 != 0, "")
		x.mu.Lock()
		if ok {
			x.answered++
		}
		x.mu.Unlock()
	case "shortData":
		ok = x.sendShort(c, how)
	case "muteRequest":
		ok = c.RequestPeerMute()
	case "silence":
		ok = x.toggle(&x.silenced, how&0x100 != 0, c.SilencePeer)
	case "finishPreparation":
		ok = c.FinishPreparation()
	case "activate":
		if ok = c.NotifyAudioActivation(); ok {
			x.mu.Lock()
			x.activated = true
			x.mu.Unlock()
		}
	case "levels":
		c.ReportLevel(how % 100)
		c.ReportPeerLevel(how % 90)
		c.WriteFrame([]byte{1}, 960)
		c.Statistics()
	}
	x.w.log("%s: %s: %v", x, what, ok)
	return ok
}

func (x *side) toggle(v *bool, on bool, f func(bool) bool) bool {
	ok := f(on)
	x.mu.Lock()
	defer x.mu.Unlock()
	if ok {
		*v = on
	}
	return ok
}

// waits: another call of this station is connected.
func (x *side) waits() bool {
	for _, o := range x.w.all() {
		if o != x && o.line == x.line && o.connected() && !o.isOver() {
			return true
		}
	}
	return false
}

func (x *side) waitsInBackground() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b != nil && x.over == nil && !x.adopted && !x.crashed
}

// adopt makes a full call of a background call, or of one that a killed process
// has left, in a process of its device.
func (x *side) adopt(by *simStation, how int) bool {
	for _, o := range x.w.all() { // the survivor of a glare waits in two processes: by takes its own
		if o.line == by.line && o.id == x.id && o.waitsInBackground() {
			x = o
		}
	}
	n := by.side(by.line, RoleCallee, x.id)
	n.peer, n.activation, n.adopts = x.peer, x.activation, true
	n.activated = !x.activation
	orphan := x.isOver()
	c, err := by.kit.AdoptBackgroundCall(x.id, n.handler())
	x.w.log("%s: adopted by %s: %v", x, by.name, err)
	if err != nil {
		if !n.line.dead && !errors.Is(err, StartAlreadyExist) && !errors.Is(err, ErrEnded) && !errors.Is(err, ErrAlreadyAdopted) && !errors.Is(err, StartNotInitialized) &&
			!(by != x.st && (errors.Is(err, ErrNoSuchCall) || errors.Is(err, errOwned))) { // not written yet; it dies in this moment
			x.w.fail("%s: adopt: %v", x, err)
		}
		return false
	}
	c.kit.mu.Lock()
	verified, accepts := c.s.quiet, c.acceptsItself
	c.kit.mu.Unlock()
	n.mu.Lock()
	if verified {
		n.seen["verified"] = 1
	}
	n.accepted = n.accepted || accepts
	n.mu.Unlock()
	n.enter(c)
	switch {
	case orphan:
		x.w.count("adopt of a dead process")
	case by != x.st:
		x.w.count("adopt in another process")
	default:
		x.w.count("adopt")
	}
	if how&0x100 != 0 {
		n.do("accept", how)
	}
	return true
}

// same: what this side knows of the other is so, and voice takes its way.
func (x *side) same(o *side) {
	x.mu.Lock()
	o.mu.Lock()
	defer x.mu.Unlock()
	defer o.mu.Unlock()
	if x.peerMuted != o.muted {
		x.w.fail("%s believes its peer muted: %v, %s is %v", x.tag(), x.peerMuted, o.tag(), o.muted)
	}
	c := x.c
	c.kit.mu.Lock()
	held, openTries := c.s.held, c.s.openTries
	c.kit.mu.Unlock()
	if o.peerHeld != held {
		x.w.fail("%s holds: %v, %s believes %v", x.tag(), held, o.tag(), o.peerHeld)
	}
	if x.prep != o.prep {
		x.w.fail("%s in preparation: %v, %s: %v", x.tag(), x.prep, o.tag(), o.prep)
	}
	if x.lost {
		x.w.fail("%s has no path in a whole network", x.tag())
	}
	if o.requests > x.asked {
		x.w.fail("%s asked %d times to open, %s heard %d", x.tag(), x.asked, o.tag(), o.requests)
	}
	if openTries == 0 && x.answers-x.lateOpens() != x.asked {
		x.w.fail("%s asked %d times to open and had %d results", x.tag(), x.asked, x.answers)
	}
	s, _ := (*c.chosen.Load()).(*simSession)
	talk := x.activated && !x.prep && !held && !x.peerHeld && !x.muted
	listen := o.activated && !o.prep && !x.peerHeld && !held && !o.silenced
	before := s.peer.frames
	if sent := c.WriteFrame([]byte{1}, 960); sent != talk {
		x.w.fail("%s: a frame left: %v, want %v", x.tag(), sent, talk)
	}
	if got := s.peer.frames > before; got != (talk && listen) {
		x.w.fail("%s to %s: a frame arrived: %v, want %v", x.tag(), o.tag(), got, talk && listen)
	}
}

const ghostLimit = 6 * time.Second

// ghost: no ring sounds for longer than this after its caller ended or died.
func (x *side) ghost() {
	x.mu.Lock()
	id, rings := x.id, x.ringing && x.over == nil && !x.crashed
	x.mu.Unlock()
	if !rings {
		return
	}
	if x.state() != StateVerified {
		return
	}
	x.w.mu.Lock()
	caller := x.w.calls[id].caller
	x.w.mu.Unlock()
	if caller == nil {
		return
	}
	caller.mu.Lock()
	at := caller.overAt
	caller.mu.Unlock()
	if !at.IsZero() && time.Since(at) > ghostLimit {
		x.w.fail("%s still rings %v after its caller was gone", x, time.Since(at))
	}
}

// forgotten: an ended call holds no timer and no session.
func (x *side) forgotten() {
	c := x.c
	if x.b != nil {
		c = x.b.c
	}
	if x.crashed {
		return
	}
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	if len(c.timers) != 0 || len(c.sessions) != 0 || c.levels != nil || c.chosen.Load() != nil {
		x.w.fail("%s: %d timers and %d sessions are left", x, len(c.timers), len(c.sessions))
	}
}

// complete: each call that did not crash has had its one end and one record.
func (x *side) complete() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.crashed {
		return
	}
	if x.answered > x.requests {
		x.w.fail("%s: AnswerOpen was taken %d times for %d requests", x.tag(), x.answered, x.requests)
	}
	if len(x.results) != len(x.sent) {
		x.w.fail("%s: %d results for %d short data", x.tag(), len(x.results), len(x.sent))
	}
	for _, id := range x.acknowledged {
		if !x.w.heard(x.id, x.sent[id]) {
			x.w.fail("%s: %q was acknowledged, and nobody had it", x.tag(), x.sent[id])
		}
	}
	if x.adopted {
		return
	}
	switch {
	case x.over == nil || x.seen["disconnected"] != 1:
		x.w.fail("%s had OnDisconnected %d times", x.tag(), x.seen["disconnected"])
	case len(x.records) == 2 && x.records[0].Disconnected.Reason == ReasonBusy && !x.w.plan.quiet: // it was busy at first, and its pushes were lost for 5 s
		x.records = x.records[1:]
	}
	switch {
	case x.over == nil:
	case len(x.records) != 1:
		x.w.fail("%s left %d records", x.tag(), len(x.records))
	case x.records[0].Disconnected != *x.over:
		x.w.fail("%s: record says %v, OnDisconnected %v", x.tag(), x.records[0].Disconnected, *x.over)
	}
}
