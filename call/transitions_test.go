package call

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/transitions.txt anew")

const transitionsFile = "testdata/transitions.txt"

// TestTransitions holds the step function against its table, in
// testdata/transitions.txt: what each of these states makes of each event. All
// but the states and events that are named below is generated; a change of the
// machine shows there as a change of lines, to be read like code:
//
//	go test ./call -run Transitions -update && git diff call/testdata
//
// Of a state that is like one before, the events are written that it takes
// otherwise; what is not written, and not for that one, is ignored.
func TestTransitions(t *testing.T) {
	var b strings.Builder
	rows := map[string]map[string]string{}
	for _, s := range tableStates() {
		key := s.state.role.String() + " " + s.name
		fmt.Fprintf(&b, "# %s", key)
		base := rows[s.state.role.String()+" "+s.after]
		if base != nil {
			fmt.Fprintf(&b, ", as %q but for:", s.after)
		}
		b.WriteByte('\n')
		rows[key] = map[string]string{}
		before := show(s.state)
		for _, e := range tableEvents(s) {
			row := tableRow(s, e)
			rows[key][e.name] = row
			if strings.HasPrefix(row, "REFUSED") {
				t.Errorf("%s: %s → %s", key, e.name, row)
			}
			switch was, ok := base[e.name]; {
			case row == was, !ok && row == "ignored":
			default:
				fmt.Fprintf(&b, "%s → %s\n", e.name, row)
			}
		}
		if got := show(s.state); got != before {
			t.Errorf("%s: step wrote into the state that it was given:\n%s\n%s", key, before, got)
		}
		b.WriteByte('\n')
	}
	if *update {
		if err := os.WriteFile(transitionsFile, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(transitionsFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); d != "" {
		t.Errorf("the table changed; if that is meant: go test ./call -run Transitions -update (-want +got):\n%s", d)
	}
}

// tableRow tells what a state makes of an event.
func tableRow(s namedState, e namedEvent) string {
	next, acts, ok := step(s.state, e.event)
	var parts []string
	if change := changes(s.state, next); change != "" {
		parts = append(parts, change)
	}
	for _, a := range acts {
		parts = append(parts, showAction(a))
	}
	switch text := strings.Join(parts, "; "); {
	case ok && text == "":
		return "taken"
	case ok:
		return text
	case text == "":
		return "ignored"
	case onlyHeard(s.state, next, acts):
		return "only heard; " + text
	default:
		return "REFUSED, and done all the same: " + text
	}
}

// onlyHeard: nothing but the lease has changed; whatever the caller says prolongs it.
func onlyHeard(s, next state, acts []action) bool {
	next.caller = s.caller
	return changes(s, next) == "" && !slices.ContainsFunc(acts, func(a action) bool {
		t, ok := a.(actTimer)
		return !ok || t.kind != timerLease
	})
}

// The people of the table: the caller's device, two devices of the callee, the
// second one's next process, and somebody else.
var (
	atDoor    = Address{"house", "door", "d1", "s1"}
	atKitchen = Address{"house", "home", "kitchen", "s1"}
	atHall    = Address{"house", "home", "hall", "s1"}
	atHall2   = Address{"house", "home", "hall", "s2"}
	atSpy     = Address{"house", "spy", "x", "s1"}
)

// namedState is a state and which timers run in it: no other can expire.
type namedState struct {
	name   string
	after  string // the state that it comes from, or is like
	state  state
	timers map[timerKind]bool
}

// apply is step, with the timers.
func (s namedState) apply(e any) (namedState, bool) {
	next, acts, ok := step(s.state, e)
	timers := maps.Clone(s.timers)
	if t, ok := e.(evTimer); ok {
		delete(timers, t.kind)
	}
	for _, a := range acts {
		switch a := a.(type) {
		case actTimer:
			timers[a.kind] = true
		case actStop:
			delete(timers, a.kind)
		case actStopAll:
			clear(timers)
		}
	}
	return namedState{s.name, s.after, next, timers}, ok
}

type namedEvent struct {
	name  string
	event any
}

func from(a Address, bind string, t MessageType, body any) evMessage {
	return evMessage{a, bind, t, body, 10 * time.Second}
}

// like names what a state is compared with, where that is not the one before.
var like = map[string]string{
	"caller rings at two, only device": "rings at two", "caller the first of two declined": "one of two declined", "caller connected": "", "caller stands, no preparation": "stands", "caller out before it asked": "busy", "caller connected without a path": "connected",
	"caller connected, not activated": "connected", "caller connected, muted before": "connected", "caller in preparation": "connected",
	"caller connected, answered by one of two": "connected", "caller over: its own end": "", "caller over: cancelled at two": "over: its own end",
	"caller over: unreachable": "over: its own end", "caller over: declined at one of two": "over: its own end",
	"caller asked by all devices that there may be": "waitAnswer",
	"callee connected": "", "callee connected without a path": "connected", "callee connected without a path, no preparation offered": "connected without a path", "callee in preparation": "connected", "callee prepared": "connected",
	"callee adopts": "asks", "callee in preparation, ending": "ending: ends the talk", "callee ending: declines after accept": "ending: declines", "callee ending: ends the talk": "ending: declines",
	"callee verified late": "verified", "callee is asked to open, ending": "ending: ends the talk", "callee ending: declines, verified late": "ending: declines",
	"callee over: told by the caller": "", "callee over: alone": "over: told by the caller", "callee over: handed over": "over: told by the caller",
}

// tableStates are states that the machine can be in: each is reached by events.
func tableStates() (list []namedState) {
	var all map[string]namedState
	begin := func(s state) namedState { return namedState{"", "", s, map[timerKind]bool{}} }
	add := func(name, after string, events ...any) {
		s := all[after]
		for i, e := range events {
			if t, ok := e.(evTimer); ok && !s.timers[t.kind] {
				panic(fmt.Sprintf("state %s: event %d: timer %s does not run", name, i, timerName(t.kind)))
			}
			next, ok := s.apply(e)
			if !ok {
				panic(fmt.Sprintf("state %s: event %d, %+v, is refused", name, i, e))
			}
			s = next
		}
		s.name, s.after = name, after
		if l, ok := like[s.state.role.String()+" "+name]; ok {
			s.after = l
		}
		all[name] = s
		list = append(list, s)
	}
	session := func(nonce string, kind SessionEventKind, sdp string) evSession {
		return evSession{nonce, SessionEvent{Kind: kind, SDP: sdp}}
	}
	timer := func(k timerKind) evTimer { return evTimer{k} }

	// the caller
	opt := options{
		ringTime: 60 * time.Second, unreachAfter: 2 * time.Second, reachTime: 10 * time.Second, talkLimit: time.Hour, micTimeout: 30 * time.Second,
		preparation: true, appData: []byte("app"), startMessage: "hello",
	}
	device := opt
	device.declineDevice = true
	caller := state{role: RoleCaller, id: "c", self: atDoor, opt: opt, activated: true}
	plain := caller
	plain.opt = options{ringTime: 30 * time.Second, unreachAfter: 2 * time.Second, reachTime: 10 * time.Second}
	plain.activated = false
	onlyDevice := caller
	onlyDevice.opt = device
	all = map[string]namedState{"": begin(caller), "plain": begin(plain), "only device": begin(onlyDevice)}

	verify := func(a Address, nonce string) evMessage {
		return from(a, nonce, TypeVerify, &VerifyBody{Nonce: nonce, Offer: "offer " + nonce})
	}
	ringing := from(atKitchen, "k", TypeRinging, nil)
	accept := func(prep bool) evMessage {
		return from(atKitchen, "k", TypeAccept, &AcceptBody{ResponderPreparation: prep})
	}
	busy := from(atKitchen, "", TypeEnd, &EndBody{Reason: ReasonBusy, Source: SourceCallee})
	ended := func(a Address, nonce string) evMessage { return from(a, nonce, TypeEnded, &EndBody{}) }
	add("idle", "")
	add("trying", "", evMake{})
	add("late", "trying", timer(timerReply))
	add("waitAnswer", "trying", evPushed{})
	add("muted while it waits", "waitAnswer", evMute{true})
	add("asked", "waitAnswer", verify(atKitchen, "k"))
	add("stands", "asked", session("k", SessionAnswer, "answer k"))
	add("stands, muted", "stands", evMute{true})
	add("stands with a path", "stands", session("k", SessionUp, ""))
	add("asked before it is known that the push has left", "trying", verify(atKitchen, "k"))
	add("asked by the hall", "waitAnswer", verify(atHall, "h"))
	add("stands, no preparation", "plain", evMake{}, evPushed{}, verify(atKitchen, "k"), session("k", SessionAnswer, "answer k"))
	add("busy", "waitAnswer", busy)
	add("busy, the hall asks", "asked by the hall", busy)
	add("out before it asked", "only device", evMake{}, evPushed{}, verify(atHall, "h"), from(atKitchen, "", TypeEnd, &EndBody{Reason: ReasonDecline, Source: SourceCallee}))
	add("busy at one of two", "busy", verify(atHall, "h"), session("h", SessionAnswer, "answer h"))
	add("busy at one of two, late", "busy at one of two", timer(timerReply))
	add("rings", "stands with a path", ringing)
	add("rings at two", "rings", verify(atHall, "h"), session("h", SessionAnswer, "answer h"))
	add("rings at two, only device", "only device", evMake{}, evPushed{}, verify(atKitchen, "k"), session("k", SessionAnswer, "a"), ringing,
		verify(atHall, "h"), session("h", SessionAnswer, "b"))
	add("one of two declined", "rings at two, only device", from(atKitchen, "k", TypeEnd, &EndBody{Reason: ReasonDecline, Source: SourceCallee}), timer(timerReply))
	add("the first of two declined", "only device", evMake{}, evPushed{}, verify(atHall, "h"), session("h", SessionAnswer, "b"), verify(atKitchen, "k"),
		session("k", SessionAnswer, "a"), from(atHall, "h", TypeEnd, &EndBody{Reason: ReasonDecline, Source: SourceCallee}))
	add("one of two failed", "rings at two", session("h", SessionFailed, ""))
	add("adopted at the hall", "rings at two", from(atHall2, "h2", TypeVerify, &VerifyBody{Nonce: "h2", Offer: "o", Replaces: []string{"h"}}))
	add("adopted at the hall before it asked", "stands with a path", from(atHall2, "h2", TypeVerify, &VerifyBody{Nonce: "h2", Offer: "o", Replaces: []string{"h"}}))
	add("adopted at the hall, which asked once more", "rings at two", from(atHall2, "h2", TypeVerify, &VerifyBody{Nonce: "h2", Offer: "o", Replaces: []string{"h", "other"}}))
	add("out at the hall before it asked", "only device", evMake{}, evPushed{}, verify(atKitchen, "k"), from(atHall2, "h2", TypeEnd, &EndBody{Reason: ReasonDecline, Source: SourceCallee, Replaces: []string{"h"}}))
	add("adopted at the kitchen, which rang", "rings", from(atKitchen, "other", TypeVerify, &VerifyBody{Nonce: "other", Offer: "o", Replaces: []string{"k"}}))
	add("rings at two, another process of the hall's is busy", "rings at two", from(atHall2, "", TypeEnd, &EndBody{Reason: ReasonBusy, Source: SourceCallee}))
	add("rings at two, another process of the hall's asks", "rings at two", verify(atHall2, "h2"))
	full := []any{evMake{}}
	for i := range MaxDevices {
		full = append(full, verify(Address{"house", "home", fmt.Sprint("d", i), "s1"}, fmt.Sprint("n", i)))
	}
	add("asked by all devices that there may be", "", full...)
	add("connected", "rings", accept(false))
	add("connected, answered by one of two", "rings at two", accept(false))
	add("connected, and the other heard", "connected, answered by one of two", ended(atHall, "h"))
	add("connected without a path", "plain", evMake{}, verify(atKitchen, "k"), session("k", SessionAnswer, "a"), evActivate{}, accept(false))
	add("connected, not activated", "plain", evMake{}, verify(atKitchen, "k"), session("k", SessionAnswer, "a"), accept(false), session("k", SessionUp, ""))
	add("connected, muted before", "muted while it waits", verify(atKitchen, "k"), session("k", SessionAnswer, "answer k"), accept(false))
	add("in preparation", "rings", accept(true))
	add("muted and silenced", "connected", evMute{true}, evSilence{true})
	add("holds", "connected", evHold{true, "why"})
	add("held", "connected", from(atKitchen, "k", TypeHold, &HoldBody{Seq: 3, On: true, Reason: "their"}))
	add("peer muted", "connected", from(atKitchen, "k", TypeMute, &MuteBody{Seq: 3, On: true}))
	add("asks to open", "connected", evOpen{})
	add("asks to open for the last time", "asks to open", timer(timerOpen), timer(timerOpen), timer(timerOpen))
	add("asked to open in vain", "asks to open for the last time", timer(timerOpen))
	add("confirms that it asks to open", "asks to open", from(atKitchen, "k", TypeOpenResult, &OpenResultBody{Request: 1, Confirm: true}))
	add("confirms for the last time", "confirms that it asks to open", timer(timerOpen), timer(timerOpen), timer(timerOpen), timer(timerOpen), timer(timerOpen))
	add("asks back", "connected", from(atKitchen, "k", TypeOpen, &OpenBody{Request: 2}))
	add("is asked to open", "asks back", from(atKitchen, "k", TypeOpen, &OpenBody{Request: 2, Confirmed: true}))
	add("claims to open", "is asked to open", evOpenClaim{})
	add("has opened", "claims to open", evOpenAnswer{true, ""})
	add("sent short data", "connected", evShortData{"t", []byte("d")})
	add("sent short data twice", "sent short data", timer(timerShortRate), evShortData{"t", []byte("e")}, timer(timerShortData), timer(timerShortData),
		timer(timerShortData), timer(timerShortData), timer(timerShortData), timer(timerShortData), timer(timerShortData))
	add("got short data", "connected", from(atKitchen, "k", TypeShortData, &ShortDataBody{Seq: 5, Type: "t"}))
	add("lost", "connected", session("k", SessionLost, ""))
	add("over: its own end", "connected", evEnd{})
	add("over: cancelled at two", "rings at two", evEnd{})
	add("over: cancelled at two, one heard", "over: cancelled at two", ended(atKitchen, "k"))
	add("over: cancelled, all tried", "over: cancelled at two", timer(timerEnd), timer(timerEnd), timer(timerEnd), timer(timerEnd))
	add("over: unreachable", "trying", timer(timerReach))
	add("over: declined at one of two", "rings at two", from(atKitchen, "k", TypeEnd, &EndBody{Reason: ReasonDecline, Source: SourceCallee, Phrase: "no"}))

	// the callee
	callee := state{role: RoleCallee, id: "c", self: atKitchen, legs: []leg{{addr: atDoor}}, activated: true}
	quiet := callee
	quiet.activated = false
	quiet.opt.micTimeout = 30 * time.Second
	all = map[string]namedState{"": begin(callee), "quiet": begin(quiet)}
	offer := session("k", SessionOffer, "offer k")
	standing := func(prep bool) evMessage {
		return from(atDoor, "k", TypeStanding, &StandingBody{Nonce: "k", Answer: "answer k", Age: 1000, RingRemaining: 50_000, ResponderPreparation: prep, AppData: []byte("app"), StartMessage: "hello"})
	}
	connected := func(prep bool) evMessage { return from(atDoor, "k", TypeConnected, &ConnectedBody{Preparation: prep}) }
	add("idle", "")
	add("trying", "", evVerify{nonce: "k"})
	add("asks", "trying", offer)
	add("adopts", "quiet", evVerify{nonce: "k", replaces: []string{"j"}, quiet: true}, offer)
	add("adopts, and wishes", "adopts", evRinging{}, evAccept{true})
	add("adopts, ending", "adopts", evEnd{})
	add("verified", "asks", standing(true))
	add("asks, and its answer takes long", "asks", from(atDoor, "k", TypePush, &PushBody{Age: 7000}))
	add("verified late", "asks, and its answer takes long", standing(true))
	add("verified, no preparation offered", "asks", standing(false))
	add("rings", "verified", evRinging{}, session("k", SessionUp, ""))
	add("accepts", "rings", evAccept{false})
	add("accepts with preparation", "verified", evAccept{true})
	add("accepts, held", "accepts", evHold{true, "another"})
	add("connected", "accepts", connected(false))
	add("connected without a path", "accepts with preparation", connected(false))
	add("connected without a path, no preparation offered", "verified, no preparation offered", evAccept{false}, connected(false))
	add("in preparation", "accepts with preparation", connected(true))
	add("in preparation, ending", "in preparation", evEnd{})
	add("prepared", "in preparation", evFinishPrep{})
	add("muted and silenced", "connected", evMute{true}, evSilence{true})
	add("holds", "connected", evHold{true, "why"})
	add("held", "connected", from(atDoor, "k", TypeHold, &HoldBody{Seq: 3, On: true, Reason: "their"}))
	add("asks to open", "connected", evOpen{})
	add("asks back", "connected", from(atDoor, "k", TypeOpen, &OpenBody{Request: 2}))
	add("is asked to open", "asks back", from(atDoor, "k", TypeOpen, &OpenBody{Request: 2, Confirmed: true}))
	add("is asked to open, ending", "is asked to open", evEnd{})
	add("lost", "connected", session("k", SessionLost, ""))
	add("ending: declines, verified late", "verified late", evEnd{})
	add("ending: declines", "rings", evEnd{})
	add("ending: declines after accept", "accepts", evEnd{})
	add("ending: ends the talk", "connected", evEnd{EndBody{UserCode: "E", Phrase: "bye"}})
	add("over: told by the caller", "rings", from(atDoor, "k", TypeEnd, &EndBody{Reason: ReasonCancel, Source: SourceCaller}))
	add("over: alone", "accepts", timer(timerAcceptLimit))
	add("over: alone, and heard", "over: alone", from(atDoor, "k", TypeEnded, &EndBody{Reason: ReasonUnavailableNetwork, Source: SourceTransport}))
	add("over: handed over", "rings", evHandOver{})
	return list
}

// tableEvents are the events to try: every wish, timer, message and session
// event, from whom it should come and from others.
func tableEvents(s namedState) (list []namedEvent) {
	add := func(name string, e any) { list = append(list, namedEvent{name, e}) }
	if s.state.role == RoleCaller {
		add("make", evMake{})
	} else {
		add("verify", evVerify{nonce: "k"})
	}
	add("pushed", evPushed{})
	add("no event of the model", struct{}{})
	add("not pushed", evPushed{errors.New("no link")})
	add("glare", evGlare{})
	add("hand over", evHandOver{})
	add("ringing", evRinging{})
	add("accept", evAccept{})
	add("accept with preparation", evAccept{true})
	add("end", evEnd{})
	add("end with code", evEnd{EndBody{UserCode: "E", Phrase: "bye"}})
	add("close", evEnd{EndBody{Reason: ReasonAppDestroy}})
	add("mute", evMute{true})
	add("unmute", evMute{false})
	add("silence", evSilence{true})
	add("unsilence", evSilence{false})
	add("hold", evHold{true, "why"})
	add("unhold", evHold{false, ""})
	add("ask to mute", evMuteRequest{})
	add("finish preparation", evFinishPrep{})
	add("activate", evActivate{})
	add("open", evOpen{})
	add("claim to open", evOpenClaim{})
	add("opened", evOpenAnswer{true, ""})
	add("not opened", evOpenAnswer{false, "why"})
	add("short data", evShortData{"t", []byte("d")})
	add("microphone silent 10 s", evMicSilent{10 * time.Second})
	add("microphone silent 30 s", evMicSilent{30 * time.Second})
	for k := range timerForget + 1 {
		if s.timers[k] {
			add("timer "+timerName(k), evTimer{k})
		}
	}
	for _, n := range []string{"k", "h", "other"} {
		for kind := SessionOffer; kind <= SessionFailed; kind++ {
			add(fmt.Sprintf("session %s %s", n, sessionName(kind)), evSession{n, SessionEvent{Kind: kind, SDP: "sdp"}})
		}
	}
	type who struct {
		name string
		addr Address
		bind string
	}
	peers := []who{{"kitchen", atKitchen, "k"}, {"kitchen with another bind", atKitchen, "other"}, {"hall", atHall, "h"}, {"hall, a new process", atHall2, "h2"},
		{"kitchen without a bind", atKitchen, ""}, {"kitchen with the hall's bind", atKitchen, "h"}, {"hall with the kitchen's bind", atHall, "k"}}
	if s.state.role == RoleCallee {
		peers = []who{{"door", atDoor, "k"}, {"door with another bind", atDoor, "other"}, {"spy", atSpy, "k"}}
	}
	if s.state.phase == StateIdle {
		return list // nobody has heard of the call
	}
	for i, p := range peers {
		for _, m := range tableMessages(p.bind) {
			if i > 0 && !slices.Contains([]string{"push", "verify", "verify anew", "verify, replaces h", "standing", "ringing", "accept", "end decline", "end busy", "end, replaces h", "ended cancel", "mute 4", "candidate"}, m.name) {
				continue // of the others, one of each kind
			}
			add(fmt.Sprintf("%s: %s", p.name, m.name), from(p.addr, p.bind, m.event.(evMessage).typ, m.event.(evMessage).body))
		}
	}
	return list
}

// tableMessages are the messages of every type, with the bodies that matter.
func tableMessages(bind string) (list []namedEvent) {
	add := func(name string, t MessageType, body any) {
		list = append(list, namedEvent{name, evMessage{typ: t, body: body}})
	}
	add("push", TypePush, &PushBody{Age: 2000})
	add("push, ringing kitchen", TypePush, &PushBody{Age: 2500, Ringing: []string{"kitchen/s1"}})
	add("late push", TypePush, &PushBody{Age: 500})
	add("push without a body", TypePush, nil) // no decoder gives these
	add("end without a body", TypeEnd, nil)
	for _, t := range []MessageType{TypeStanding, TypeVerify, TypeAccept, TypeConnected, TypeEnded, TypeMute, TypeHold, TypeOpen, TypeOpenResult, TypeShortData, TypeShortDataAck, TypeCandidate, TypeOffer, TypeAnswer} {
		add(string(t)+" without a body", t, nil)
	}
	add("verify", TypeVerify, &VerifyBody{Nonce: bind, Offer: "o"})
	add("verify anew", TypeVerify, &VerifyBody{Nonce: "new", Offer: "o"})
	add("verify, replaces h", TypeVerify, &VerifyBody{Nonce: "new", Offer: "o", Replaces: []string{"h"}})
	add("standing", TypeStanding, &StandingBody{Nonce: bind, Answer: "a", Age: 1000, RingRemaining: 9000})
	add("standing of another", TypeStanding, &StandingBody{Nonce: "x", Answer: "a"})
	for _, t := range []MessageType{TypeRinging, TypeLease, TypePrepared, TypeMuteRequest, TypeRestart} {
		add(string(t), t, nil)
	}
	add("accept", TypeAccept, &AcceptBody{})
	add("accept with preparation", TypeAccept, &AcceptBody{ResponderPreparation: true})
	add("connected", TypeConnected, &ConnectedBody{})
	add("connected in preparation", TypeConnected, &ConnectedBody{Preparation: true})
	for _, e := range []EndBody{
		{Reason: ReasonBusy, Source: SourceCallee}, {Reason: ReasonDecline, Source: SourceCallee, UserCode: "C", Phrase: "p"}, {Reason: ReasonCancel, Source: SourceCaller},
		{Reason: ReasonAuthError, Source: SourceTransport}, {Reason: ReasonAlreadyGotACall, Source: SourceTransport},
		{Reason: ReasonNormal, Source: SourceCallee}, {Reason: ReasonUserError, Source: SourceCallee, UserCode: "C"},
	} {
		add("end "+e.Reason.String(), TypeEnd, &e)
	}
	add("end, replaces h", TypeEnd, &EndBody{Reason: ReasonDecline, Source: SourceCallee, Replaces: []string{"h"}})
	add("ended cancel", TypeEnded, &EndBody{Reason: ReasonCancel, Source: SourceCaller})
	add("mute 1", TypeMute, &MuteBody{Seq: 1, On: true})
	add("mute 3", TypeMute, &MuteBody{Seq: 3, On: true})
	add("mute 4", TypeMute, &MuteBody{Seq: 4, On: true})
	add("unmute 4", TypeMute, &MuteBody{Seq: 4})
	add("hold 3", TypeHold, &HoldBody{Seq: 3, On: true, Reason: "r"})
	add("hold 4", TypeHold, &HoldBody{Seq: 4, On: true, Reason: "r"})
	add("unhold 4", TypeHold, &HoldBody{Seq: 4})
	for _, n := range []int64{0, 1, 2, 3} {
		add(fmt.Sprint("open ", n), TypeOpen, &OpenBody{Request: n})
		add(fmt.Sprint("open ", n, ", confirmed"), TypeOpen, &OpenBody{Request: n, Confirmed: true})
	}
	for _, n := range []int64{0, 1, 2} {
		add(fmt.Sprint("asked back ", n), TypeOpenResult, &OpenResultBody{Request: n, Confirm: true})
		add(fmt.Sprint("opened ", n), TypeOpenResult, &OpenResultBody{Request: n, Opened: true})
		add(fmt.Sprint("not opened ", n), TypeOpenResult, &OpenResultBody{Request: n, Why: "w"})
	}
	for _, n := range []int64{0, 4, 5, 6} {
		add(fmt.Sprint("short data ", n), TypeShortData, &ShortDataBody{Seq: n, Type: "t", Data: []byte("d")})
	}
	for _, n := range []int64{1, 2} {
		add(fmt.Sprint("short data ack ", n), TypeShortDataAck, &ShortDataAckBody{Seq: n})
	}
	for _, t := range []MessageType{TypeCandidate, TypeOffer, TypeAnswer} {
		add(string(t), t, &SDPBody{SDP: "s"})
	}
	add("unknownType", TypeUnknown, &UnknownTypeBody{Type: "x"})
	return list
}

// --- how it is written ---

func timerName(k timerKind) string {
	return [...]string{"push", "reply", "unreach", "reach", "ring", "talk", "verify", "lease", "accept", "acceptLimit", "media", "grace", "restart", "prep",
		"ask", "end", "open", "openValid", "shortData", "shortRate", "mic", "forget"}[k]
}

func sessionName(k SessionEventKind) string {
	return [...]string{"", "offer", "answer", "candidate", "up", "lost", "message", "networkChanged", "authFailed", "failed"}[k]
}

func noticeName(k noticeKind) string {
	return [...]string{"made", "waitConnected", "unreachable", "acknowledged", "verified", "connected", "prepared", "mic", "level", "peerMic", "peerHold", "peerLevel",
		"muteRequest", "openRequest", "openResult", "shortData", "shortDataResult", "networkLost", "networkBack", "error", "adopted", "disconnected"}[k]
}

// plain is a value with what it points to, and without what is zero.
func plain(v reflect.Value) string {
	switch v.Type() {
	case reflect.TypeFor[Reason]():
		return Reason(v.Int()).String()
	case reflect.TypeFor[Source]():
		return Source(v.Int()).String()
	case reflect.TypeFor[State]():
		return State(v.Int()).String()
	case reflect.TypeFor[Address]():
		return v.FieldByName("Device").String() + "/" + v.FieldByName("Session").String()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "-"
		}
		return plain(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return fmt.Sprintf("%q", v.Bytes())
		}
		var l []string
		for i := range v.Len() {
			l = append(l, plain(v.Index(i)))
		}
		return "[" + strings.Join(l, " ") + "]"
	case reflect.Struct:
		var l []string
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				l = append(l, v.Type().Field(i).Name+":"+plain(f))
			}
		}
		return "{" + strings.Join(l, " ") + "}"
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprint(v)
}

