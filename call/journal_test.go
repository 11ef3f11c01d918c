package call

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pipes are unix sockets in memory, as the bubble wants them: a listener each,
// with an empty file where its socket would be.
type pipes struct {
	mu sync.Mutex
	at map[string]*pipeListener
}

type pipeListener struct {
	p    *pipes
	path string
	in   chan net.Conn
	done chan struct{}
	once sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path} }
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done); _ = os.Remove(l.path) })
	return nil
}

func (p *pipes) dial(_, path string, _ time.Duration) (net.Conn, error) {
	p.mu.Lock()
	l := p.at[path]
	p.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	a, b := net.Pipe()
	select {
	case l.in <- b:
		return a, nil
	case <-l.done:
		return nil, syscall.ECONNREFUSED
	}
}

func (p *pipes) listen(path string) (net.Listener, error) {
	l := &pipeListener{p: p, path: path, in: make(chan net.Conn), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[string]*pipeListener{}
	}
	p.at[path] = l
	return l, os.WriteFile(path, nil, 0o600)
}

// keepIn gives a Kit a journal in dir, in the bubble's time; a process that
// answers others.
func (p *pipes) keepIn(k *Kit, dir string, edit ...func(*journal)) error {
	j, err := newJournal(dir)
	if err != nil {
		return err
	}
	t0 := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // the bubble's begin
	j.clock = func() (string, time.Duration, error) { return "boot-1", time.Since(t0), nil }
	j.dial = p.dial
	path := filepath.Join(dir, newID()[:8]+suffixSock)
	l, err := p.listen(path)
	if err != nil {
		return err
	}
	j.sock = &ownerSocket{l, path}
	for _, f := range edit {
		f(j)
	}
	k.work.Go(func() { k.serveOwner(l) })
	k.useJournal(j)
	return nil
}

// kill is what the kernel does of a killed process: it frees locks and sockets.
// What the Kit still does to its journal comes to nothing.
func (p *pipes) kill(j *journal) error {
	p.mu.Lock()
	delete(p.at, j.sock.path)
	p.mu.Unlock()
	j.turn <- struct{}{}
	j.clock = func() (string, time.Duration, error) { return "", 0, errors.New("killed") }
	<-j.turn
	return j.close()
}

// keeps gives the node's Kit a journal.
func (n *node) keeps(dir string, p *pipes) *node {
	if err := p.keepIn(n.kit, dir); err != nil {
		n.w.t.Fatal(err)
	}
	return n
}

func incoming(c *Config) { c.JournalIncoming = true }

// die is kill -9: off the network, and the kernel frees locks and sockets.
func (n *node) die(p *pipes) {
	n.vanish()
	n.w.mu.Lock()
	var mine []*fakeSession
	for _, s := range n.w.sessions {
		if s.owner == n.self.Session {
			mine = append(mine, s)
		}
	}
	n.w.mu.Unlock()
	for _, s := range mine {
		s.die()
	}
	if err := p.kill(n.kit.journal); err != nil {
		n.w.t.Error(err)
	}
}

// TestJournalAfterKill: a station is killed while it rings; the next process
// finds the call, rings on, and answers it. The caller sees one device.
func TestJournalAfterKill(t *testing.T) {
	for _, tc := range []struct {
		name string
		ring func(*node) *node
	}{
		{"a background call", (*node).background},
		{"a call of a station", (*node).rings},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door := w.node("door", "d1")
				old := tc.ring(w.node("home", "panel", incoming).keeps(dir, &p))
				defer old.kit.Close()
				c := door.make("home", func(p *MakeCallParam) { parcel(p); p.DeclineOnlyDevice = true })
				pass(3 * time.Second)
				old.die(&p)
				pass(2 * time.Second)

				home := w.node("home", "panel", incoming).keeps(dir, &p)
				ids, err := home.kit.PendingBackgroundCalls()
				if err != nil || !slices.Equal(ids, []string{c.ID()}) {
					t.Fatalf("pending: %v, %v", ids, err)
				}
				in, err := home.adopt(ids[0])
				if err != nil {
					t.Fatal(err)
				}
				if string(in.AppData())+in.StartMessage() != "cam=1parcel" {
					t.Error("no app data at once")
				}
				in.Ringing()
				pass(10 * time.Second)
				if len(legsOf(c)) != 1 || !legsOf(c)[0].ringing {
					t.Errorf("legs: %+v", legsOf(c))
				}
				in.Accept(AcceptOptions{})
				pass(100 * time.Millisecond)
				if c.State() != StateConnected || !c.WriteFrame([]byte{1}, 480) {
					t.Error("no talk")
				}
				c.End()
				pass(3 * time.Second)
				heard(t, door, "waitConnected", "acknowledged panel", "connected false false", "disconnected normal caller false")
				heard(t, home, "connected false false", "disconnected normal caller true")
				if files := names(t, dir, suffixCall); len(files) != 0 {
					t.Errorf("left in the journal: %v", files)
				}
			})
		})
	}
}

