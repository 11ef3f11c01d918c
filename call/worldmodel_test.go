package call

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// stationNames are the stations of every world: user and device. The first
// calls most. The last is a second process of the kitchen's device: it calls,
// adopts what that one has, and rings by itself if it is so planned and there is
// a journal, where the two meet.
var stationNames = [][2]string{{"door", "d1"}, {"home", "kitchen"}, {"home", "hall"}, {"gate", "g1"}, {"home", "kitchen"}}

const theKitchen, itsApp = 1, 4

// simWorld is one world, and what its stations' applications saw.
type simWorld struct {
	plan     plan
	dir      string // of the journals; "": none
	pipes    pipes
	turns    map[string]chan struct{}
	sim      *sim
	began    time.Time
	stations []*simStation

	mu     sync.Mutex
	lines  []string
	faults []string // promises that were broken
	calls  map[string]*callLog
	sides  []*side
	groups []*groupLog
	did    map[string]int
	ends   map[string]int // by pair of reasons
}

// turn is one for all journals of a device: processes that wait for the folder's
// lock, each a little, would make a world another one each time.
func (w *simWorld) turn(device string) chan struct{} {
	if w.turns[device] == nil {
		w.turns[device] = make(chan struct{}, 1)
	}
	return w.turns[device]
}

// callLog is one call with all its sides.
type callLog struct {
	id      string
	caller  *side
	callees []*side
}

func (w *simWorld) log(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf("%9.3f ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

func (w *simWorld) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.log("BROKEN: %s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.faults) < 5 {
		w.faults = append(w.faults, text)
	}
}

func (w *simWorld) count(kind string) { w.mu.Lock(); w.did[kind]++; w.mu.Unlock() }

func (w *simWorld) counted(kind string) int { w.mu.Lock(); defer w.mu.Unlock(); return w.did[kind] }

func (w *simWorld) story() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "\n")
}

// simStation is a device and the application on it.
type simStation struct {
	w            *simWorld
	name         string
	user, device string
	plan         stationPlan
	app          bool        // a second process of its device
	twin         *simStation // the other process of its device; nil: none
	life         int

	// of the present life
	line      *line
	kit       *Kit
	dead      bool
	elsewhere uint64 // pushes of calls that another process of the device has

	mu      sync.Mutex
	pending []string // cc_params that a slow application has yet to verify
	sides   []*side
}

func newSimStation(w *simWorld, i int) *simStation {
	s := &simStation{w: w, user: stationNames[i][0], device: stationNames[i][1], plan: w.plan.stations[i], app: i == itsApp}
	if s.app {
		s.twin = w.stations[theKitchen]
		s.twin.twin, s.plan.journal = s, s.twin.plan.journal
		s.plan.rings = s.plan.rings && s.plan.journal
	}
	s.start()
	return s
}

func (s *simStation) start() {
	s.life++
	s.name = fmt.Sprintf("%s#%d", s.device, s.life)
	if s.app {
		s.name = fmt.Sprintf("%s-app#%d", s.device, s.life)
	}
	s.dead, s.elsewhere = false, 0
	s.line = s.w.sim.line(Address{"house", s.user, s.device, strings.ReplaceAll(s.name, "#", ".")})
	line := s.line
	k, err := NewKit(Config{
		Self: line.self, Transport: line, Sealer: plainSealer{}, Media: line,
		OnPush:        func(cc string) { s.pushed(line, cc) },
		OnRecord:      func(r Record) { s.recorded(line, r) },
		NoCallWaiting: s.plan.noWaiting, AcceptEndsOther: s.plan.endsOther, JournalIncoming: !s.app || s.plan.kept,
	})
	if err == nil && s.plan.journal && s.w.dir != "" {
		err = s.w.pipes.keepIn(k, filepath.Join(s.w.dir, s.device), func(j *journal) {
			j.sync = func(*os.File) error { time.Sleep(s.plan.disk); return nil }
			j.turn = s.w.turn(s.device)
		})
	}
	if err != nil {
		panic(err)
	}
	s.w.sim.join(line)
	s.mu.Lock()
	s.kit, s.pending = k, nil
	s.mu.Unlock()
}

