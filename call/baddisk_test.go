package call

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tmpfs mounts a file system of its own for the test; only root may.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skip("this user may not mount a file system")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestCallWithoutJournal: whatever is wrong with the journal is told, clearly,
// and the calls go on without it.
func TestCallWithoutJournal(t *testing.T) {
	for _, tc := range []struct {
		name string
		dir  func(t *testing.T) string
		want string // of JournalErr
	}{
		{"a file is in its place", func(t *testing.T) string { return touch(filepath.Join(t.TempDir(), "journal")) }, "give one that this user may write"},
		{"others may write to it", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "chmod 700"},
		{"the file system is read-only", func(t *testing.T) string {
			dir := tmpfs(t, "mode=0700")
			if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "mode=0700"); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "read-only"},
		{"a file that is no lock", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Symlink("/dev/null", filepath.Join(dir, "lock")); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "symbolic link"},
		{"its path is too long for a socket", func(t *testing.T) string {
			return filepath.Join(t.TempDir(), strings.Repeat("long", 30))
		}, "shorter path"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := tc.dir(t)
			in(t, func(t *testing.T, w *world) {
				door := w.node("door", "d1")
				home := w.node("home", "panel", func(c *Config) { c.Journal, c.JournalIncoming = dir, true }).background()
				if err := home.kit.JournalErr(); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("JournalErr: %v, want %q in it", err, tc.want)
				}
				callsStill(t, door, home)
				if got := slices.Contains(home.heard(), "background error"); got != (home.kit.journal == nil) {
					t.Errorf("OnError: %v; the handler heard %v", got, home.heard())
				}
			})
		})
	}
}

// callsStill adopts and answers a background call of this process.
func callsStill(t *testing.T, door, home *node) {
	t.Helper()
	c := door.make("home")
	pass(100 * time.Millisecond)
	ids, err := home.kit.PendingBackgroundCalls()
	if err != nil || len(ids) != 1 {
		t.Fatalf("pending: %v, %v", ids, err)
	}
	in, err := home.adopt(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	in.Accept(AcceptOptions{})
	pass(100 * time.Millisecond)
	if c.State() != StateConnected {
		t.Errorf("the call is %v", c.State())
	}
}

// TestJournalDiskFull: the disk is full, or fails, when the call is to be kept.
func TestJournalDiskFull(t *testing.T) {
	for _, tc := range []struct {
		name  string
		dir   func(t *testing.T) string
		fails func(j *journal)
		want  error
	}{
		{"no space", func(t *testing.T) string {
			dir := tmpfs(t, "size=4k,mode=0700")
			if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 4096), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		}, func(*journal) {}, syscall.ENOSPC},
		{"no room for a file", func(t *testing.T) string { return tmpfs(t, "nr_inodes=4,mode=0700") }, func(*journal) {}, syscall.ENOSPC},
		{"a dying card", func(t *testing.T) string { return t.TempDir() }, func(j *journal) {
			j.sync = func(*os.File) error { return syscall.EIO }
		}, syscall.EIO},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := tc.dir(t)
			in(t, func(t *testing.T, w *world) {
				var p pipes
				door, home := w.node("door", "d1"), w.node("home", "panel").keeps(dir, &p).background()
				tc.fails(home.kit.journal)
				callsStill(t, door, home)
				if err := home.kit.JournalErr(); !errors.Is(err, tc.want) {
					t.Errorf("JournalErr: %v, want %v", err, tc.want)
				}
				if h := home.heard(); len(h) < 2 || h[1] != "background error" {
					t.Errorf("the handler heard %v", h)
				}
				if left := append(names(t, dir, suffixTmp), names(t, dir, suffixCall)...); len(left) != 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		})
	}
}

// TestJournalHangs: a disk that never answers keeps nothing waiting but the
// journal.
func TestJournalHangs(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door, home := w.node("door", "d1"), w.node("home", "panel", incoming).keeps(dir, &p).rings()
		hang := make(chan struct{})
		home.kit.journal.sync = func(*os.File) error { <-hang; return nil }
		c := door.make("home")
		pass(100 * time.Millisecond)
		home.call().Accept(AcceptOptions{})
		pass(100 * time.Millisecond)
		if c.State() != StateConnected {
			t.Errorf("the call is %v", c.State())
		}
		c.End()
		pass(time.Second)
		heard(t, home, "verified false", "connected false false", "disconnected normal caller true")
		close(hang)
	})
}

// TestJournalMends: once a call is kept again, nothing is wrong with the journal.
func TestJournalMends(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var p pipes
		door, home := w.node("door", "d1"), w.node("home", "panel").keeps(t.TempDir(), &p).background()
		works := home.kit.journal.sync
		home.kit.journal.sync = func(*os.File) error { return syscall.EIO }
		first := door.make("home")
		pass(100 * time.Millisecond)
		if err := home.kit.JournalErr(); !errors.Is(err, syscall.EIO) {
			t.Errorf("with a bad disk: %v", err)
		}
		first.End()
		pass(time.Second)
		home.kit.journal.sync = works
		door.make("home")
		pass(100 * time.Millisecond)
		if err := home.kit.JournalErr(); err != nil {
			t.Errorf("with a good one: %v", err)
		}
	})
}
