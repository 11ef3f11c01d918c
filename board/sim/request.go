package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxRequest bounds a line in either direction, in bytes: 5 s of sound at
// 48 kHz have 640 kB in base64.
const maxRequest = 1 << 20

// request is one line of a client.
type request struct {
	Op        string        `json:"op"`
	Name      string        `json:"name,omitempty"`
	MS        int64         `json:"ms,omitempty"`
	Source    string        `json:"source,omitempty"`
	Hz        float64       `json:"hz,omitempty"`
	PCM       []byte        `json:"pcm,omitempty"`
	Since     time.Duration `json:"since_ns,omitempty"`
	Threshold int           `json:"threshold,omitempty"`
}

// reply is one line of the board.
type reply struct {
	OK       bool          `json:"ok"`
	Error    string        `json:"error,omitempty"`
	At       time.Duration `json:"at_ns,omitempty"`
	Lines    []Line        `json:"lines,omitempty"`
	History  []Change      `json:"history,omitempty"`
	PCM      []byte        `json:"pcm,omitempty"`
	Found    bool          `json:"found,omitempty"`
	Entered  time.Duration `json:"entered_ns,omitempty"`
	Left     time.Duration `json:"left_ns,omitempty"`
	Counters *Counters     `json:"counters,omitempty"`
}

// Sources of the op mic.
const (
	sourceSilence = "silence"
	sourceTone    = "tone"
)

// parseRequest reads one line. It refuses what no board could do; what
// depends on the board (names, rates) is left to it.
func parseRequest(line []byte) (request, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var r request
	if err := dec.Decode(&r); err != nil {
		return request{}, fmt.Errorf("request: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return request{}, errors.New("request: more than one value in a line")
	}
	if err := r.check(); err != nil {
		return request{}, fmt.Errorf("request %q: %w", r.Op, err)
	}
	return r, nil
}

func (r *request) check() error {
	rest := *r // what the op does not use must be absent
	rest.Op = ""
	switch r.Op {
	case "press", "release":
		rest.Name = ""
	case "tap":
		rest.Name, rest.MS = "", 0
		if limit := maxTap.Milliseconds(); r.MS < 1 || r.MS > limit {
			return fmt.Errorf("ms: want 1 to %d", limit)
		}
	case "mic":
		rest.Source, rest.Hz = "", 0
		if r.Source != sourceSilence && r.Source != sourceTone {
			return fmt.Errorf("source: want %q or %q", sourceSilence, sourceTone)
		}
		if r.Source == sourceSilence && r.Hz != 0 {
			return errors.New("hz: silence has none")
		}
	case "mic_play":
		rest.PCM = nil
		if len(r.PCM)%2 != 0 {
			return errors.New("pcm: half a sample at its end")
		}
	case "speaker":
		rest.MS = 0
		if limit := keep.Milliseconds(); r.MS < 1 || r.MS > limit {
			return fmt.Errorf("ms: want 1 to %d", limit)
		}
	case "speaker_mark":
		rest.Since, rest.Threshold = 0, 0
	case "lines", "history", "unplug", "replug", "counters", "watch":
	default:
		return errors.New("unknown op")
	}
	if rest.Name != "" || rest.MS != 0 || rest.Source != "" || rest.Hz != 0 ||
		rest.PCM != nil || rest.Since != 0 || rest.Threshold != 0 {
		return errors.New("an argument that this op does not have")
	}
	return nil
}

// do carries out any request but watch.
func (b *Board) do(r request) reply {
	var out reply
	var err error
	switch r.Op {
	case "press":
		out.At, err = b.Press(r.Name)
	case "release":
		out.At, err = b.Release(r.Name)
	case "tap":
		out.At, err = b.Tap(r.Name, time.Duration(r.MS)*time.Millisecond)
	case "lines":
		out.Lines, err = b.Lines()
	case "history":
		out.History, err = b.History()
	case "mic":
		if r.Source == sourceTone {
			err = b.MicTone(r.Hz)
		} else {
			err = b.MicSilence()
		}
	case "mic_play":
		out.At, err = b.MicPlay(samples(r.PCM))
	case "speaker":
		var pcm []int16
		pcm, out.At, err = b.Speaker(time.Duration(r.MS) * time.Millisecond)
		out.PCM = octets(pcm)
	case "speaker_mark":
		var m Mark
		m, out.Found, err = b.SpeakerMark(r.Since, r.Threshold)
		out.Entered, out.Left = m.Entered, m.Left
	case "unplug":
		err = b.Unplug()
	case "replug":
		err = b.Replug()
	case "counters":
		var c Counters
		c, err = b.Counters()
		out.Counters = &c
	default:
		err = fmt.Errorf("request %q: unknown op", r.Op)
	}
	if err != nil {
		return reply{Error: err.Error()}
	}
	out.OK = true
	return out
}

// samples and octets turn signed 16 bit little-endian PCM into samples and
// back.
func samples(p []byte) []int16 {
	s := make([]int16, len(p)/2)
	for i := range s {
		s[i] = int16(uint16(p[2*i]) | uint16(p[2*i+1])<<8)
	}
	return s
}

func octets(s []int16) []byte {
	p := make([]byte, 0, 2*len(s))
	for _, v := range s {
		p = append(p, byte(v), byte(uint16(v)>>8))
	}
	return p
}