// shut ends the station's life in good order.
func (s *simStation) shut(how func(*Kit) error) {
	if s.dead {
		return
	}
	if err := how(s.kit); err != nil {
		s.w.fail("%s: close: %v", s.name, err)
	}
	s.settled(s.line, "when Close returned")
	s.dead = true
	s.line.die()
}

// crash is a power cut: nothing more leaves or arrives; what the Kit does from
// now on in its memory is nobody's business.
func (s *simStation) crash() {
	if s.dead {
		return
	}
	s.mu.Lock()
	for _, x := range s.sides {
		x.crash()
	}
	s.mu.Unlock()
	s.dead = true
	s.line.die()
	if j := s.kit.journal; j != nil {
		if err := s.w.pipes.kill(j); err != nil {
			s.w.fail("%s: journal: %v", s.name, err)
		}
	}
	s.kit.Close()
}

func (s *simStation) pushed(l *line, cc string) {
	if s.app && !s.plan.rings {
		return
	}
	if s.plan.slow {
		s.mu.Lock()
		s.pending = append(s.pending, cc)
		s.mu.Unlock()
		return
	}
	s.verify(l, cc)
}

// verifyLate verifies what a slow application has waiting.
func (s *simStation) verifyLate() {
	s.mu.Lock()
	list := s.pending
	s.pending = nil
	s.mu.Unlock()
	for _, cc := range list {
		s.verify(s.line, cc)
		s.w.count("verify")
	}
}

func (s *simStation) verify(l *line, text string) {
	p, err := ParseCCParam(text)
	if err != nil {
		s.w.fail("%s: bad cc_param: %v", s.name, err)
		return
	}
	x := s.side(l, RoleCallee, p.CallID())
	x.peer = p.Caller().User
	s.kit.mu.Lock()
	_, x.heir = s.kit.others[x.id]
	s.kit.mu.Unlock()
	if s.plan.background {
		s.verifyBackground(x, p)
		return
	}
	c, err := s.kit.VerifyCall(VerifyCallParam{MyUserID: s.user, MyServiceID: "house", CCParam: p, AudioActivationByUser: x.byUser(), MicNoSourceTimeout: x.micTimeout()}, x.handler())
	if err != nil {
		s.refused("verify", err)
		return
	}
	s.w.tookUp(x)
	x.enter(c)
}

func (s *simStation) verifyBackground(x *side, p CCParam) {
	b, err := s.kit.VerifyBackgroundCall(VerifyCallParam{MyUserID: s.user, MyServiceID: "house", CCParam: p, AudioActivationByUser: x.byUser()}, x.backgroundHandler())
	if err != nil {
		s.refused("verify in background", err)
		return
	}
	s.w.tookUp(x)
	x.mu.Lock()
	x.b = b
	x.mu.Unlock()
	s.w.count("background")
	x.list()
}

// has reports whether this process has a call.
func (s *simStation) has(id string) bool {
	s.kit.mu.Lock()
	defer s.kit.mu.Unlock()
	return s.kit.calls[id] != nil
}

func (s *simStation) refused(what string, err error) {
	s.w.log("%s: %s: %v", s.name, what, StartReason(err))
	switch StartReason(err) {
	case StartNotInitialized, StartReuse, StartAlreadyExist:
	case StartInvalidState:
		s.w.count("refused a call elsewhere")
	default:
		s.w.fail("%s: %s: %v", s.name, what, err)
	}
}

// tookUp counts a push that was verified in the place of another process of the device.
func (w *simWorld) tookUp(x *side) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls[x.id] == nil {
		return
	}
	other := false
	for _, o := range w.calls[x.id].callees {
		if o.line == x.line && o.adopted {
			w.did["verify of a call that came back"]++
			return
		}
		other = other || o.device() == x.device() && o.crashed
	}
	if other {
		w.did["verify of a dead process"]++
	}
}

// adoptPending adopts a call that PendingBackgroundCalls tells of: a background
// call of this process or of the other one of this device, or one that a killed
// process has left.
func (s *simStation) adoptPending(how int) bool {
	ids, err := s.kit.PendingBackgroundCalls()
	if err != nil {
		s.w.fail("%s: pending: %v", s.name, err)
	}
	if len(ids) == 0 {
		return false
	}
	id := ids[how%len(ids)]
	s.w.mu.Lock()
	var last *side
	for _, x := range s.w.calls[id].callees {
		if x.st.user == s.user && x.st.device == s.device {
			last = x
		}
	}
	s.w.mu.Unlock()
	return last.adopt(s, how)
}

