package identity

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"intercom/internal/durable"
)

const (
	// floorEvery is the shortest time between two writes of the floor file:
	// an SD card wears out, and an hour is little beside a token's life.
	floorEvery = time.Hour
	// floorCheck is how often it is looked whether a write is due.
	floorCheck = time.Minute
)

// Floor is a time that it surely is, or later, and that never goes back: what
// expiry is checked against on a board whose clock starts in 1970 or can be
// set by anyone. It is the latest of
//
//   - the time this program was built, and the time stored by an earlier run,
//   - the issue times of tokens that an authority signed (NoteTrusted),
//   - the system clock, only while the kernel says that it is synchronised,
//
// plus the time run since, by the monotonic clock. A clock that steps years
// ahead or back while not synchronised changes nothing.
//
// An authority that issued tokens with a clock far ahead has moved the floor
// ahead too, and its earlier tokens count as expired. To undo that, stop the
// station, delete the floor file, and issue new tokens.
//
// Any goroutine may use a Floor.
type Floor struct {
	path string // "" keeps it in memory only
	log  *slog.Logger
	src  sources

	mu   sync.Mutex
	time time.Time     // the floor at run time at
	at   time.Duration // run time
	err  error         // why the file is not in use, nil if it is

	// Only the one goroutine that saves uses these.
	stored time.Time     // what the file holds, zero if unknown
	tried  time.Duration // run time of the last write
	wrote  bool          // there was one

	stop func() // ends the saving goroutine and waits; once
}

// sources is the outside world of a Floor.
type sources struct {
	elapsed func() time.Duration                             // run time, monotonic
	system  func() (now time.Time, synchronised bool)        // the kernel's clock
	replace func(path string, d []byte, m fs.FileMode) error // writes the file, power-cut safe
}

// OpenFloor starts a floor at the build time, or at the time stored at path if
// that is later. It stores the floor there at most once an hour, and at Close.
// The floor works in any case: when the file can not be read or written, or is
// damaged, it goes on in memory, warns on log (nil: discard) and tells by Err.
// An empty path keeps it in memory only.
func OpenFloor(path string, build time.Time, log *slog.Logger) *Floor {
	start := time.Now()
	return openFloor(path, build, log, sources{
		elapsed: func() time.Duration { return time.Since(start) },
		system:  func() (time.Time, bool) { return time.Now(), clockSynchronised() },
		replace: durable.Replace,
	})
}

// ReadFloor is OpenFloor that stores nothing, for a look at what a station goes by.
func ReadFloor(path string, build time.Time) *Floor {
	f := OpenFloor("", build, nil)
	if stored, err := loadFloor(path); err == nil {
		f.NoteTrusted(stored)
	}
	return f
}

func openFloor(path string, build time.Time, log *slog.Logger, src sources) *Floor {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Floor{path: path, log: log, src: src, time: build, at: src.elapsed(), stop: func() {}}
	if path == "" {
		return f
	}
	stored, err := loadFloor(path)
	f.report(err)
	f.stored = stored
	f.NoteTrusted(stored)
	f.save(floorEvery)

	quit, done := make(chan struct{}), make(chan struct{})
	f.stop = sync.OnceFunc(func() { close(quit); <-done; f.save(0) })
	go func() {
		defer close(done)
		tick := time.NewTicker(floorCheck)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.save(floorEvery)
			case <-quit:
				return
			}
		}
	}()
	return f
}

// Now is the floor: it is this time or later. It never goes back.
func (f *Floor) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance()
	return f.time
}

// NoteTrusted moves the floor to t if t is later. It is for times that someone
// trusted vouches for, such as the issue time in a verified token.
func (f *Floor) NoteTrusted(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance()
	f.raise(t)
}

// Err is why the floor is not kept on disk, nil while it is (or has no path).
func (f *Floor) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Close stores the floor and ends its goroutine. It returns Err. Closing again
// changes nothing.
func (f *Floor) Close() error {
	f.stop()
	return f.Err()
}

// advance adds the time run, and takes the system clock if it may be believed.
func (f *Floor) advance() {
	run := f.src.elapsed()
	f.time = f.time.Add(run - f.at)
	f.at = run
	if now, synchronised := f.src.system(); synchronised {
		f.raise(now)
	}
}

func (f *Floor) raise(t time.Time) {
	if t.After(f.time) {
		f.time = t.UTC().Round(0) // no monotonic reading: the floor has its own
	}
}

// save stores the floor if it has moved by at least `moved` since it was
// stored, and not twice within floorEvery unless moved is 0 (at Close).
func (f *Floor) save(moved time.Duration) {
	now := f.Now().Truncate(time.Second)
	run := f.src.elapsed()
	if now.Sub(f.stored) < moved || !now.After(f.stored) {
		return
	}
	if moved > 0 && f.wrote && run-f.tried < floorEvery {
		return
	}
	f.tried, f.wrote = run, true
	err := f.src.replace(f.path, formatFloor(now), 0o644)
	if err != nil {
		err = fmt.Errorf("identity: store clock floor %s: %w; until it can be written, "+
			"tokens that expired while the station was off may pass after a restart", f.path, err)
	} else {
		f.stored = now
	}
	f.report(err)
}

// report keeps err for Err, and logs it when the state changes.
func (f *Floor) report(err error) {
	f.mu.Lock()
	before := f.err
	f.err = err
	f.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		f.log.Warn("clock floor is kept in memory only", "path", f.path, "err", err)
	case err == nil && before != nil:
		f.log.Info("clock floor is stored again", "path", f.path)
	}
}

// loadFloor returns the stored time, zero if there is no file yet.
func loadFloor(path string) (time.Time, error) {
	data, _, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("identity: read clock floor %s: %w", path, err)
	}
	t, err := parseFloor(string(data))
	if err != nil {
		return time.Time{}, fmt.Errorf("identity: read clock floor %s: %w; it is written anew", path, err)
	}
	return t, nil
}

// The floor file is one line: the time in RFC 3339, UTC, and its CRC-32 (IEEE)
// in hex, since one bit flipped in the year would expire every token for good.
func formatFloor(t time.Time) []byte {
	text := t.UTC().Format(time.RFC3339)
	return fmt.Appendf(nil, "%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

func parseFloor(line string) (time.Time, error) {
	text, sum, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	want, err := strconv.ParseUint(sum, 16, 32)
	if !ok || err != nil || uint32(want) != crc32.ChecksumIEEE([]byte(text)) {
		return time.Time{}, errors.New("the file is damaged")
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || string(formatFloor(t)) != line {
		return time.Time{}, errors.New("the file is damaged")
	}
	return t, nil
}
