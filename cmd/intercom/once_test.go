package main

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"intercom/audio"
	"intercom/audio/audiotest"
)

// ear hears each mark that was played as late as the test says, and in
// between noise; "spoilt" ones are not heard.
type ear struct {
	began time.Time
	late  []time.Duration // of each mark
	rest  time.Duration   // of all after these
	heard []time.Duration // since began, when each mark is heard
}

const spoilt = time.Hour

func (e *ear) play([]int16) (time.Duration, error) {
	late := e.rest
	if n := len(e.heard); n < len(e.late) {
		late = e.late[n]
	}
	now := time.Since(e.began)
	e.heard = append(e.heard, now+late)
	return now, nil
}

func (e *ear) hear(window time.Duration) (pcm []int16, at time.Duration, err error) {
	at = time.Since(e.began) - window
	pcm = make([]int16, window*audio.SampleRate/time.Second)
	noise := rand.New(rand.NewPCG(1, 1))
	for i := range pcm {
		pcm[i] = int16(noise.IntN(200) - 100)
	}
	for _, heard := range e.heard {
		from := int((heard - at) * audio.SampleRate / time.Second)
		for i, v := range audiotest.Mark() {
			if from+i >= 0 && from+i < len(pcm) {
				pcm[from+i] = v
			}
		}
	}
	return pcm, at, nil
}

// TestDelay: what is told is the delay of a mark that was heard, whatever
// happened to those before, or an error.
func TestDelay(t *testing.T) {
	for _, tc := range []struct {
		name  string
		late  []time.Duration
		rest  time.Duration
		want  time.Duration // 0: not found
		tries int
	}{
		{"at once", nil, 35 * time.Millisecond, 35 * time.Millisecond, 1},
		{"the first two are spoilt", []time.Duration{spoilt, spoilt}, 35 * time.Millisecond, 35 * time.Millisecond, 3},
		{"out of breath", nil, 900 * time.Millisecond, 900 * time.Millisecond, 1},
		{"half heard at the first look", nil, 360 * time.Millisecond, 360 * time.Millisecond, 1},
		{"an earlier one in the window", []time.Duration{1530 * time.Millisecond}, 150 * time.Millisecond, 150 * time.Millisecond, 2},
		{"never", nil, spoilt, 0, markTries},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &ear{began: time.Now(), late: tc.late, rest: tc.rest}
				time.Sleep(time.Minute)
				got, err := delay(t.Context(), e.play, e.hear)
				if (err != nil) != (tc.want == 0) || math.Abs(float64(got-tc.want)) > float64(time.Millisecond) || len(e.heard) != tc.tries {
					t.Errorf("%v, %v in %d tries; want %v in %d", got, err, len(e.heard), tc.want, tc.tries)
				}
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := delay(ctx, (&ear{rest: spoilt}).play, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
