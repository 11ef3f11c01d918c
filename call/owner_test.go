package call

import (
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

// rung is a background call that rings in a daemon, with a journal.
func rung(t *testing.T, w *world, dir string, p *pipes, edit ...func(*Config)) (daemon *node, c *Call) {
	t.Helper()
	daemon = w.node("home", "panel", edit...).keeps(dir, p).background()
	c = w.node("door", "d1").make("home")
	if pass(time.Second); daemon.wait() == nil || daemon.wait().State() != StateVerified {
		t.Fatal("it does not ring")
	}
	return daemon, c
}

// TestGrant: what an owner answers to each asker.
func TestGrant(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var p pipes
		daemon, c := rung(t, w, t.TempDir(), &p)
		ask := adoptRequest{V: 1, Adopt: c.ID(), Device: daemon.self}
		ask.Device.Session = "another"
		for _, tc := range []struct {
			name string
			edit func(*adoptRequest)
			want string
		}{
			{"of a later version", func(q *adoptRequest) { q.V = 2 }, replyUnknown},
			{"for another call", func(q *adoptRequest) { q.Adopt = "x" }, replyUnknown},
			{"of another device", func(q *adoptRequest) { q.Device.Device = "hall" }, replyUnknown},
			{"of another user", func(q *adoptRequest) { q.Device.User = "spy" }, replyUnknown},
			{"of another service", func(q *adoptRequest) { q.Device.Service = "x" }, replyUnknown},
			{"without a microphone", func(q *adoptRequest) { q.NoMic = true }, replyNoMic},
			{"as it should be", func(*adoptRequest) {}, replyGranted},
			{"while the first is on its way", func(*adoptRequest) {}, replyAdopted},
		} {
			q := ask
			tc.edit(&q)
			if _, r := daemon.kit.grant(q); r.Status != tc.want || (r.Entry != nil) != (tc.want == replyGranted) {
				t.Errorf("asked %s: %q, want %q", tc.name, r.Status, tc.want)
			}
		}
		// the daemon's own application has lost it, too
		if ids, err := daemon.kit.PendingBackgroundCalls(); err != nil || len(ids) != 0 {
			t.Errorf("pending: %v, %v", ids, err)
		}
		if _, err := daemon.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
			t.Errorf("adopted here, too: %v", err)
		}
		if _, err := daemon.verify(daemon.wait().c.param.CCParam.String()); !errors.Is(err, StartInvalidState) {
			t.Errorf("verified here, too: %v", err)
		}
	})
	in(t, func(t *testing.T, w *world) { // its caller's word on its end is not known yet, or it is over
		var p pipes
		daemon, c := rung(t, w, t.TempDir(), &p)
		c.End()
		pass(100 * time.Millisecond)
		if _, r := daemon.kit.grant(adoptRequest{V: 1, Adopt: c.ID(), Device: daemon.self}); r.Status != replyEnded {
			t.Errorf("when it is over: %q", r.Status)
		}
	})
}

// TestGrantUnheard: the asker dies before the answer; the call stays where it is.
func TestGrantUnheard(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var p pipes
		daemon, c := rung(t, w, t.TempDir(), &p)
		there, here := net.Pipe()
		go func() {
			b := []byte(`{"v":1,"adopt":"` + c.ID() + `","device":{"service":"house","user":"home","device":"panel","session":"x"}}` + "\n")
			if _, err := there.Write(b); err != nil {
				t.Error(err)
			}
			there.Close()
		}()
		if err := daemon.kit.answer(here); err == nil {
			t.Error("the answer was taken")
		}
		here.Close()
		pass(time.Second)
		if daemon.wait().State() != StateVerified {
			t.Errorf("it is %v", daemon.wait().State())
		}
		if _, err := daemon.adopt(c.ID()); err != nil {
			t.Errorf("adopted here: %v", err)
		}
	})
}

// TestAsksNoneOfItsOwn: a process that looks for a call does not ask itself.
func TestAsksNoneOfItsOwn(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var p pipes
		dir := t.TempDir()
		rung(t, w, dir, &p)
		app := w.node("home", "panel").keeps(dir, &p)
		var asked []string
		app.kit.journal.dial = func(n, path string, d time.Duration) (net.Conn, error) {
			asked = append(asked, path)
			return p.dial(n, path, d)
		}
		if _, err := app.adopt("x"); !errors.Is(err, ErrNoSuchCall) {
			t.Error(err)
		}
		if len(asked) != 1 || slices.Contains(asked, app.kit.journal.sock.path) {
			t.Errorf("it asked %v, and is %s", asked, app.kit.journal.sock.path)
		}
	})
}

// TestEntryAtAdoption: the adopter's entry takes the place of the owner's at
// once, before the caller has said a word.
func TestEntryAtAdoption(t *testing.T) {
	for _, tc := range []struct {
		name     string
		here     bool
		incoming bool
		want     entryState
	}{
		{"here, kept", true, true, entryForeground}, {"here, not kept", true, false, entryAdopted},
		{"elsewhere, kept", false, true, entryForeground}, {"elsewhere, not kept", false, false, entryAdopted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				var p pipes
				dir := t.TempDir()
				keep := func(c *Config) { c.JournalIncoming = tc.incoming }
				adopter, c := rung(t, w, dir, &p, keep)
				if !tc.here {
					adopter = w.node("home", "panel", keep).keeps(dir, &p)
				}
				w.set(func(w *world) { w.brokerDown, w.pathDown = true, true })
				if _, err := adopter.adopt(c.ID()); err != nil {
					t.Fatal(err)
				}
				pass(100 * time.Millisecond)
				data, err := os.ReadFile(adopter.kit.journal.path(c.ID()))
				if err != nil {
					t.Fatal(err)
				}
				e, err := parseEntry(data)
				if err != nil || e.State != tc.want || e.Owner != adopter.self {
					t.Errorf("the entry is %q of %v, %v; want %q of %v", e.State, e.Owner, err, tc.want, adopter.self)
				}
			})
		})
	}
}
