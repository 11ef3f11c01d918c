package mqttpush

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"intercom/broker"
	"intercom/internal/testhouse"
)

// TestLook looks for devices that are there, were there, and never were.
func TestLook(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		for _, self := range []string{"p2", "p1"} {
			p := newPeer(t, s.addr, address("flat", self, "s1"))
			p.waitState(t, true)
			eventually(t, "presence is confirmed", func() bool { return p.Counters()["sent"] == 1 })
		}
		gone := newPeer(t, s.addr, address("attic", "p3", "s1"))
		gone.waitState(t, true)
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		// Our own device runs meanwhile, and is not disturbed.
		own := newPeer(t, s.addr, door)
		own.waitState(t, true)
		got, err := Look(t.Context(), Config{URL: "mqtt://" + s.addr, Self: address("door", "d1", "look")}, []string{"flat", "attic", "nobody"})
		want := Probe{Online: map[string][]string{"flat": {"p1", "p2"}, "attic": nil, "nobody": nil}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if !own.Connected() || len(own.states) != 0 {
			t.Error("the device's own connection was lost")
		}
	})
}

// TestLookHidden asks a broker that knows its devices for those of others.
func TestLookHidden(t *testing.T) {
	h := testhouse.New(t)
	b, err := broker.Start(broker.Config{Listen: "127.0.0.1:0", Verifier: h.Verifier})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	self := address("door", "d1", "look")
	cfg := Config{URL: "mqtt://" + b.Addr(), Self: self, Sealer: admit(t, h, self).Device.Sealer}
	got, err := Look(t.Context(), cfg, []string{"door", "flat"})
	want := Probe{Online: map[string][]string{"door": nil}, Hidden: []string{"flat"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	cfg.Sealer = nil
	if _, err := Look(t.Context(), cfg, nil); err == nil {
		t.Error("let in without a token")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Look(ctx, cfg, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := Look(t.Context(), Config{URL: "http://x", Self: self}, nil); err == nil {
		t.Error("a bad URL was taken")
	}
}
