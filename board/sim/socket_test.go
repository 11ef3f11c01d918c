package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/gpio"
)

// pipe connects to a board without a socket, so that it works in a bubble.
func pipe(t *testing.T, b *Board) net.Conn {
	near, far := net.Pipe()
	b.admit(far)
	t.Cleanup(func() { near.Close() })
	return near
}

// A client plays the world as the board's own methods do.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Inputs: []string{"bell"}, Outputs: []string{"lamp"}})
		in, lamp := must[gpio.Input](t)(b.Input("bell")), must[gpio.Output](t)(b.Output("lamp"))
		c := newClient(pipe(t, b), "")
		defer c.Close()

		at := must[time.Duration](t)(c.Press("bell"))
		if d := cmp.Diff(gpio.Edge{Active: true, At: at}, <-in.Edges()); d != "" {
			t.Errorf("press (-want +got):\n%s", d)
		}
		must[time.Duration](t)(c.Release("bell"))
		<-in.Edges()
		at = must[time.Duration](t)(c.Tap("bell", 50*time.Millisecond))
		<-in.Edges()
		if d := cmp.Diff(gpio.Edge{At: at + 50*time.Millisecond}, <-in.Edges()); d != "" {
			t.Errorf("tap (-want +got):\n%s", d)
		}
		ok(t, lamp.Set(true))
		if d := cmp.Diff(must[[]Line](t)(b.Lines()), must[[]Line](t)(c.Lines())); d != "" {
			t.Errorf("lines (-board +client):\n%s", d)
		}
		if d := cmp.Diff(must[[]Change](t)(b.History()), must[[]Change](t)(c.History())); d != "" {
			t.Errorf("history (-board +client):\n%s", d)
		}

		wait := loop(t, b.Card())
		time.Sleep(35 * time.Millisecond)
		clip := make([]int16, 5*48000) // the longest
		for i := range clip {
			clip[i] = int16(i)
		}
		began := must[time.Duration](t)(c.MicPlay(clip))
		time.Sleep(5*time.Second + 50*time.Millisecond)
		mark, found, err := c.SpeakerMark(began, 5000)
		if err != nil || !found {
			t.Fatalf("SpeakerMark = %v, %v", found, err)
		}
		want, _, _ := b.SpeakerMark(began, 5000)
		if d := cmp.Diff(want, mark); d != "" {
			t.Errorf("mark (-board +client):\n%s", d)
		}
		wantPCM, wantAt, _ := b.Speaker(5 * time.Second)
		pcm, from, err := c.Speaker(5 * time.Second)
		ok(t, err)
		if d := cmp.Diff(wantPCM, pcm); d != "" || from != wantAt || len(pcm) != len(clip) {
			t.Errorf("speaker: %d samples from %v, want %d from %v", len(pcm), from, len(wantPCM), wantAt)
		}
		ok(t, c.MicTone(500))
		if got := b.card.mic.hz; got != 500 {
			t.Errorf("tone of %v Hz, want 500", got)
		}
		ok(t, c.MicSilence())
		if got := b.card.mic.hz; got != 0 {
			t.Errorf("tone of %v Hz, want silence", got)
		}
		ok(t, c.Unplug())
		wait()
		if b.card.Start() == nil {
			t.Error("the card starts unplugged")
		}
		ok(t, c.Replug())
		ok(t, b.card.Start())
		ok(t, b.card.Close())
		if d := cmp.Diff(must[Counters](t)(b.Counters()), must[Counters](t)(c.Counters())); d != "" {
			t.Errorf("counters (-board +client):\n%s", d)
		}
		if _, err := c.Press("none"); err == nil || !strings.Contains(err.Error(), `"none"`) {
			t.Errorf("press of no pin: %v", err)
		}
		must[time.Duration](t)(c.Press("bell")) // goes on after an error

		w, err := newClient(pipe(t, b), "").watch()
		ok(t, err)
		ok(t, lamp.Set(false))
		if e := <-w.Events; e.Name != "lamp" || e.Active {
			t.Errorf("watch: %+v, want the lamp off", e)
		}
		ok(t, w.Close())
		synctest.Wait()
		b.mu.Lock()
		if len(b.watches) != 0 || len(b.clients) != 1 {
			t.Errorf("%d watches and %d clients after the watch, want 0 and 1", len(b.watches), len(b.clients))
		}
		b.mu.Unlock()

		w, err = newClient(pipe(t, b), "").watch()
		ok(t, err)
		defer w.Close()
		ok(t, b.Close())
		for range w.Events {
		}
		if w.Err() == nil {
			t.Error("watch of a closed board has no error")
		}
		if _, err := c.Lines(); err == nil {
			t.Error("a closed board answers")
		}
	})
}