func show(s state) string { return plain(reflect.ValueOf(s)) }

// changes names the fields that differ.
func changes(a, b state) string {
	var l []string
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		switch name := x.Type().Field(i).Name; { // what is not comparable is slow to write for nothing
		case name == "legs" && reflect.DeepEqual(a.legs, b.legs),
			name == "opt" && reflect.DeepEqual(a.opt, b.opt),
			name == "short" && reflect.DeepEqual(a.short, b.short),
			name == "retired" && slices.Equal(a.retired, b.retired),
			name == "replaces" && slices.Equal(a.replaces, b.replaces),
			x.Field(i).Comparable() && x.Field(i).Equal(y.Field(i)):
			continue
		}
		if was, is := plain(x.Field(i)), plain(y.Field(i)); was != is {
			if x.Type().Field(i).Name == "legs" {
				is = legChanges(a.legs, b.legs)
			}
			l = append(l, x.Type().Field(i).Name+"="+is)
		}
	}
	return strings.Join(l, " ")
}

// legChanges leaves out the legs that are as they were.
func legChanges(a, b []leg) string {
	var l []string
	for i, x := range b {
		if is := plain(reflect.ValueOf(x)); i >= len(a) || plain(reflect.ValueOf(a[i])) != is {
			l = append(l, fmt.Sprint(i, ":", is))
		}
	}
	return fmt.Sprintf("%d[%s]", len(b), strings.Join(l, " "))
}

