package mqttpush

import (
	"net"
	"strings"
	"testing"

	"github.com/pion/mdns/v2"

	"intercom/internal/netlab"
)

// TestMulticastName connects to a name that only the other machine of the network knows, as boards know one another.
func TestMulticastName(t *testing.T) {
	lab := netlab.New(t, 1)
	board, server := lab.Host(), lab.Host()
	board.Link("eth0", "10.77.0.1/16")
	server.Link("eth0", "10.77.0.2/16")
	var l net.Listener
	err := server.Do(func() (err error) {
		answers, err := listenMulticast(mdns.WithLocalNames("front-door.local"))
		if err != nil {
			return err
		}
		t.Cleanup(func() { answers.Close() })
		l, err = net.Listen("tcp", "10.77.0.2:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())

	for _, name := range []string{"front-door.local", "Front-Door.local."} {
		err = board.Do(func() error {
			conn, err := Dial(t.Context(), net.JoinHostPort(name, port))
			if err == nil {
				defer conn.Close()
				if got := conn.RemoteAddr().String(); got != l.Addr().String() {
					t.Errorf("%s is %s, want %s", name, got, l.Addr())
				}
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	err = board.Do(func() error {
		_, err := askNetwork(t.Context(), "nobody.local")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "nobody answers to nobody.local (multicast DNS): is it on") {
		t.Errorf("a name that nobody has: %v", err)
	}
}