// TestJournalKilledTwice: so is the process that adopted it.
func TestJournalKilledTwice(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door := w.node("door", "d1")
		c := door.make("home")
		n := w.node("home", "panel", incoming).keeps(dir, &p).rings()
		defer n.kit.Close()
		pass(1500 * time.Millisecond)
		for range 6 {
			n.die(&p)
			next := w.node("home", "panel", incoming).keeps(dir, &p)
			defer next.kit.Close()
			in, err := next.adopt(c.ID())
			if err != nil {
				t.Fatal(err)
			}
			in.Ringing()
			pass(time.Second)
			n = next
		}
		n.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		if c.State() != StateConnected || len(legsOf(c)) != 1 {
			t.Errorf("%v with %d legs", c.State(), len(legsOf(c)))
		}
	})
}

// TestJournalPushFirst: the repeated push comes before anybody adopts.
// VerifyCall then replaces the dead process's leg, too.
func TestJournalPushFirst(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door := w.node("door", "d1")
		old := w.node("home", "panel", incoming).keeps(dir, &p).rings()
		defer old.kit.Close()
		c := door.make("home")
		pass(3 * time.Second)
		old.die(&p)
		home := w.node("home", "panel", incoming).keeps(dir, &p).rings()
		pass(2 * time.Second)
		if len(legsOf(c)) != 1 || home.call() == nil || home.call().State() != StateVerified {
			t.Fatalf("legs %+v", legsOf(c))
		}
		if !home.call().RangBefore() {
			t.Error("that it rang before is not known")
		}
		if _, err := home.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
			t.Errorf("adopted what was verified: %v", err)
		}
		c.End()
		pass(time.Second)
		heard(t, home, "verified false", "disconnected cancel caller true")
	})
}

// TestAdoptedByAnotherProcess: the owner lives, and lets go.
func TestAdoptedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door := w.node("door", "d1")
		daemon := w.node("home", "panel").keeps(dir, &p).background()
		c := door.make("home", parcel)
		pass(3 * time.Second)
		app, late, other := w.node("home", "panel").keeps(dir, &p), w.node("home", "panel").keeps(dir, &p), w.node("home", "hall").keeps(dir, &p)
		if _, err := other.adopt(c.ID()); !errors.Is(err, ErrNoSuchCall) {
			t.Errorf("another device adopted: %v", err)
		}
		if ids, err := other.kit.PendingBackgroundCalls(); err != nil || len(ids) != 0 {
			t.Errorf("another device sees %v, %v", ids, err)
		}
		if ids, err := app.kit.PendingBackgroundCalls(); err != nil || !slices.Equal(ids, []string{c.ID()}) {
			t.Errorf("pending: %v, %v", ids, err)
		}
		in, err := app.adopt(c.ID())
		if err != nil {
			t.Fatal(err)
		}
		if string(in.AppData())+in.StartMessage() != "cam=1parcel" || !in.Accept(AcceptOptions{}) {
			t.Error("no app data, or not to be accepted")
		}
		for _, n := range []*node{late, app, daemon} {
			if _, err := n.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
				t.Errorf("adopted again: %v", err)
			}
		}
		pass(time.Second)
		if c.State() != StateConnected || len(legsOf(c)) != 1 || c.Peer() != app.self {
			t.Errorf("%v with %v, %d legs", c.State(), c.Peer(), len(legsOf(c)))
		}
		app.kit.journal.turn <- struct{}{}
		if n := len(app.kit.journal.held); n != 0 {
			t.Errorf("the adopter holds %d files of calls that it does not keep", n)
		}
		<-app.kit.journal.turn
		daemon.kit.Close() // and with it the memory of who has it
		if _, err := late.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
			t.Errorf("adopted again, of the journal: %v", err)
		}
		in.End()
		pass(time.Second)
		heard(t, daemon, "background verified false", "adopted")
		heard(t, app, "connected false false", "disconnected normal callee false")
		heard(t, door, "waitConnected", "acknowledged panel", "connected false false", "disconnected normal callee true")
	})
}

