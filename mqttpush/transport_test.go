package mqttpush

import "testing"

func TestRoundTrip(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *server) {
		door := newPeer(t, s.addr, address("door", "d1", "s1"))
		phone := newPeer(t, s.addr, address("flat", "p1", "s1"))
		door.waitState(t, true)
		phone.waitState(t, true)
		if err := door.send(t, phone.self.UserAddress(), "ring"); err != nil {
			t.Fatal(err)
		}
		phone.wants(t, "ring")
		if err := phone.send(t, door.self, "accept"); err != nil {
			t.Fatal(err)
		}
		door.wants(t, "accept")
		t.Log(door.Counters(), phone.Counters())
	})
}
