package station

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"intercom/audio"
	"intercom/internal/durable"
)

// tone is one of the sounds of a station.
type tone uint8

const (
	toneNone tone = iota
	toneRing
	toneRingback
	toneWaiting
	toneBusy
	toneNoAnswer
	toneUnreachable
	toneEnded
	toneHeld     // the other side talks with somebody else
	toneOpened   // the rest are notices: once, over all else
	toneRefused  // the door was not opened
	toneFeedback // the press was heard, there is nothing to do
	toneAnswered // a door station was called, and its microphone is open now
	toneChime    // the bell of the door itself, where no other can ring
	tones
)

var toneNames = [tones]string{
	"", "ring", "ringback", "waiting", "busy", "no-answer", "unreachable", "ended", "held",
	"opened", "refused", "feedback", "answered", "chime",
}

func (t tone) String() string { return toneNames[t] }

// signals are the tones as data.
func signals() [tones]audio.Tone {
	note := func(freq float64, on, off time.Duration) audio.Segment {
		return audio.Segment{Freqs: []float64{freq}, On: on, Off: off}
	}
	const ms = time.Millisecond
	chime := audio.Ring()
	chime.Repeat = false
	return [tones]audio.Tone{
		toneRing:        audio.Ring(),
		toneRingback:    audio.Ringback(),
		toneWaiting:     audio.CallWaiting(),
		toneBusy:        audio.Busy(),
		toneNoAnswer:    {Level: -14, Segments: []audio.Segment{note(660, 300*ms, 50*ms), note(494, 600*ms, 0)}},
		toneUnreachable: audio.Unreachable(),
		toneEnded:       audio.Ended(),
		toneHeld:        {Level: -26, Repeat: true, Segments: []audio.Segment{note(440, 150*ms, 100*ms), note(440, 150*ms, 5*time.Second)}},
		toneOpened:      audio.Opened(),
		toneRefused:     {Level: -14, Segments: []audio.Segment{note(220, 400*ms, 0)}},
		toneFeedback:    {Level: -18, Segments: []audio.Segment{note(1000, 60*ms, 0)}},
		toneAnswered:    {Level: -24, Segments: []audio.Segment{note(660, 100*ms, 50*ms), note(880, 150*ms, 0)}},
		toneChime:       chime,
	}
}

// voices makes the sources of the tones: a spoken message where there is one.
type voices struct {
	signals  [tones]audio.Tone
	messages [tones]*audio.Clip
}

// newVoices reads the messages in dir ("": none), NAME.wav for each tone that
// is to be replaced by one.
func newVoices(dir string) (*voices, error) {
	v := &voices{signals: signals()}
	if dir == "" {
		return v, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("station: messages: %w; correct messages_dir in [sound], or remove it", err)
	}
	for t := toneRing; t < tones; t++ {
		path := filepath.Join(dir, t.String()+".wav")
		f, err := durable.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("station: message: %w", err)
		}
		v.messages[t], err = audio.ReadWAV(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("station: message %s: %w", path, err)
		}
	}
	return v, nil
}

func (v *voices) source(t tone) audio.Source {
	if c := v.messages[t]; c != nil {
		return audio.NewClipSource(c)
	}
	return audio.NewToneSource(v.signals[t])
}
