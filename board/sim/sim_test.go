package sim

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what plays the world around a board.
type world interface {
	Press(name string) (time.Duration, error)
	Release(name string) (time.Duration, error)
	Tap(name string, d time.Duration) (time.Duration, error)
	Lines() ([]Line, error)
	History() ([]Change, error)
	MicSilence() error
	MicTone(hz float64) error
	MicPlay(pcm []int16) (time.Duration, error)
	Speaker(last time.Duration) ([]int16, time.Duration, error)
	SpeakerMark(since time.Duration, threshold int) (Mark, bool, error)
	Unplug() error
	Replug() error
	Counters() (Counters, error)
	Watch() (*Watch, error)
	Close() error
}

var (
	_ world = (*Board)(nil)
	_ world = (*Client)(nil)
)

func open(t testing.TB, cfg Config) *Board {
	t.Helper()
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// must returns v and fails the test on an error.
func must[V any](t testing.TB) func(v V, err error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
