package rtc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/webrtc/v4"

	"intercom/call"

	"golang.org/x/sys/unix"
)

func TestLostPathIsNoticedAndComesBack(t *testing.T) {
	network := newLossyNet(t)
	m := testMedia(t, network)
	callee, caller := connect(t, m, m)
	network.drop.Store(true)
	callee.next(call.SessionLost)
	caller.next(call.SessionLost)
	if callee.Gate(true, true); callee.WriteFrame([]byte("x"), 480) {
		t.Error("a frame was taken for a lost path")
	}
	network.drop.Store(false)
	callee.next(call.SessionUp)
	caller.next(call.SessionUp)
	if !callee.Send([]byte("again")) {
		t.Fatal("no message after the path came back")
	}
	caller.next(call.SessionMessage)
}

// The default timing keeps the promise of call.SessionLost: silence is looked
// at each keepAlive, and counts after disconnected.
func TestLostWithinTwoSeconds(t *testing.T) {
	if d := defaultTiming(); d.disconnected+d.keepAlive > 2*time.Second || d.restart > 2*time.Second {
		t.Errorf("got timing %+v: a path is lost later than after 2 s", d)
	}
}

func TestRestartKeepsTheCall(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	callee.Gate(true, true)
	caller.Gate(true, true)
	callee.WriteFrame([]byte("before"), 480)
	before := caller.nextFrame()
	negotiate(callee, caller, callee.Restart)
	callee.next(call.SessionUp)
	caller.next(call.SessionUp)
	if !callee.WriteFrame([]byte("after"), 480) || !caller.WriteFrame([]byte("back"), 480) {
		t.Fatal("no voice after the restart")
	}
	if got, want := caller.nextFrame(), (frame{before.seq + 1, before.timestamp + 480, "after"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	callee.nextFrame()
	if !callee.Send([]byte("after")) {
		t.Fatal("no message after the restart")
	}
	caller.next(call.SessionMessage)
}

// A restart out of a lost path, and one whose answer never comes.
func TestRestartOfALostPath(t *testing.T) {
	network := newLossyNet(t)
	m := testMedia(t, network)
	callee, caller := connect(t, m, m)
	network.drop.Store(true)
	callee.next(call.SessionLost)
	caller.next(call.SessionLost)
	callee.Restart()
	callee.next(call.SessionOffer) // lost on its way
	network.drop.Store(false)
	negotiate(callee, caller, callee.Restart)
	callee.next(call.SessionUp)
	caller.next(call.SessionUp)

	callee.Restart()
	callee.next(call.SessionOffer)
	callee.next(call.SessionLost)
}

// An answer that comes after the next offer was made is not taken for that
// one's: the two ends would each wait for the other's forgotten credentials.
func TestAnswerToAnEarlierOffer(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	callee.Restart()
	caller.AcceptOffer(callee.next(call.SessionOffer).SDP)
	late := caller.next(call.SessionAnswer).SDP
	callee.Restart()
	offer := callee.next(call.SessionOffer).SDP
	callee.AcceptAnswer(late)
	caller.AcceptOffer(offer)
	callee.AcceptAnswer(caller.next(call.SessionAnswer).SDP)
	callee.next(call.SessionUp)
	caller.next(call.SessionUp)
	if !caller.Send([]byte("again")) {
		t.Fatal("no message after the restart")
	}
	callee.next(call.SessionMessage)
}

// A peer that is not ours does not say which offer it answers.
func TestAnswerThatNamesNoOffer(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := newEnd(t, m, call.RoleCallee), newEnd(t, m, call.RoleCaller)
	callee.Offer()
	caller.AcceptOffer(callee.next(call.SessionOffer).SDP)
	answer, echo, _ := strings.Cut(caller.next(call.SessionAnswer).SDP, "a="+attributeAnswers)
	if echo == "" {
		t.Fatal("the answer does not name its offer")
	}
	callee.AcceptAnswer(answer)
	callee.next(call.SessionUp)
	caller.next(call.SessionUp)
}

func TestLateCandidates(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := newEnd(t, m, call.RoleCallee), newEnd(t, m, call.RoleCaller)
	callee.Offer()
	offer, own := cutCandidates(callee.next(call.SessionOffer).SDP)
	if len(own) == 0 {
		t.Fatal("the offer holds no host candidate")
	}
	caller.AddCandidate("candidate:nonsense")
	caller.AddCandidate(own[0]) // early: before the offer
	caller.AcceptOffer(offer)
	answer, theirs := cutCandidates(caller.next(call.SessionAnswer).SDP)
	callee.AcceptAnswer(answer)
	for _, c := range theirs { // late
		callee.AddCandidate(c)
	}
	callee.next(call.SessionUp)
	caller.next(call.SessionUp)
}

func cutCandidates(sdp string) (rest string, candidates []string) {
	var kept []string
	for _, line := range strings.Split(sdp, "\r\n") {
		if c, ok := strings.CutPrefix(line, "a=candidate"); ok {
			candidates = append(candidates, "candidate"+c)
		} else if line != "a=end-of-candidates" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\r\n"), candidates
}

func TestWrongFingerprint(t *testing.T) {
	for _, forged := range []string{"offer", "answer"} {
		t.Run(forged, func(t *testing.T) {
			m := testMedia(t, nil)
			callee, caller := newEnd(t, m, call.RoleCallee), newEnd(t, m, call.RoleCaller)
			callee.Offer()
			offer := callee.next(call.SessionOffer).SDP
			if forged == "offer" {
				offer = forge(t, offer)
			}
			caller.AcceptOffer(offer)
			answer := caller.next(call.SessionAnswer).SDP
			if forged == "answer" {
				answer = forge(t, answer)
			}
			callee.AcceptAnswer(answer)
			victim := map[string]*end{"offer": caller, "answer": callee}[forged]
			if ev := victim.next(call.SessionAuthFailed); ev.Err == nil {
				t.Error("SessionAuthFailed without an error")
			}
			victim.Gate(true, true)
			if victim.WriteFrame([]byte("x"), 480) || victim.Send([]byte("x")) {
				t.Error("something was sent to a peer that is not proved")
			}
		})
	}
}

func forge(t *testing.T, sdp string) string {
	t.Helper()
	own, err := checkSDP(sdp)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("another certificate"))
	return strings.ReplaceAll(sdp, colons(own), colons(hex.EncodeToString(sum[:])))
}

func colons(digest string) string {
	var pairs []string
	for i := 0; i < len(digest); i += 2 {
		pairs = append(pairs, strings.ToUpper(digest[i:i+2]))
	}
	return strings.Join(pairs, ":")
}

// Close works at each stage of a session, and leaves nothing behind (TestMain).
func TestCloseAtEachStage(t *testing.T) {
	stages := []string{"new", "offered", "offer accepted", "answered", "up", "restarted", "restart accepted"}
	for stage, name := range stages {
		t.Run(name, func(t *testing.T) {
			m := testMedia(t, nil)
			callee, caller := newEnd(t, m, call.RoleCallee), newEnd(t, m, call.RoleCaller)
			var offer, answer string
			steps := []func(){
				callee.Offer,
				func() { offer = callee.next(call.SessionOffer).SDP; caller.AcceptOffer(offer) },
				func() { answer = caller.next(call.SessionAnswer).SDP; callee.AcceptAnswer(answer) },
				func() { callee.next(call.SessionUp); caller.next(call.SessionUp) },
				callee.Restart,
				func() { caller.AcceptOffer(callee.next(call.SessionOffer).SDP) },
			}
			for _, step := range steps[:stage] {
				step()
			}
			done := make(chan struct{})
			go func() { _ = callee.Close(); close(done) }()
			_ = callee.Close()
			<-done
			_ = m.Close()
			for len(callee.events) > 0 {
				<-callee.events
			}
			callee.poke()
			callee.Restart()
			callee.AddCandidate("x")
			if n := len(callee.events); n != 0 {
				t.Errorf("%d events after Close", n)
			}
			if _, err := m.NewSession(call.SessionConfig{Event: func(call.SessionEvent) {}, Frame: func(uint16, uint32, []byte) {}}); err != ErrClosed {
				t.Errorf("got %v, want ErrClosed", err)
			}
		})
	}
}

// All methods run while Close does: for the race detector.
func TestCloseWhileUsed(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				callee.Gate(true, true)
				callee.WriteFrame([]byte("x"), 480)
				callee.Send([]byte("x"))
				callee.Stats()
				m.networkChanged()
			}
		}
	}()
	<-caller.events // it runs: a message or a network change
	go func() {     // the bounded test channel must not hold Close up
		for range caller.events {
		}
	}()
	go func() {
		for range callee.events {
		}
	}()
	_ = callee.Close()
	_ = caller.Close()
	close(stop)
	<-stopped
	close(caller.events)
	close(callee.events)
}