// TestPushDuringAdoption: the owner takes its time, and the call's push is
// repeated meanwhile. The adopter must not answer it as busy.
func TestPushDuringAdoption(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door := w.node("door", "d1")
		w.node("home", "panel").keeps(dir, &p).background()
		c := door.make("home")
		pass(time.Second)
		app := w.node("home", "panel").keeps(dir, &p).rings()
		app.kit.journal.dial = func(n, path string, d time.Duration) (net.Conn, error) {
			time.Sleep(3 * time.Second)
			return p.dial(n, path, d)
		}
		go func() {
			pass(time.Second)
			if _, err := app.adopt(c.ID()); !errors.Is(err, ErrAlreadyAdopted) {
				t.Errorf("adopted twice at once: %v", err)
			}
		}()
		if _, err := app.adopt(c.ID()); err != nil {
			t.Fatal(err)
		}
		app.call().Accept(AcceptOptions{})
		pass(time.Second)
		heard(t, door, "waitConnected", "acknowledged panel", "connected false false")
		heard(t, app, "connected false false")
	})
}

// TestBusyThenAdopts: the process that adopts had told the caller that it is
// busy. That was another leg of the same device, and counts no more.
func TestBusyThenAdopts(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door, gate := w.node("door", "d1"), w.node("gate", "g1").rings()
		app := w.node("home", "panel", func(c *Config) { c.NoCallWaiting = true }).keeps(dir, &p)
		app.make("gate")
		pass(100 * time.Millisecond)
		gate.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		w.node("home", "panel").keeps(dir, &p).background()
		c := door.make("home")
		pass(3 * time.Second)
		if got := len(legsOf(c)); got != 2 {
			t.Fatalf("%d legs, want one that rings and one that is busy", got)
		}
		if _, err := app.adopt(c.ID()); !errors.Is(err, StartAlreadyExist) {
			t.Errorf("adopted while busy: %v", err)
		}
		gate.call().End()
		pass(2 * time.Second)
		in, err := app.adopt(c.ID())
		if err != nil {
			t.Fatal(err)
		}
		in.Accept(AcceptOptions{})
		pass(time.Second)
		if got := len(legsOf(c)); got != 1 || c.State() != StateConnected {
			t.Errorf("%v, %d legs", c.State(), got)
		}
	})
}

// TestAdoptEndedElsewhere: the answer is ErrEnded from the owner, and from
// what it leaves behind.
func TestAdoptEndedElsewhere(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door := w.node("door", "d1")
		daemon, app := w.node("home", "panel").keeps(dir, &p).background(), w.node("home", "panel").keeps(dir, &p)
		c := door.make("home")
		pass(time.Second)
		c.End()
		pass(time.Second)
		if _, err := app.adopt(c.ID()); !errors.Is(err, ErrEnded) {
			t.Errorf("while the owner lives: %v", err)
		}
		daemon.kit.Close()
		if _, err := app.adopt(c.ID()); !errors.Is(err, ErrEnded) {
			t.Errorf("after it stopped: %v", err)
		}
		pass(10 * time.Minute)
		door.make("home") // makes a new entry, and cleans
		w.node("home", "panel").keeps(dir, &p).background()
		pass(2 * time.Second)
		if _, err := app.adopt(c.ID()); !errors.Is(err, ErrNoSuchCall) {
			t.Errorf("when it was cleaned away: %v", err)
		}
	})
}

func names(t *testing.T, dir, suffix string) (list []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if strings.HasSuffix(f.Name(), suffix) {
			list = append(list, f.Name())
		}
	}
	return list
}

// --- the journal by itself ---

var journalSelf = Address{"house", "home", "panel", "s1"}

func someEntry(id string) entry {
	return entry{
		State: entryBackground, CCParam: CCParam{id, Address{"house", "door", "d1", "s9"}}.String(), Owner: journalSelf,
		Nonces: []string{"n1"}, Verified: true, AppData: []byte("cam=1"), StartMessage: "parcel",
	}
}

func nobody() bool { return false } // was granted it

func openTestJournal(t *testing.T, dir string, now *time.Duration) *journal {
	t.Helper()
	j, err := newJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	j.clock = func() (string, time.Duration, error) { return "boot-1", *now, nil }
	t.Cleanup(func() { j.close() })
	return j
}