// Each bad line is answered with an error, and the next good one is served.
func TestBadRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Inputs: []string{"bell"}})
		conn := pipe(t, b)
		lines := bufio.NewScanner(conn)
		ask := func(line string) (r reply) {
			t.Helper()
			if _, err := conn.Write([]byte(line + "\n")); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if !lines.Scan() {
				t.Fatalf("%s: no reply: %v", line, lines.Err())
			}
			ok(t, json.Unmarshal(lines.Bytes(), &r))
			return r
		}
		for _, line := range []string{
			``, `x`, `{}`, `[]`, `null`, `{"op":"dance"}`, `{"op":"press"}`, `{"op":"press","name":"none"}`,
			`{"op":"press","name":"bell","ms":5}`, `{"op":"press","name":"bell"} {}`, `{"op":"press","name":5}`,
			`{"op":"press","name":"bell","nmae":"bell"}`, `{"op":"tap","name":"bell"}`, `{"op":"tap","name":"bell","ms":60001}`,
			`{"op":"mic"}`, `{"op":"mic","source":"tone"}`, `{"op":"mic","source":"silence","hz":100}`,
			`{"op":"mic_play"}`, `{"op":"mic_play","pcm":"!"}`, `{"op":"mic_play","pcm":"AAAA"}`,
			`{"op":"speaker"}`, `{"op":"speaker","ms":5001}`, `{"op":"speaker_mark","threshold":-1}`,
			`{"op":"speaker_mark","threshold":32768}`, `{"op":"lines","name":"bell"}`,
		} {
			if r := ask(line); r.OK || r.Error == "" {
				t.Errorf("%s: reply %+v, want an error", line, r)
			}
		}
		if r := ask(`{"op":"press","name":"bell"}`); !r.OK || r.At == 0 {
			t.Errorf("press after all that: %+v", r)
		}
	})
}

// A line without end is answered and ends the connection; a client that does
// not read is dropped; the seventeenth is turned away.
func TestClientsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		long := pipe(t, b)
		go long.Write([]byte(strings.Repeat("x", 2*maxRequest)))
		lines := bufio.NewScanner(long)
		if !lines.Scan() || !strings.Contains(lines.Text(), "longer") || lines.Scan() {
			t.Errorf("line of 2 MiB: reply %q, want an error and the end", lines.Text())
		}

		mute := pipe(t, b)
		if _, err := mute.Write([]byte("{\"op\":\"lines\"}\n")); err != nil {
			t.Fatal(err)
		}
		watch := pipe(t, b)
		if _, err := watch.Write([]byte("{\"op\":\"watch\"}\n")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(writeTimeout + time.Millisecond)
		synctest.Wait()
		b.mu.Lock()
		n := len(b.clients)
		b.mu.Unlock()
		if n != 0 {
			t.Errorf("%d clients, want those that do not read dropped", n)
		}

		for range maxClients {
			pipe(t, b)
		}
		if _, err := pipe(t, b).Read(make([]byte, 1)); err == nil {
			t.Error("a client too many was let in")
		}
	})
}

// The same over a real socket, which is the user's own, replaces an abandoned
// one, is not taken from a living board, and is gone afterwards.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "board")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	ok(t, err)
	dead.SetUnlinkOnClose(false)
	ok(t, dead.Close())

	b := open(t, Config{Socket: path, Inputs: []string{"bell"}, Outputs: []string{"lamp"}})
	info, err := os.Stat(path)
	ok(t, err)
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %v, want 0600", got)
	}
	if b2, err := Open(Config{Socket: path}); err == nil {
		b2.Close()
		t.Error("two boards on one socket")
	}
	c := must[*Client](t)(Dial(path))
	defer c.Close()
	before := gpio.Monotonic()
	at := must[time.Duration](t)(c.Press("bell"))
	if after := gpio.Monotonic(); at < before-time.Millisecond || at > after+time.Millisecond {
		t.Errorf("press at %v, want between %v and %v on CLOCK_MONOTONIC", at, before, after)
	}
	w := must[*Watch](t)(c.Watch())
	if e, ok := <-w.Events; !ok || e.Event != EventLevel {
		t.Errorf("watch: %+v, %v", e, w.Err())
	}
	ok(t, w.Close())
	ok(t, b.Close())
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := Dial(path); err == nil {
		t.Error("a closed board is reached")
	}
}

// Whatever a client sends, the parser gives a request that stands for the same
// line, or an error; and the board answers.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"op":"press","name":"bell"}`, `{"op":"tap","name":"bell","ms":80}`, `{"op":"mic","source":"tone","hz":440.5}`,
		`{"op":"mic_play","pcm":"AAAAAA=="}`, `{"op":"speaker","ms":5000}`, `{"op":"speaker_mark","since_ns":-1,"threshold":5}`,
		`{"op":"lines"}`, `{"op":"watch"}`, `{"op":"mic","source":"tone","hz":1e999}`, `{"OP":"lines"}`, `null`,
	} {
		f.Add([]byte(s))
	}
	b := open(f, Config{Inputs: []string{"bell"}, Outputs: []string{"lamp"}})
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRequest(line)
		if err != nil {
			if r.Op != "" || err.Error() == "" {
				t.Fatalf("%q: request %+v with error %v", line, r, err)
			}
			return
		}
		again, err := json.Marshal(r)
		ok(t, err)
		r2, err := parseRequest(again)
		if err != nil || cmp.Diff(r, r2) != "" {
			t.Fatalf("%q: %+v, and again %+v, %v", line, r, r2, err)
		}
		if r.Op == "watch" {
			return
		}
		if out := b.do(r); out.OK == (out.Error != "") {
			t.Fatalf("%q: reply %+v", line, out)
		}
	})
}