func showAction(a action) string {
	switch a := a.(type) {
	case actPush:
		return fmt.Sprintf("push %v", a.ringing)
	case actSend:
		body, _ := json.Marshal(a.body)
		return strings.TrimSuffix(fmt.Sprintf("send %s to %s/%s %s by %s %s", a.typ, a.to.Device, a.to.Session, a.bind, [...]string{"any", "both", "data", "mqtt"}[a.path], body), " null")
	case actTimer:
		return fmt.Sprintf("timer %s %v", timerName(a.kind), a.d)
	case actStop:
		return "stop " + timerName(a.kind)
	case actStopAll:
		return "stop all"
	case actSession:
		return strings.TrimSpace(fmt.Sprintf("session %s %s %s", a.nonce, [...]string{"offer", "acceptOffer", "acceptAnswer", "candidate", "restart", "close"}[a.op], a.sdp))
	case actGate:
		return fmt.Sprintf("gate %s send=%v receive=%v", a.nonce, a.send, a.receive)
	case actChoose:
		return "choose " + a.nonce
	case actEvent:
		n := a.notice
		kind := noticeName(n.kind)
		n.kind = 0
		return strings.TrimSuffix("tell "+kind+" "+plain(reflect.ValueOf(n)), " {}")
	case actForget:
		return "forget"
	}
	return fmt.Sprintf("%T", a)
}