func TestJournalEntry(t *testing.T) {
	want := someEntry("c1")
	want.Boot, want.Until = "b", 7
	data, err := want.marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseEntry(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for n := range len(data) {
		if _, err := parseEntry(data[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes it is read", n, len(data))
		}
		flipped := slices.Clone(data)
		flipped[n] ^= 1
		if e, err := parseEntry(flipped); err == nil && cmp.Diff(e, want) != "" {
			t.Errorf("with a wrong bit in byte %d another entry is read", n)
		}
	}
	later := strings.Replace(string(data), "version 1", "version 2", 1)
	if _, err := parseEntry([]byte(later)); !errors.Is(err, errLater) {
		t.Errorf("a later version: %v", err)
	}
	if _, err := parseEntry([]byte(string(data) + strings.Repeat(" ", maxEntry))); err == nil {
		t.Error("a file of any size is read")
	}
	big := someEntry("c1")
	big.AppData, big.StartMessage = make([]byte, MaxAppData), strings.Repeat("<", MaxStartMessage)
	if data, err := big.marshal(); err != nil || len(data) > maxEntry {
		t.Errorf("the largest entry has %d bytes of %d, %v", len(data), maxEntry, err)
	}
}

func FuzzJournalEntry(f *testing.F) {
	good, err := someEntry("c1").marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(strings.Replace(string(good), "version 1", "version 99", 1)))
	f.Add([]byte(entryHead))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEntry(data)
		if err != nil {
			return
		}
		again, err := e.marshal()
		if err != nil {
			t.Fatal(err)
		}
		e2, err := parseEntry(again)
		if err != nil {
			t.Fatalf("what was read and written is not read: %v", err)
		}
		if d := cmp.Diff(e, e2); d != "" {
			t.Fatal(d)
		}
		if p, err := e.param(); err != nil || p.CCParam.CallID() != e.id() {
			t.Fatalf("param: %v", err)
		}
	})
}

// TestJournalBadFiles puts each kind of bad file where an entry is wanted.
func TestJournalBadFiles(t *testing.T) {
	now := time.Hour
	good, err := someEntry("c1").marshal()
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, good, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		make  func(path string) error
		want  string // of the error
		stays bool   // put and clean leave it alone
	}{
		{"cut short", func(p string) error { return os.WriteFile(p, good[:50], 0o600) }, "cut short", false},
		{"empty", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "cut short", false},
		{"garbage", func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("\x00\xff", 5000)), 0o600) }, "not of a call journal", false},
		{"huge", func(p string) error { return os.Truncate(touch(p), 1<<40) }, "more than", false},
		{"later version", func(p string) error {
			return os.WriteFile(p, []byte(strings.Replace(string(good), "version 1", "version 2", 1)), 0o600)
		}, "later version", true},
		{"symlink", func(p string) error { return os.Symlink(secret, p) }, "symbolic link", true},
		{"pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, "no regular file", true},
		{"folder", func(p string) error { return os.Mkdir(p, 0o700) }, "is a directory", true},
		{"another call's", func(p string) error {
			e := someEntry("c2")
			e.Boot, e.Until = "boot-1", time.Hour.Milliseconds()*2
			data, err := e.marshal()
			return errors.Join(err, os.WriteFile(p, data, 0o600))
		}, "of another call", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			j := openTestJournal(t, dir, &now)
			if err := tc.make(j.path("c1")); err != nil {
				t.Fatal(err)
			}
			if _, _, err := j.take("c1", journalSelf, nil, ""); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("take: %v, want %q in it", err, tc.want)
			}
			list, bad, err := j.pending(journalSelf)
			if err != nil || len(list) != 0 || bad == nil && tc.name != "another call's" {
				t.Errorf("pending: %v, %v, %v", list, bad, err)
			}
			if err := j.put(someEntry("c3"), time.Minute, nobody); err != nil {
				t.Errorf("another call can not be kept: %v", err)
			}
			if _, err := os.Lstat(j.path("c1")); (err == nil) != tc.stays {
				t.Errorf("after a clean: %v", err)
			}
			if got, err := os.ReadFile(secret); err != nil || string(got) != string(good) {
				t.Error("the link was followed")
			}
		})
	}
}

func touch(path string) string {
	_ = os.WriteFile(path, nil, 0o600) // the next to use it tells
	return path
}