func TestBlockedEventEndsTheSession(t *testing.T) {
	m := testMedia(t, nil)
	block, events := make(chan struct{}), make(chan call.SessionEvent, 10)
	s, err := m.NewSession(call.SessionConfig{
		Event: func(ev call.SessionEvent) { <-block; events <- ev },
		Frame: func(uint16, uint32, []byte) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m.networkChanged() // its event blocks, or a later one
	for range 2*maxCommands + 2 {
		s.AcceptAnswer("without an offer")
		s.Restart()
	}
	close(block)
	for ev := range events {
		if ev.Kind == call.SessionFailed {
			return
		}
	}
}

func TestOversizedMessageIsDropped(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	// Past our own bound, as a peer that ignores max-message-size would.
	caller.takeMessage(webrtc.DataChannelMessage{Data: make([]byte, maxMessage+1)})
	callee.Send([]byte("next"))
	if got := string(caller.next(call.SessionMessage).Data); got != "next" {
		t.Errorf("got message %.10q", got)
	}
	if got := caller.oversized.Load(); got != 1 {
		t.Errorf("got %d oversized messages counted, want 1", got)
	}
}

// Closing is no fault of the network.
func TestCloseDoesNotWarn(t *testing.T) {
	for range 20 {
		var log bytes.Buffer
		m, err := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if m.watch == nil {
			t.Fatalf("the network is not watched: %s", log.String())
		}
		if err := m.Close(); err != nil || log.Len() > 0 {
			t.Fatalf("closed with %v and log %s", err, log.String())
		}
	}
}

func TestNetworkChangeReachesSessions(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := newEnd(t, m, call.RoleCallee), newEnd(t, m, call.RoleCaller)
	m.networkChanged()
	callee.next(call.SessionNetworkChanged)
	caller.next(call.SessionNetworkChanged)
}

func TestDebounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, ctx := make(chan struct{}), t.Context()
		addresses, changes := "a", 0
		go debounce(events, ctx.Done(), time.Second, func() (string, error) { return addresses, nil }, func() { changes++ })
		for i, step := range []struct {
			addresses string
			wait      time.Duration
			want      int
		}{
			{"a", 2 * time.Second, 0},        // an event, but nothing changed
			{"b", 500 * time.Millisecond, 0}, // not quiet yet
			{"bc", 999 * time.Millisecond, 0},
			{"bc", 2 * time.Second, 1},
			{"a", 2 * time.Second, 2},
		} {
			synctest.Wait()
			addresses = step.addresses
			events <- struct{}{}
			time.Sleep(step.wait)
			synctest.Wait()
			if changes != step.want {
				t.Errorf("step %d: got %d changes, want %d", i, changes, step.want)
			}
		}
	})
}