// make calls a user; how chooses whom and with what options.
func (s *simStation) make(how int) {
	users := []string{"home", "home", "door", "gate"}
	to := users[how%len(users)]
	if to == s.user {
		to = users[(how+2)%len(users)]
	}
	if to == s.user {
		return
	}
	p := MakeCallParam{
		MyUserID: s.user, MyServiceID: "house", PeerUserID: to, PeerServiceID: "house", AccessToken: "token",
		UseResponderPreparation: how&0x600 != 0, DeclineOnlyDevice: how&0x20 != 0,
		RingTime: []time.Duration{0, 20 * time.Second}[how>>6&1],
	}
	x := s.side(s.line, RoleCaller, "")
	x.peer = to
	p.MicNoSourceTimeout = x.micTimeout()
	if how&0x180 == 0 {
		p.TalkLimit = 10 * time.Second
	}
	p.AudioActivationByUser = x.byUser()
	c, err := s.kit.MakeCall(p, x.handler())
	if err != nil {
		if r := StartReason(err); r != StartAlreadyExist {
			s.w.fail("%s: make: %v", s.name, err)
		}
		return
	}
	x.enter(c)
	s.w.count("make")
	s.glare(to)
}

// glare counts calls that meet one of the other user's.
func (s *simStation) glare(to string) {
	for _, o := range s.w.live() {
		if o.role == RoleCaller && o.peer == s.user && o.st.user == to && !o.connected() {
			s.w.count("glare tried")
		}
	}
}

// makeGroup rings the other users, at once or one after the other.
func (s *simStation) makeGroup(how int) {
	var members []GroupMember
	for i, u := range []string{"home", "gate", "door"} {
		if u != s.user {
			members = append(members, GroupMember{UserID: u, After: time.Duration(i*(how>>4%3)*4) * time.Second})
		}
	}
	p := MakeCallParam{MyUserID: s.user, MyServiceID: "house", AccessToken: "token", PeerServiceID: "house", RingTime: 20 * time.Second}
	line, g := s.line, &groupLog{sides: map[*Call]*side{}}
	h := GroupHandler{
		Handler: handlerOf(g.side),
		OnCall: func(c *Call) {
			x := s.side(line, RoleCaller, c.ID())
			x.peer, x.activated, x.activation = c.Peer().User, true, false
			g.add(c, x)
			x.enter(c)
		},
		OnOver: func(_ *Group, d Disconnected) { g.end(s, d) },
	}
	if _, err := s.kit.MakeGroupCall(p, members, h); err != nil {
		if r := StartReason(err); r != StartAlreadyExist {
			s.w.fail("%s: make group: %v", s.name, err)
		}
		return
	}
	s.w.mu.Lock()
	s.w.groups = append(s.w.groups, g)
	s.w.mu.Unlock()
	s.w.count("makeGroup")
}

// groupLog is a ring group as its application sees it.
type groupLog struct {
	mu    sync.Mutex
	sides map[*Call]*side
	overs int
}

func (g *groupLog) side(c *Call) *side   { g.mu.Lock(); defer g.mu.Unlock(); return g.sides[c] }
func (g *groupLog) add(c *Call, x *side) { g.mu.Lock(); defer g.mu.Unlock(); g.sides[c] = x }
func (g *groupLog) list() (list []*side) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, x := range g.sides {
		list = append(list, x)
	}
	return list
}

// end is the group's last event: its calls have had theirs.
func (g *groupLog) end(s *simStation, d Disconnected) {
	g.mu.Lock()
	g.overs++
	g.mu.Unlock()
	for _, x := range g.list() {
		if !x.isOver() {
			s.w.fail("%s: its group ended %v before it", x, d)
		}
	}
}

func (g *groupLog) complete(w *simWorld) {
	connected, crashed := 0, false
	list := g.list()
	for _, x := range list {
		crashed = crashed || x.crashed
		if x.connected() {
			connected++
		}
	}
	if connected > 1 {
		w.fail("%d calls of a group connected", connected)
	}
	if g.overs != 1 && !crashed {
		w.fail("a group of %d calls had OnOver %d times", len(list), g.overs)
	}
}

