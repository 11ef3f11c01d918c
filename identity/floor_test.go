package identity

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"intercom/internal/durable"
)

// world is what a Floor sees of the outside. The test changes it by set, since
// the floor's goroutine reads it too.
type world struct {
	mu           sync.Mutex
	start        time.Time // of the (synctest) run time
	system       time.Time
	synchronised bool
	fail         error // of the next writes
	writes       int
}

func (w *world) sources() sources {
	return sources{
		elapsed: func() time.Duration { return time.Since(w.start) },
		system: func() (time.Time, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.system, w.synchronised
		},
		replace: func(path string, data []byte, perm fs.FileMode) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.writes++
			if w.fail != nil {
				return w.fail
			}
			return durable.Replace(path, data, perm)
		},
	}
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) written() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes
}

// open starts a floor as a fresh process would.
func (w *world) open(path string, log *slog.Logger) *Floor {
	w.start = time.Now()
	return openFloor(path, built, log, w.sources())
}

func stored(t testing.TB, path string) time.Time {
	t.Helper()
	got, err := loadFloor(path)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantTime(t testing.TB, what string, got, want time.Time) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestFloorSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		f := w.open("", nil)
		wantTime(t, "at start", f.Now(), built)
		time.Sleep(time.Hour)
		wantTime(t, "an hour later", f.Now(), built.Add(time.Hour))

		w.system = built.AddDate(70, 0, 0)
		wantTime(t, "system clock far ahead", f.Now(), built.Add(time.Hour))
		w.system = time.Unix(0, 0)
		wantTime(t, "system clock in 1970", f.Now(), built.Add(time.Hour))
		w.synchronised = true
		wantTime(t, "system clock in 1970, synchronised", f.Now(), built.Add(time.Hour))
		w.system = built.AddDate(0, 1, 0)
		wantTime(t, "synchronised", f.Now(), w.system)
		later := w.system
		w.system, w.synchronised = built, false
		time.Sleep(time.Minute)
		wantTime(t, "synchronisation lost", f.Now(), later.Add(time.Minute))

		f.NoteTrusted(built)
		wantTime(t, "an old trusted time", f.Now(), later.Add(time.Minute))
		f.NoteTrusted(later.AddDate(0, 1, 0))
		time.Sleep(time.Second)
		wantTime(t, "a later trusted time", f.Now(), later.AddDate(0, 1, 0).Add(time.Second))
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFloorSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		f := w.open(path, nil)
		time.Sleep(90 * time.Second)
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		want := built.Add(90 * time.Second)
		wantTime(t, "stored at Close", stored(t, path), want)
		f = w.open(path, nil)
		wantTime(t, "after a restart", f.Now(), want)
		f.Close()

		// A newer build than what was stored.
		newer := openFloor(path, built.AddDate(1, 0, 0), nil, w.sources())
		wantTime(t, "with a newer build", newer.Now(), built.AddDate(1, 0, 0))
		newer.Close()
		wantTime(t, "stored by the newer build", stored(t, path), built.AddDate(1, 0, 0))
	})
}

// The file is written at the start, then once an hour, then at Close.
func TestFloorWritesOnceAnHour(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		f := w.open(path, nil)
		if w.written() != 1 {
			t.Errorf("%d writes at the start, want 1", w.written())
		}
		for range 59 {
			time.Sleep(time.Minute)
			f.NoteTrusted(f.Now().Add(2 * time.Hour)) // never a reason to write more often
		}
		if w.written() != 1 {
			t.Errorf("%d writes within an hour, want 1", w.written())
		}
		time.Sleep(24*time.Hour - 59*time.Minute + time.Second)
		if w.written() != 25 {
			t.Errorf("%d writes in a day, want 25", w.written())
		}
		f.Close()
		if w.written() != 26 {
			t.Errorf("%d writes after Close, want 26", w.written())
		}
	})
}

// Whatever is wrong with the file, the floor works and says so.
func TestFloorDamagedFile(t *testing.T) {
	good := string(formatFloor(built.AddDate(1, 0, 0)))
	for name, content := range map[string]string{
		"empty":           "",
		"truncated":       good[:len(good)-5],
		"no line end":     good[:len(good)-1],
		"one bit flipped": strings.Replace(good, "2027", "2427", 1),
		"longer":          good + good,
		"zeros":           strings.Repeat("\x00", 30),
		"huge":            strings.Repeat("9", maxFile+1),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clock")
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				f := (&world{}).open(path, slog.New(slog.NewTextHandler(&log, nil)))
				defer f.Close()
				wantTime(t, "floor", f.Now(), built)
				if !strings.Contains(log.String(), path) {
					t.Errorf("log %q, want a warning that names the file", log.String())
				}
				wantTime(t, "written anew", stored(t, path), built)
			})
		})
	}
}

func TestFloorDiskFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := &world{fail: syscall.ENOSPC}
		f := w.open(path, slog.New(slog.NewTextHandler(&log, nil)))
		time.Sleep(10*time.Hour + time.Second)
		synctest.Wait()
		wantTime(t, "floor", f.Now(), built.Add(10*time.Hour+time.Second))
		if err := f.Err(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Err: %v, want ENOSPC", err)
		}
		if got := strings.Count(log.String(), "level=WARN"); got != 1 || w.written() != 11 {
			t.Errorf("%d warnings for %d failed writes, want 1 for 11", got, w.written())
		}
		w.set(func() { w.fail = nil })
		time.Sleep(time.Hour)
		if err := f.Err(); err != nil {
			t.Errorf("Err after the disk works again: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		wantTime(t, "stored", stored(t, path), built.Add(11*time.Hour+time.Second))
	})
}

// The real file functions: a folder that is none, a path that is a folder.
func TestFloorUnusablePath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "file", "clock"), filepath.Join(dir, "none", "clock")} {
		f := OpenFloor(path, built, nil)
		if f.Now().Before(built) {
			t.Errorf("%s: the floor is before the build", path)
		}
		if err := f.Close(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Close: %v, want an error that names the file", path, err)
		}
	}
}

// Any order of run time, clock steps, trusted times and restarts, against the
// rule in one line: the latest of all that was trusted, plus the time run.
func TestFloorProperty(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, NewID())
		var run time.Duration
		w := &world{}
		src := w.sources()
		src.elapsed = func() time.Duration { return run }
		f := openFloor(path, built, nil, src)
		defer func() { f.Close() }()
		want := built
		latest := func(at time.Time) {
			if at.After(want) {
				want = at
			}
		}
		seconds := rapid.Int64Range(-4e9, 8e9)
		rt.Repeat(map[string]func(*rapid.T){
			"run": func(rt *rapid.T) {
				d := time.Duration(rapid.Int64Range(0, 1e6).Draw(rt, "seconds")) * time.Second
				run += d
				want = want.Add(d)
			},
			"step": func(rt *rapid.T) {
				at, yes := time.Unix(seconds.Draw(rt, "system"), 0), rapid.Bool().Draw(rt, "synchronised")
				w.set(func() { w.system, w.synchronised = at, yes })
			},
			"note": func(rt *rapid.T) {
				at := time.Unix(seconds.Draw(rt, "trusted"), 0)
				f.NoteTrusted(at)
				latest(at)
			},
			"restart": func(rt *rapid.T) {
				f.Close()
				if w.synchronised {
					latest(w.system)
				}
				run = 0
				f = openFloor(path, built, nil, src)
			},
			"": func(rt *rapid.T) {
				if w.synchronised {
					latest(w.system)
				}
				if got := f.Now(); !got.Equal(want) {
					rt.Fatalf("floor %s, want %s", got, want)
				}
			},
		})
	})
}