// TestDebounceOfFailedLooks: that the kernel could not be asked is no change.
func TestDebounceOfFailedLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, ctx := make(chan struct{}), t.Context()
		var mu sync.Mutex
		addresses, failure, changes, looks := "a", error(unix.EMFILE), 0, 0
		look := func() (string, error) {
			mu.Lock()
			defer mu.Unlock()
			looks++
			return addresses, failure
		}
		set := func(a string, err error) {
			mu.Lock()
			defer mu.Unlock()
			addresses, failure = a, err
		}
		go debounce(events, ctx.Done(), time.Second, look, func() { changes++ })
		sleep := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		at := func(what string, wantLooks, wantChanges int) {
			t.Helper()
			if looks != wantLooks || changes != wantChanges {
				t.Errorf("%s: %d looks and %d changes, want %d and %d", what, looks, changes, wantLooks, wantChanges)
			}
		}
		sleep(2500 * time.Millisecond)
		at("never seen", 3, 0)
		set("a", nil)
		sleep(time.Second)
		at("seen", 4, 0)
		set("a", unix.EMFILE)
		events <- struct{}{}
		sleep(1500 * time.Millisecond)
		at("not seen", 5, 0)
		set("a", nil)
		sleep(time.Second)
		at("as it was", 6, 0)
		set("b", unix.EMFILE)
		events <- struct{}{}
		sleep(1500 * time.Millisecond)
		set("b", nil)
		sleep(time.Second)
		at("changed meanwhile", 8, 1)
	})
}