// pick is one of the calls that there are: most often one that can do what is
// wanted, whoever's it is.
func (w *simWorld) pick(st *simStation, s stepPlan) *side {
	var any, fit []*side
	for _, x := range w.live() {
		if x.st == st {
			any = append(any, x)
		}
		if x.b != nil {
			if s.what == "accept" || s.what == "adopt" {
				fit = append(fit, x)
			}
			continue
		}
		state := x.state()
		switch s.what {
		case "accept", "ringing":
			if state == StateVerified {
				fit = append(fit, x)
			}
		case "finishPreparation":
			if x.role == RoleCallee && x.inPrep() {
				fit = append(fit, x)
			}
		case "claimOpen", "answerOpen":
			if x.owesAnswer() {
				fit = append(fit, x)
			}
		case "end", "endWith":
			fit = append(fit, x)
		default:
			if state == StateConnected {
				fit = append(fit, x)
			}
		}
	}
	if s.how%5 == 0 || len(fit) == 0 {
		fit = any
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[s.who%len(fit)]
}

func (s *simStation) recorded(l *line, r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.sides {
		if x.line == l && x.id == r.CallID && !x.wasAdopted() {
			x.mu.Lock()
			x.records = append(x.records, r)
			x.mu.Unlock()
		}
	}
}

// settled checks that what a line's calls were promised at their end is kept.
func (s *simStation) settled(l *line, when string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.sides {
		if x.line == l && !x.isOver() {
			s.w.fail("%s: %s the call had no OnDisconnected", x, when)
		}
	}
}

// watch looks at the whole world between two steps.
func (w *simWorld) watch() {
	for _, s := range w.stations {
		if s.dead {
			continue
		}
		s.kit.mu.Lock()
		live, _ := s.kit.live()
		bug, elsewhere := s.kit.counters["bug"], s.kit.counters["elsewhere"]
		remembered := max(len(s.kit.used), len(s.kit.known), len(s.kit.told), len(s.kit.seen.ids))
		calls := len(s.kit.calls)
		var sounding, open int
		for _, c := range s.kit.calls {
			if c.s.active() {
				open++
			}
			if c.background == nil && c.role == RoleCallee && c.s.phase == StateVerified && c.s.ringing && !c.s.accepting && !c.s.ending {
				sounding++
			}
			w.oneLeg(s, c)
			for n, x := range c.sessions {
				if m, ok := x.(*simSession); ok && n != c.s.chosen {
					w.gateShut(s, m)
				}
			}
		}
		s.kit.mu.Unlock()
		if elsewhere > s.elsewhere {
			w.count("heard of a call elsewhere")
		}
		s.elsewhere = elsewhere
		if live > 2 {
			w.fail("%s has %d calls at once", s.name, live)
		}
		if open > 1 {
			w.fail("%s: %d calls have the microphone", s.name, open)
		}
		if sounding > 1 {
			w.fail("%s: %d calls ring", s.name, sounding)
		}
		if bug > 0 {
			w.fail("%s: the Kit caught a bug", s.name)
		}
		if remembered > maxRemembered || calls > maxCalls {
			w.fail("%s remembers %d, calls %d", s.name, remembered, calls)
		}
	}
	w.oneRing()
	for _, x := range w.all() {
		x.ghost()
	}
}

// oneLeg: a caller has one leg of a device, however many of its processes heard
// the push, and however often the call changes hands there; but for what a
// killed process has left, of which nobody can know, and for the survivor of a
// glare beside what another process had.
func (w *simWorld) oneLeg(s *simStation, c *Call) {
	legs := map[string][]Address{}
	for _, l := range c.s.legs {
		if c.role == RoleCaller && !l.over && !w.sim.gone(l.addr) && !w.survived(l.addr, c.id) {
			legs[l.addr.Device] = append(legs[l.addr.Device], l.addr)
		}
	}
	for _, list := range legs {
		if len(list) > 1 {
			w.fail("%s has %d legs of one device in %s: %v", s.name, len(list), short(c.id), list)
		}
	}
}

// survived reports whether a process's call came through a glare.
func (w *simWorld) survived(a Address, id string) bool {
	for _, s := range w.stations {
		if s.line.self == a {
			s.kit.mu.Lock()
			defer s.kit.mu.Unlock()
			c := s.kit.calls[id]
			return c != nil && c.acceptsItself
		}
	}
	return false
}

// oneRing: no call is with two processes of a device that live and have a
// journal, but for the survivor of a glare.
func (w *simWorld) oneRing() {
	has := map[string]*simStation{}
	for _, s := range w.stations {
		if s.dead || s.kit.journal == nil {
			continue
		}
		s.kit.mu.Lock()
		for id, c := range s.kit.calls {
			if c.role != RoleCallee || c.s.phase == StateDisconnected || c.acceptsItself {
				continue
			}
			if o := has[s.device+id]; o != nil {
				w.fail("%s has %s, as %s", s.name, short(id), o.name)
			}
			has[s.device+id] = s
		}
		s.kit.mu.Unlock()
	}
}

func (w *simWorld) gateShut(s *simStation, m *simSession) {
	defer m.lock()()
	if m.send || m.receive {
		w.fail("%s: a gate is open that is not the chosen device's", s.name)
	}
}

// live are the sides that are not over.
func (w *simWorld) live() []*side {
	return slices.DeleteFunc(w.all(), (*side).isOver)
}

func (w *simWorld) all() []*side { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.sides) }