// TestJournalClock: another boot, or the end of its ring, makes an entry old.
func TestJournalClock(t *testing.T) {
	now := time.Hour
	dir := t.TempDir()
	j, next := openTestJournal(t, dir, &now), openTestJournal(t, dir, &now)
	if err := j.put(someEntry("c1"), time.Minute, nobody); err != nil {
		t.Fatal(err)
	}
	if _, _, err := next.take("c1", journalSelf, nil, ""); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a living owner's call was taken: %v", err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := next.take("c1", Address{"house", "home", "hall", "s"}, nil, ""); !errors.Is(err, ErrNoSuchCall) {
		t.Errorf("by another device: %v", err)
	}
	now += 61 * time.Second
	if _, _, err := next.take("c1", journalSelf, nil, ""); !errors.Is(err, ErrEnded) {
		t.Errorf("after its ring: %v", err)
	}
	now -= 30 * time.Second
	boot := "boot-2"
	next.clock = func() (string, time.Duration, error) { return boot, now, nil }
	if _, _, err := next.take("c1", journalSelf, nil, ""); !errors.Is(err, ErrEnded) {
		t.Errorf("after a boot: %v", err)
	}
	boot = "boot-1"
	for _, tc := range []struct {
		self Address
		boot string
		want int // nonces
	}{{journalSelf, "boot-1", 1}, {Address{"house", "home", "panel", "another"}, "boot-1", 1}, {Address{"house", "home", "hall", "s"}, "boot-1", 0}, {journalSelf, "boot-2", 0}} {
		boot = tc.boot
		if got := len(next.word("c1", tc.self).Nonces); got != tc.want {
			t.Errorf("%v is told %d nonces after %s, want %d", tc.self, got, boot, tc.want)
		}
	}
	boot = "boot-1"
	if _, left, err := next.take("c1", journalSelf, nil, ""); err != nil || left != 29*time.Second {
		t.Errorf("%v left, %v", left, err)
	}
	if _, _, err := next.take("c1", journalSelf, nil, ""); !errors.Is(err, ErrAlreadyAdopted) {
		t.Errorf("taken twice: %v", err)
	}
	boot = "boot-3"
	if err := next.put(someEntry("c2"), time.Minute, nobody); err != nil {
		t.Fatal(err)
	}
	next.clock = func() (string, time.Duration, error) { return "", 0, errors.New("no /proc") }
	if err := next.put(someEntry("c2"), time.Minute, nobody); err == nil || !strings.Contains(err.Error(), "time since boot") {
		t.Errorf("without a clock: %v", err)
	}
}

