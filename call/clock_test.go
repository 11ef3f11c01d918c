package call

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoWallTime: no time in this package loses its monotonic reading, by which
// all that is remembered and awaited is compared; so a clock that steps changes
// nothing. TestKernelClockSteps shows it on a machine whose clock may be set.
func TestNoWallTime(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	strips := regexp.MustCompile(`\.(Unix\w*|UTC|Local|In|Truncate|Round|AddDate)\(|time\.(Date|Parse|Unix)\w*\(`)
	read := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		read++
		for i, line := range strings.Split(string(src), "\n") {
			if m := strips.FindString(line); m != "" {
				t.Errorf("%s:%d: %s uses wall time, which may step by years", f, i+1, m)
			}
		}
	}
	if read < 10 {
		t.Errorf("only %d files were read", read)
	}
}

// stepClock sets the machine's clock.
func stepClock(t *testing.T, years int) {
	t.Helper()
	before := time.Now()
	tv := syscall.NsecToTimeval(before.AddDate(years, 0, 0).UnixNano())
	if err := syscall.Settimeofday(&tv); err != nil {
		t.Fatal(err)
	}
	if got := time.Now().Year() - before.Year(); got != years {
		t.Fatalf("the clock went by %d years, want %d", got, years)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not after 20 s: %s", what)
}

// TestKernelClockSteps runs on the virtual board: the clock goes years ahead
// and back while a call rings, changes hands, is talked in, and rings out.
func TestKernelClockSteps(t *testing.T) {
	if os.Getenv("CALL_LAB") == "" {
		t.Skip("sets the machine's clock: make test-board CASE=clock")
	}
	dir, door, _ := processHouse(t)
	ends, pushes, waits := make(chan Disconnected, 4), make(chan string, 8), make(chan *BackgroundCall, 1)
	panel := func(push func(string)) *Kit {
		self := Address{"house", "home", "panel", newID()}
		link, err := dialHub(dir, self)
		if err != nil {
			t.Fatal(err)
		}
		k, err := NewKit(Config{Self: self, Transport: link, Sealer: plainSealer{}, Media: hubMedia{}, OnPush: push, Journal: filepath.Join(dir, "journal")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close(); link.Close() })
		return k
	}
	var daemon *Kit
	verify := func(cc string) VerifyCallParam {
		p, err := ParseCCParam(cc)
		if err != nil {
			t.Error(err)
		}
		return VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: p}
	}
	daemon = panel(func(cc string) { pushes <- cc })
	app := panel(nil)
	ring := func(d time.Duration) (*Call, string) {
		c, err := door.MakeCall(MakeCallParam{MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token", RingTime: d},
			Handler{OnDisconnected: func(_ *Call, d Disconnected) { ends <- d }})
		if err != nil {
			t.Fatal(err)
		}
		cc := <-pushes
		if _, err := daemon.VerifyBackgroundCall(verify(cc), BackgroundHandler{OnVerified: func(b *BackgroundCall, _ bool) { b.Ringing(); waits <- b }}); err != nil {
			t.Fatal(err)
		}
		return c, cc
	}

	c, cc := ring(40 * time.Second)
	b := <-waits
	for _, years := range []int{30, -45} {
		stepClock(t, years)
		time.Sleep(6 * time.Second) // longer than a ring's lease
		if b.State() != StateVerified || c.State() != StateWaitAnswer {
			t.Fatalf("after %d years: %v, %v", years, b.State(), c.State())
		}
		if _, err := daemon.VerifyBackgroundCall(verify(cc), BackgroundHandler{}); StartReason(err) != StartReuse {
			t.Errorf("after %d years: verified again: %v", years, err)
		}
		if ids, err := app.PendingBackgroundCalls(); err != nil || len(ids) != 1 {
			t.Errorf("after %d years: pending: %v, %v", years, ids, err)
		}
	}
	in, err := app.AdoptBackgroundCall(c.ID(), Handler{})
	if err != nil {
		t.Fatal(err)
	}
	stepClock(t, 20)
	in.Accept(AcceptOptions{})
	until(t, "connected", func() bool { return c.State() == StateConnected && in.State() == StateConnected })
	for _, years := range []int{-20, 30} {
		stepClock(t, years)
		time.Sleep(3 * time.Second)
		if c.State() != StateConnected || in.State() != StateConnected || !in.WriteFrame([]byte{1}, frameOf20ms) {
			t.Errorf("after %d years: %v, %v", years, c.State(), in.State())
		}
	}
	in.End()
	if d := <-ends; d.Reason != ReasonNormal {
		t.Errorf("it ended as %v", d)
	}
	if r := c.Record(); r.Talk < 6*time.Second || r.Talk > 20*time.Second || r.Ring < 12*time.Second || r.Ring > 40*time.Second {
		t.Errorf("the record has a ring of %v and a talk of %v", r.Ring, r.Talk)
	}

	c, _ = ring(5 * time.Second)
	<-waits
	stepClock(t, -30)
	if d := <-ends; d.Reason != ReasonNoAnswer {
		t.Errorf("it ended as %v", d)
	}
	if r := c.Record(); r.Ring < 4*time.Second || r.Ring > 10*time.Second {
		t.Errorf("it rang for %v", r.Ring)
	}
	if len(pushes) != 0 {
		t.Errorf("%d calls were pushed twice", len(pushes))
	}
}

const frameOf20ms = 960 // samples