// passWatching lets time go by under watch.
func (w *simWorld) passWatching(d time.Duration) {
	for ; d > 0; d -= time.Second {
		pass(min(d, time.Second))
		w.watch()
	}
}

// finish heals the network, sees to it that what is connected is connected at
// both ends, ends it, and waits for all that rings.
func (w *simWorld) finish() {
	w.log("-- all is healed")
	w.sim.heal()
	w.passWatching(graceTime + 6*time.Second)
	for _, id := range w.ids() {
		w.agree(w.calls[id])
	}
	for i := range (DefaultRingTime + graceTime) / time.Second {
		for j, x := range w.live() { // also what an eager application accepts now
			if x.connected() && (int(i)+j)%2 == 0 {
				x.call().End()
			}
		}
		w.passWatching(time.Second)
	}
	for _, x := range w.all() {
		if !x.isOver() {
			w.fail("%s is stuck in %v after ring time and grace", x, x.state())
		}
	}
	for _, id := range w.ids() {
		w.endsOf(w.calls[id])
	}
	pass(2*DefaultRingTime + time.Second)
	for _, s := range w.stations {
		if s.dead {
			continue
		}
		s.kit.mu.Lock()
		if n := len(s.kit.calls); n != 0 {
			w.fail("%s keeps %d calls", s.name, n)
		}
		s.kit.mu.Unlock()
	}
	for _, x := range w.all() {
		x.forgotten()
	}
	w.sim.mu.Lock()
	defer w.sim.mu.Unlock()
	for _, s := range w.sim.sessions {
		if !s.line.dead {
			w.fail("a media session of %v is left", s.line.self)
		}
	}
}

// after checks what holds once every Kit is closed.
func (w *simWorld) after() {
	synctest.Wait()
	for _, x := range w.all() {
		x.complete()
	}
	for _, g := range w.groups {
		g.complete(w)
	}
}

