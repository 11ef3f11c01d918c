package broker

import (
	"strings"
	"testing"

	"intercom/identity"
)

var me = identity.Address{Service: "home", User: "flat", Device: "p1", Session: "s1"}

func TestRights(t *testing.T) {
	tests := []struct {
		topic              string
		publish, subscribe bool
	}{
		{"home/flat/push", true, true},
		{"home/door/push", true, false},
		{"other/flat/push", false, false},
		{"home/flat/p1/s1/signal", true, true},
		{"home/flat/p1/s2/signal", true, true},
		{"home/flat/p1/+/signal", false, true},
		{"home/flat/p2/s1/signal", true, false},
		{"home/flat/+/+/signal", false, false},
		{"home/door/d1/s1/signal", true, false},
		{"other/door/d1/s1/signal", false, false},
		{"home/flat/p1/s1/presence", true, true},
		{"home/flat/p1/s0/presence", true, true}, // of an earlier process: it clears up
		{"home/flat/p2/s1/presence", false, true},
		{"home/flat/+/+/presence", false, true},
		{"home/door/d1/s1/presence", false, false},
		{"home/flat/p1/s1/state", true, true},
		{"home/flat/p2/s1/state", false, true},
		{"home/flat/p1/s1/cmd", false, true},
		{"home/flat/p2/s1/cmd", false, false},
		{"home/flat/p1/s1/other", false, false},
		{"home/flat/p1/s1", false, false},
		{"home/flat/p1/#", false, false},
		{"home/+/push", false, false},
		{"+/flat/push", false, false},
		{"#", false, false},
		{"home/flat/p1/s1/signal/x", false, false},
		{"home/flat//s1/signal", false, false},
		{"home/flat/p 1/s1/presence", false, false},
		{"home/flat/+p1/s1/presence", false, false},
		{"home/flat/#/s1/presence", false, false},
		{"", false, false},
	}
	for _, tt := range tests {
		got, known := parse("intercom/v1/" + tt.topic)
		if p := known && mayPublish(me, got); p != tt.publish {
			t.Errorf("%s: may publish is %t, want %t", tt.topic, p, tt.publish)
		}
		if s := known && maySubscribe(me, got); s != tt.subscribe {
			t.Errorf("%s: may subscribe is %t, want %t", tt.topic, s, tt.subscribe)
		}
	}
	for _, s := range []string{"intercom/v2/home/flat/push", "home/flat/push", "$SYS/broker/version", "$share/g/intercom/v1/home/flat/push", "#", "+/v1/home/flat/push"} {
		if got, known := parse(s); known {
			t.Errorf("%s is known as %v", s, got)
		}
	}
}

// FuzzParse: what is known is made of ids, single wildcards and a kind, and is
// the same when put together again; nobody is given more than the table says.
func FuzzParse(f *testing.F) {
	f.Add("intercom/v1/home/flat/push")
	f.Add("intercom/v1/home/flat/+/s1/presence")
	f.Add("intercom/v1/home/#/p1/s1/signal")
	f.Fuzz(func(t *testing.T, s string) {
		got, known := parse(s)
		if !known {
			return
		}
		levels := []string{"intercom", "v1", got.service, got.user, got.device, got.session, got.kind}
		if got.kind == "push" {
			levels = []string{"intercom", "v1", got.service, got.user, got.kind}
		}
		if again := strings.Join(levels, "/"); again != s || strings.Contains(s, "#") {
			t.Errorf("%q is read as %q", s, again)
		}
		if mayPublish(me, got) && (strings.Contains(s, "+") || got.service != me.Service) {
			t.Errorf("may publish to %q", s)
		}
		if maySubscribe(me, got) && !strings.HasPrefix(s, "intercom/v1/home/flat/") {
			t.Errorf("may subscribe to %q", s)
		}
	})
}

func TestClientID(t *testing.T) {
	id := ClientID(me)
	if got, ok := parseClientID(id); !ok || got != me {
		t.Errorf("%q is read as %v, %t", id, got, ok)
	}
	for _, id := range []string{"", "plain", "intercom:home:flat:p1", "intercom:home:flat:p1:s1:x", "other:home:flat:p1:s1"} {
		if got, ok := parseClientID(id); ok {
			t.Errorf("%q is read as %v", id, got)
		}
	}
}
