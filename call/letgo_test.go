package call

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// bigVoice stands for the buffers of a real one.
type bigVoice struct{ buffers [1 << 16]byte }

func (*bigVoice) ReceiveFrame(uint16, uint32, []byte) {}
func (*bigVoice) PlayoutStats() PlayoutStats          { return PlayoutStats{Frames: 7} }

// What is kept of an ended call is small: not the application's voice, nor what
// its handlers hold.
func TestEndedCallLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		door, home := w.node("door", "d1"), w.node("home", "h1").rings()
		c := door.make("home")
		heard := &bigVoice{}
		handled := &bigVoice{}
		gone := []weak.Pointer[bigVoice]{weak.Make(heard), weak.Make(handled)}
		c.SetVoice(heard)
		c.MyMediaStatus().SetHandler(MyMediaHandler{OnMicMute: func(*Call) { handled.buffers[0]++ }})
		pass(time.Second)
		if home.call() == nil || !c.End() {
			t.Fatal("no call to end")
		}
		pass(time.Second)
		runtime.GC()
		for i, p := range gone {
			if p.Value() != nil {
				t.Errorf("buffer %d of an ended call is still held", i)
			}
		}
		if got := c.Statistics().Playout.Frames; got != 7 {
			t.Errorf("the ended call's statistics say %d frames played, want 7", got)
		}
	})
}
