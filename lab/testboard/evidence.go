package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"intercom/lab/exchange"
)

// evidence is what a house left behind: the moments that the board marked, what the loudspeakers played, what
// the lines did.
type evidence struct {
	marks    map[string]float64
	speakers map[string]recording
	lines    map[string][]exchange.Change // by "station/LINE"
}

func newEvidence(a answer) (*evidence, error) {
	e := &evidence{marks: a.report.Marks, speakers: map[string]recording{}, lines: map[string][]exchange.Change{}}
	for _, station := range []string{"door", "indoor"} {
		file, ok := a.files[station+"-speaker.wav"]
		if !ok {
			return nil, fmt.Errorf("no recording of the %s loudspeaker", station)
		}
		began, err := e.at(station + "_speaker_began")
		if err != nil {
			return nil, err
		}
		e.speakers[station] = recording{began: began, pcm: samples(file)}
		var changes []exchange.Change
		if err := json.Unmarshal(a.files[station+"-lamps.json"], &changes); err != nil {
			return nil, fmt.Errorf("lamps of the %s station: %w", station, err)
		}
		for _, c := range changes {
			name := station + "/" + c.Line
			e.lines[name] = append(e.lines[name], c)
		}
	}
	return e, nil
}

// at is a moment that the board marked.
func (e *evidence) at(name string) (time.Duration, error) {
	s, ok := e.marks[name]
	if !ok {
		return 0, fmt.Errorf("the board has not marked %s", name)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Nanosecond), nil
}

// recording is 48 kHz, mono.
type recording struct {
	began time.Duration // of its first sample
	pcm   []int16
}

// wavHeader is the length of the header that the board writes.
const wavHeader = 44

func samples(wav []byte) []int16 {
	pcm := make([]int16, max(0, len(wav)-wavHeader)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(wav[wavHeader+2*i:]))
	}
	return pcm
}

// from returns what was heard for a time from a moment on.
func (r recording) from(at, length time.Duration) []int16 {
	first := max(0, int((at-r.began).Seconds()*48000))
	last := min(len(r.pcm), first+int(length.Seconds()*48000))
	if first >= last {
		return nil
	}
	return r.pcm[first:last]
}

// levelAt is a line's level at a moment.
func levelAt(changes []exchange.Change, at time.Duration) bool {
	on := false
	for _, c := range changes {
		if c.At > at {
			break
		}
		on = c.Active
	}
	return on
}

// flash is one time that a line was on.
type flash struct{ from, length time.Duration }

// flashes are those that begin within a time; one that has not ended is as long as the time.
func flashes(changes []exchange.Change, from, to time.Duration) []flash {
	var all []flash
	for i, c := range changes {
		if !c.Active || c.At < from || c.At >= to {
			continue
		}
		end := to
		if i+1 < len(changes) {
			end = changes[i+1].At
		}
		all = append(all, flash{c.At, end - c.At})
	}
	return all
}

// steady reports whether a line has one level all through a time.
func steady(changes []exchange.Change, on bool, from, to time.Duration) bool {
	return levelAt(changes, from) == on && !slices.ContainsFunc(changes, func(c exchange.Change) bool { return c.At > from && c.At < to })
}