// TestListing: the kernel is asked again after each change that it tells of, and
// each time while it tells of none.
func TestListing(t *testing.T) {
	l := &listing{}
	same := func() bool {
		t.Helper()
		a, err := l.get()
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.get()
		if err != nil {
			t.Fatal(err)
		}
		return len(a) > 0 && a[0] == b[0]
	}
	if same() {
		t.Error("kept, though nobody will tell of a change")
	}
	l.change(true)
	if !same() {
		t.Error("not kept")
	}
	kept, _ := l.get()
	l.change(true)
	if now, _ := l.get(); now[0] == kept[0] {
		t.Error("kept over a change")
	}
	if l.change(false); same() {
		t.Error("kept after the last message")
	}
}

// TestDebounceOfEndlessEvents: a driver that never stops to send does not hide
// what happened.
func TestDebounceOfEndlessEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, ctx := make(chan struct{}), t.Context()
		addresses, changes := "a", 0
		go debounce(events, ctx.Done(), time.Second, func() (string, error) { return addresses, nil }, func() { changes++ })
		for i := range 100 {
			synctest.Wait()
			switch addresses = "b"; {
			case i == 6 && changes != 0:
				t.Error("told before its time")
			case i == 9 && changes != 1:
				t.Errorf("told %d times after 4.5 s of events", changes)
			}
			events <- struct{}{}
			time.Sleep(500 * time.Millisecond)
		}
		if changes != 1 {
			t.Errorf("told %d times of one change", changes)
		}
	})
}

func TestNewRefusesBadServers(t *testing.T) {
	for _, server := range []ICEServer{{URL: "door"}, {URL: "turn:host:3478"}, {URL: "stun:"}} {
		m, err := New(Config{ICEServers: []ICEServer{server}})
		if err == nil {
			_ = m.Close()
			t.Errorf("%+v: no error", server)
		}
	}
}

// A server that never answers does not hold the offer up.
func TestSilentServerDoesNotDelayTheOffer(t *testing.T) {
	silent, err := newLossyNet(t).ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	timing := defaultTiming()
	m, err := newMedia(Config{
		Interfaces: []string{"lo"}, IncludeLoopback: true,
		ICEServers: []ICEServer{{URL: fmt.Sprintf("stun:%v", silent.LocalAddr())}},
	}, timing, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	callee := newEnd(t, m, call.RoleCallee)
	callee.Offer()
	offer := callee.next(call.SessionOffer).SDP
	if callee.pc.ICEGatheringState() == webrtc.ICEGatheringStateComplete {
		t.Error("the offer waited for the server")
	}
	if _, candidates := cutCandidates(offer); len(candidates) == 0 {
		t.Error("the offer holds no host candidate")
	}
}
