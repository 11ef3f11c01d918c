package mqttpush

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// stalled accepts and reads connections, answers a few bytes of what a broker
// would, and then nothing.
func stalled(t *testing.T, answer []byte) string {
	t.Helper()
	return serveEach(t, func(c net.Conn) {
		c.Write(answer)
		io.Copy(io.Discard, c)
	})
}

// inPaho are the stacks of goroutines that wait somewhere in paho; one that is
// about to end does not wait.
func inPaho() (waiting []string) {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, _, _ := strings.Cut(stack, "\n")
		if strings.Contains(stack, "paho") && !strings.Contains(head, "[run") { // running, runnable
			waiting = append(waiting, stack)
		}
	}
	return waiting
}

// Close at any moment of a connect leaves no goroutine behind, paho's included.
func TestCloseWhileConnecting(t *testing.T) {
	connack := []byte{0x20, 2, 0, 0}               // MQTT 3.1.1 section 3.2
	suback := []byte{0x90, 5, 0, 1, qos, qos, qos} // section 3.9
	for _, server := range []struct {
		name, addr string
		rounds     int
	}{
		{"silent", stalled(t, nil), 50},
		{"half a CONNACK", stalled(t, connack[:2]), 50},
		{"silent after CONNACK", stalled(t, connack), 100},
		{"silent after SUBACK", stalled(t, append(connack, suback...)), 5}, // each takes flushTime
		{"embedded", embedded(t).addr, 200},
		{"mosquitto", mosquitto(t).addr, 200},
	} {
		t.Run(server.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			for i := range server.rounds {
				before := goleak.IgnoreCurrent()
				tr, err := New(Config{URL: "mqtt://" + server.addr, Self: address("u", "d", "s1")})
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Duration(random.Int64N(int64(3 * time.Millisecond))))
				tr.Close()
				waiting := inPaho()
				for look := 0; look < 3 && len(waiting) > 0; look++ { // one may be seen at its last breath
					waiting = inPaho()
				}
				if len(waiting) > 0 {
					t.Fatalf("round %d: %d goroutines of paho are left:\n%s", i, len(waiting), strings.Join(waiting, "\n\n"))
				}
				if err := goleak.Find(before); err != nil {
					t.Fatalf("round %d: %v", i, err)
				}
			}
		})
	}
}