func (w *simWorld) ids() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]string, 0, len(w.calls))
	for id := range w.calls {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// agree: in a whole network, after the grace time, who is connected is
// connected with one other, who is so too, and both know the same.
func (w *simWorld) agree(c *callLog) {
	var talking []*side
	if c.caller.fresh() || slices.ContainsFunc(c.callees, (*side).fresh) {
		return // an eager application has just accepted
	}
	for _, x := range c.callees {
		if !x.isOver() && x.connected() {
			talking = append(talking, x)
		}
	}
	callerTalks := !c.caller.isOver() && c.caller.connected()
	switch {
	case len(talking) > 1:
		w.fail("%s: %d devices are connected: %v", short(c.id), len(talking), talking)
	case len(talking) == 1 && !callerTalks:
		w.fail("%s is connected, its caller is not: %v", talking[0], c.caller)
	case len(talking) == 0 && callerTalks:
		w.fail("%s is connected to nobody", c.caller)
	case len(talking) == 1:
		c.caller.same(talking[0])
		talking[0].same(c.caller)
	}
}

func short(id string) string { return id[:min(6, len(id))] }

// endsOf counts a call's endings and holds each pair against the model's table.
func (w *simWorld) endsOf(c *callLog) {
	first := c.caller.ending()
	if len(c.callees) == 0 {
		w.ends[first+" / (none)"]++
	}
	answered := 0
	for _, x := range c.callees {
		second := x.ending()
		w.ends[first+" / "+second]++
		if !x.adopted && !w.mayEnd(c, x) {
			w.fail("%s ended %s, its caller %s", x, second, first)
		}
		if x.connected() {
			answered++
		}
	}
	if f := c.caller.over; w.plan.quiet && f != nil && (f.Reason == ReasonUnavailableNetwork || f.Reason == ReasonPushError && slices.ContainsFunc(c.callees, func(x *side) bool { return x.rangOn(c.caller) })) {
		w.fail("%s ended %s in a quiet world: %v", c.caller, first, c.callees)
	}
	if !w.mayHear(c) {
		w.fail("%s was told %s, and no device did that", c.caller, first)
	}
	if answered > 1 {
		w.fail("%s was answered by %d devices", short(c.id), answered)
	}
}

// mayEnd is the model's table of endings: what a device may have been told
// where its caller ended in a certain way. In a quiet world both ends tell the
// same, unless the device was not the only one; where messages get lost, a side
// may have to decide alone, but nobody is ever told an ending that the other
// side did not make.
func (w *simWorld) mayEnd(c *callLog, x *side) bool {
	if x.over == nil {
		return true // it crashed
	}
	d, f := *x.over, Disconnected{}
	if c.caller.over != nil {
		f = *c.caller.over
	}
	verified := x.seen["verified"] > 0
	if d.Reason == f.Reason && d.Source == f.Source {
		return d.UserCode == f.UserCode && d.Phrase == f.Phrase || d.Source == SourceCallee && len(c.callees) > 1
	}
	switch {
	case d.Reason == ReasonAlreadyGotACall: // of a device that is in the other call, and says so itself
		return w.plan.quiet == false || x.connected()
	case d.Reason == ReasonMultiDeviceAnswer:
		return c.caller.connected() && !x.connected()
	case d.Reason == ReasonMultiDeviceDecline:
		return f.Reason == ReasonDecline && f.Source == SourceCallee
	case d.Reason == ReasonReleasedCall && (f.Reason == ReasonPushError || f.Reason == ReasonUnavailableNetwork):
		return true
	case d.Reason == ReasonReleasedCall: // over before the live check; or the lease ran out
		return !verified || x.adopts && !x.connected() || !w.plan.quiet && !x.connected()
	case d.Source == SourceCallee && !x.connected() && len(c.callees) > 1: // the others rang on
		return true
	case d.Source == SourceCallee && (x.line.dead || c.caller.line.dead): // closed: no time to wait for the caller's word
		return true
	case w.plan.quiet:
		return false
	case d.Reason == ReasonUnavailableNetwork:
		return (x.accepted || x.gaveWay()) && !x.connected()
	case d.Reason == ReasonNetworkUnstable:
		return x.connected()
	case d.Reason == ReasonNoAnswer:
		return !x.connected() && (!x.accepted || x.gaveWay())
	case d.Reason == ReasonAuthError || d.Reason == ReasonInternalError:
		return true
	}
	return d.Source == SourceCallee
}

// heard: somebody got this short data.
func (w *simWorld) heard(id, text string) bool {
	c := w.calls[id]
	return c.caller.heard[text] || slices.ContainsFunc(c.callees, func(x *side) bool { return x.heard[text] })
}

// mayHear: what a caller was told that a callee did, one of them did.
func (w *simWorld) mayHear(c *callLog) bool {
	if c.caller.over == nil || c.caller.over.Source != SourceCallee || c.caller.over.Reason == ReasonBusy {
		return true
	}
	f := *c.caller.over
	if f.Reason == ReasonInternalError && !w.plan.quiet { // the preparation's limit, which both ends keep
		return true
	}
	return slices.ContainsFunc(c.callees, func(x *side) bool {
		if x.adopted {
			return false
		}
		if x.crashed { // it may have asked for it before
			return true
		}
		d := *x.over
		crossed := f.Reason == ReasonNormal && d.Reason == ReasonDecline && x.accepted && (!w.plan.quiet || x.line.dead) // closed: no time to wait for the caller's word
		return d.Source == f.Source && (d.Reason == f.Reason || crossed) && d.Phrase == f.Phrase
	})
}