// TestJournalFull: files and their number are bounded, and what is not needed
// makes room: the oldest word on a call that is over, but no call of a dead process.
func TestJournalFull(t *testing.T) {
	now := time.Hour
	dir := t.TempDir()
	j, dead := openTestJournal(t, dir, &now), openTestJournal(t, dir, &now)
	if err := dead.put(someEntry("c0"), time.Minute, nobody); err != nil {
		t.Fatal(err)
	}
	if err := dead.close(); err != nil {
		t.Fatal(err)
	}
	for i := range maxEntries - 1 {
		if err := j.put(someEntry(fmt.Sprint("c", i+1)), time.Minute, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.put(someEntry("one-more"), time.Minute, nobody); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("one more: %v", err)
	}
	for i := maxEntries - 1; i > 0; i-- {
		now += time.Millisecond
		if err := j.strike(fmt.Sprint("c", i), entry{State: entryEnded, CCParam: someEntry(fmt.Sprint("c", i)).CCParam, Owner: journalSelf}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.put(someEntry("c-new"), time.Minute, nobody); err != nil {
		t.Errorf("when others are over: %v", err)
	}
	for id, want := range map[string]bool{"c0": true, fmt.Sprint("c", maxEntries-1): false, fmt.Sprint("c", maxEntries-2): true, "c1": true} {
		if _, err := os.Lstat(j.path(id)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", id, err, want)
		}
	}
	if err := j.strike("c-new", entry{State: entryNone}, 0); err != nil {
		t.Fatal(err)
	}
	if len(j.held) != 0 {
		t.Errorf("%d files are still open", len(j.held))
	}
	now += keepEntry
	if err := j.put(someEntry("one-more"), time.Minute, nobody); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// TestJournalPowerCut leaves behind what a kill or a power cut can leave at
// each point of a write: the entry of before, whole, or the new one.
func TestJournalPowerCut(t *testing.T) {
	now := time.Hour
	dir := t.TempDir()
	j := openTestJournal(t, dir, &now)
	before := someEntry("c1")
	if err := j.put(before, time.Minute, nobody); err != nil {
		t.Fatal(err)
	}
	after := before
	after.Nonces = []string{"n1", "n2"}
	for n := range 3 { // sync of the file, then of the folder, then none
		var done int
		j.sync = func(f *os.File) error {
			if done++; done > n {
				return syscall.ENOSPC
			}
			return f.Sync()
		}
		err := j.put(after, time.Minute, nobody)
		if (err == nil) != (n == 2) || err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("power cut %d: %v", n, err)
		}
		data, err := os.ReadFile(j.path("c1"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseEntry(data)
		if want := map[bool]int{true: 1, false: 2}[n == 0]; err != nil || len(got.Nonces) != want {
			t.Errorf("power cut %d: %d nonces, %v", n, len(got.Nonces), err)
		}
		if left := names(t, dir, suffixTmp); len(left) != 0 {
			t.Errorf("power cut %d leaves %v", n, left)
		}
		if _, _, err := openTestJournal(t, dir, &now).take("c1", journalSelf, nil, ""); !errors.Is(err, errOwned) {
			t.Errorf("power cut %d: another takes it: %v", n, err)
		}
	}
	j.sync = (*os.File).Sync
	// A kill before the rename leaves the temporary file.
	if err := os.WriteFile(filepath.Join(dir, "c9"+suffixTmp), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.put(before, time.Minute, nobody); err != nil || len(names(t, dir, suffixTmp)) != 0 {
		t.Errorf("half a file stays: %v", err)
	}
}

// TestAdoptWithoutMic: a device without a microphone gets only a call that was
// verified as one that may go without; the others stay where they are.
func TestAdoptWithoutMic(t *testing.T) {
	noMic := errors.New("no card hw:CARD=Door")
	for _, tc := range []struct {
		name    string
		without bool // AllowCallWithoutMic
		same    bool // in the daemon itself
		die     bool
	}{
		{"here", false, true, false}, {"here, allowed", true, true, false},
		{"of another process", false, false, false}, {"of another process, allowed", true, false, false},
		{"of a dead process", false, false, true}, {"of a dead process, allowed", true, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			in(t, func(t *testing.T, w *world) {
				var p pipes
				broken := func(c *Config) { c.Microphone = func() error { return noMic } }
				door, daemon := w.node("door", "d1"), w.node("home", "panel", broken).keeps(dir, &p)
				defer daemon.kit.Close()
				daemon.onPush = func(n *node, cc string) {
					param, err := n.param(cc)
					if err != nil {
						t.Error(err)
					}
					param.AllowCallWithoutMic = tc.without
					if _, err := n.kit.VerifyBackgroundCall(param, n.backgroundHandler()); err != nil {
						t.Error(err)
					}
				}
				c := door.make("home")
				pass(time.Second)
				deaf, hears := daemon, w.node("home", "panel").keeps(dir, &p)
				if !tc.same {
					deaf = w.node("home", "panel", broken).keeps(dir, &p)
				}
				if tc.die {
					daemon.die(&p)
				}
				_, err := deaf.adopt(c.ID())
				if !tc.without {
					if !errors.Is(err, StartNoPermissionMic) || !errors.Is(err, noMic) {
						t.Errorf("without a microphone: %v", err)
					}
					if _, err = hears.adopt(c.ID()); err == nil {
						hears.call().Accept(AcceptOptions{})
					}
				} else if err == nil {
					deaf.call().Accept(AcceptOptions{})
				}
				pass(time.Second)
				if err != nil || c.State() != StateConnected {
					t.Errorf("%v, %v", c.State(), err)
				}
			})
		})
	}
}

// TestJournalStopped: a station that stops as it should leaves no call behind.
func TestJournalStopped(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door, home := w.node("door", "d1"), w.node("home", "panel", incoming).keeps(dir, &p).rings()
		c := door.make("home")
		pass(time.Second)
		if got := names(t, dir, suffixCall); len(got) != 1 {
			t.Fatalf("while it rings: %v", got)
		}
		home.kit.Close()
		if got := append(names(t, dir, suffixCall), names(t, dir, suffixSock)...); len(got) != 0 {
			t.Errorf("left behind: %v", got)
		}
		next := w.node("home", "panel", incoming).keeps(dir, &p)
		if _, err := next.adopt(c.ID()); !errors.Is(err, ErrNoSuchCall) {
			t.Errorf("adopted after the stop: %v", err)
		}
	})
}
