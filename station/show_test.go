package station

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"intercom/call"
	"intercom/config"
	"intercom/gpio"
)

// TestShow is the table "What a station shows".
func TestShow(t *testing.T) {
	tests := []struct {
		name string
		view view
		want shown
	}{
		{"idle", view{}, shown{}},
		{"an incoming call is being checked", view{phase: checking}, shown{}},
		{"pressed, nobody acknowledged", view{phase: trying}, shown{call: gpio.FastBlink}},
		{"rings somewhere", view{phase: ringback}, shown{call: gpio.SlowBlink, tone: toneRingback}},
		{"rings here", view{phase: ringing}, shown{call: gpio.SlowBlink, tone: toneRing}},
		{"rings here, ringer muted", view{phase: ringing, ringerMuted: true}, shown{call: gpio.SlowBlink, ringer: gpio.On}},
		{"accepted: the microphone is open", view{phase: answering}, shown{call: gpio.On}},
		{"connected", view{phase: talking}, shown{call: gpio.On}},
		{"connected, another waits", view{phase: talking, waiting: true}, shown{call: gpio.On, tone: toneWaiting}},
		{"connected, ringer muted, another waits", view{phase: talking, waiting: true, ringerMuted: true},
			shown{call: gpio.On, tone: toneWaiting, ringer: gpio.On}},
		{"held by the other side", view{phase: talking, held: true}, shown{call: gpio.SlowBlink, tone: toneHeld}},
		{"held, another waits", view{phase: talking, held: true, waiting: true}, shown{call: gpio.On, tone: toneWaiting}},
		{"a call was missed", view{missed: true}, shown{call: gpio.Wink}},
		{"a call was missed, another rings", view{phase: ringing, missed: true}, shown{call: gpio.SlowBlink, tone: toneRing}},
		{"another panel answered", view{phase: elsewhere}, shown{call: gpio.LongBlink}},
		{"another panel declined", view{phase: declined}, shown{call: gpio.TripleBlink}},
		{"muted", view{phase: talking, muted: true}, shown{call: gpio.On, mute: gpio.On}},
		{"door open", view{phase: talking, open: true}, shown{call: gpio.On, open: gpio.On}},
		{"busy", view{phase: busy}, shown{call: gpio.TripleBlink, tone: toneBusy}},
		{"nobody answered", view{phase: noAnswer}, shown{call: gpio.TripleBlink, tone: toneNoAnswer}},
		{"unreachable", view{phase: unreachable}, shown{call: gpio.TripleBlink, tone: toneUnreachable}},
		{"the other side ended", view{phase: ended}, shown{tone: toneEnded}},
		{"a call stands, nobody is to be disturbed", view{phase: silent, quiet: true}, shown{ringer: gpio.Dim}},
		{"the same, after one was missed", view{phase: silent, quiet: true, missed: true}, shown{call: gpio.Wink, ringer: gpio.Dim}},
		{"do not disturb, and the ringer is muted", view{quiet: true, ringerMuted: true}, shown{ringer: gpio.Dim}},
		{"fault", view{fault: true}, shown{fault: gpio.Fault}},
		{"fault while pressed", view{phase: trying, fault: true}, shown{call: gpio.FastBlink, fault: gpio.Fault}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, show(tt.view), cmp.AllowUnexported(shown{})); diff != "" {
				t.Errorf("show (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOperatingGuide holds the tables of docs/operating.md to the program.
func TestOperatingGuide(t *testing.T) {
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{} // by the first cell of each table's row
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.Trim(line, "|\n "), " | "); strings.HasPrefix(line, "| ") {
			rows[cells[0]] = cells
		}
	}
	for p := idle; int(p) < len(phaseNames); p++ {
		want := show(view{phase: p})
		sound := want.tone.String()
		if want.tone == toneNone {
			sound = "none"
		}
		got := rows[p.String()]
		if len(got) < 4 || got[1] != want.call.String() || got[2] != sound {
			t.Errorf("state %v: documented %q, shown as %v with the sound %s", p, got, want.call, sound)
		}
	}
	for tn := toneRing; tn < tones; tn++ {
		if rows["`"+tn.String()+"`"] == nil {
			t.Errorf("the sound %v is not documented", tn)
		}
	}
	for _, l := range []config.Shows{config.ShowsMute, config.ShowsOpen, config.ShowsFault, config.ShowsRinger} {
		if rows["`"+string(l)+"`"] == nil {
			t.Errorf("the lamp for %s is not documented", l)
		}
	}
}

func TestLamp(t *testing.T) {
	s := shown{call: gpio.On, mute: gpio.Dim, open: gpio.FastBlink, fault: gpio.Fault, ringer: gpio.SlowBlink}
	got := []gpio.Pattern{}
	for _, l := range []config.Shows{config.ShowsCall, config.ShowsMute, config.ShowsOpen, config.ShowsFault, config.ShowsRinger} {
		got = append(got, s.lamp(l))
	}
	if diff := cmp.Diff([]gpio.Pattern{gpio.On, gpio.Dim, gpio.FastBlink, gpio.Fault, gpio.SlowBlink}, got); diff != "" {
		t.Errorf("lamps (-want +got):\n%s", diff)
	}
}

// TestAftermath goes through what a person notices of an end.
func TestAftermath(t *testing.T) {
	const caller, callee = call.RoleCaller, call.RoleCallee
	end := func(role call.Role, r call.Reason, s call.Source) call.Disconnected {
		other := call.SourceCaller
		if role == caller {
			other = call.SourceCallee
		}
		return call.Disconnected{Reason: r, Source: s, ByRemote: s == other}
	}
	tests := []struct {
		name   string
		role   call.Role
		talked bool
		reason call.Reason
		source call.Source
		want   phase
	}{
		{"visitor gives up", caller, false, call.ReasonCancel, call.SourceCaller, idle},
		{"its ring ends", callee, false, call.ReasonCancel, call.SourceCaller, idle},
		{"resident declines", callee, false, call.ReasonDecline, call.SourceCallee, idle},
		{"visitor hears of it", caller, false, call.ReasonDecline, call.SourceCallee, busy},
		{"resident is busy", caller, false, call.ReasonBusy, call.SourceCallee, busy},
		{"nobody answers, at the door", caller, false, call.ReasonNoAnswer, call.SourceCaller, noAnswer},
		{"nobody answers, indoors", callee, false, call.ReasonNoAnswer, call.SourceCaller, idle},
		{"nobody rang", caller, false, call.ReasonPushError, call.SourceTransport, unreachable},
		{"no network", caller, false, call.ReasonUnavailableNetwork, call.SourceTransport, unreachable},
		{"a reason of a later version", caller, false, call.ReasonUnknown, call.SourceUndefined, unreachable},
		{"the ring's lease ran out", callee, false, call.ReasonReleasedCall, call.SourceTransport, idle},
		{"answered elsewhere", callee, false, call.ReasonMultiDeviceInUse, call.SourceTransport, elsewhere},
		{"declined elsewhere", callee, false, call.ReasonMultiDeviceDecline, call.SourceTransport, declined},
		{"own end of a talk, caller", caller, true, call.ReasonNormal, call.SourceCaller, idle},
		{"own end of a talk, callee", callee, true, call.ReasonNormal, call.SourceCallee, idle},
		{"their end of a talk, caller", caller, true, call.ReasonNormal, call.SourceCallee, ended},
		{"their end of a talk, callee", callee, true, call.ReasonNormal, call.SourceCaller, ended},
		{"talked too long", caller, true, call.ReasonMaxCallTimeExceeded, call.SourceTransport, ended},
		{"path lost in a talk", callee, true, call.ReasonNetworkUnstable, call.SourceTransport, unreachable},
		{"their station stops", callee, true, call.ReasonAppDestroy, call.SourceCaller, ended},
	}
	another := end(callee, call.ReasonCancel, call.SourceCaller)
	another.AnsweredBy = "flat-2/hall"
	if got := aftermath(callee, false, another); got != elsewhere {
		t.Errorf("another user of a ring group took it: got %v", got)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := aftermath(tt.role, tt.talked, end(tt.role, tt.reason, tt.source)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestMissed: which incoming calls the people here are told of afterwards.
func TestMissed(t *testing.T) {
	in := talk{role: call.RoleCallee, stood: true}
	tests := []struct {
		name   string
		talk   talk
		reason call.Reason
		source call.Source
		by     string
		want   bool
	}{
		{"nobody answered", in, call.ReasonNoAnswer, call.SourceCaller, "", true},
		{"the visitor went away", in, call.ReasonCancel, call.SourceCaller, "", true},
		{"the door lost its power", in, call.ReasonReleasedCall, call.SourceTransport, "", true},
		{"the door stopped", in, call.ReasonAppDestroy, call.SourceCaller, "", true},
		{"this station stopped", in, call.ReasonAppDestroy, call.SourceCallee, "", false},
		{"declined here", in, call.ReasonDecline, call.SourceCallee, "", false},
		{"answered elsewhere", in, call.ReasonMultiDeviceAnswer, call.SourceTransport, "", false},
		{"declined elsewhere", in, call.ReasonMultiDeviceDecline, call.SourceTransport, "", false},
		{"another user of a ring group took it", in, call.ReasonCancel, call.SourceCaller, "flat-2/hall", false},
		{"talked", talk{role: call.RoleCallee, stood: true, talked: true}, call.ReasonReleasedCall, call.SourceTransport, "", false},
		{"it did not stand", talk{role: call.RoleCallee}, call.ReasonReleasedCall, call.SourceTransport, "", false},
		{"own call", talk{role: call.RoleCaller, stood: true}, call.ReasonNoAnswer, call.SourceCaller, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := missed(&tt.talk, call.Disconnected{Reason: tt.reason, Source: tt.source, AnsweredBy: tt.by}); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestAgain: a call button while there is a call.
func TestAgain(t *testing.T) {
	tests := []struct {
		kind        config.Kind
		same, other string
		sameButton  bool
		want        wish
	}{
		{config.Door, "feedback", "switch", true, wishFeedback},
		{config.Door, "feedback", "switch", false, wishSwitch},
		{config.Door, "end", "switch", true, wishEnd},
		{config.Door, "end", "feedback", false, wishFeedback},
		{config.Indoor, "end", "switch", true, wishFeedback},
		{config.Indoor, "end", "switch", false, wishFeedback},
	}
	for _, tt := range tests {
		cfg := &config.Config{Station: config.Station{Kind: tt.kind}, Call: config.Call{SameButton: tt.same, OtherButton: tt.other}}
		if got := again(cfg, tt.sameButton); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}
