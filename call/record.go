package call

import (
	"fmt"
	"slices"
	"time"
)

// The record of a call.

func (c *Call) mark(name string) { c.markAt(name, c.kit.cfg.Now()) }

func (c *Call) markAt(name string, at time.Duration) {
	if len(c.stages) < maxStages-1 || len(c.stages) < maxStages && name == noticeDisconnected.stage() {
		c.stages = append(c.stages, Stage{name, at})
	}
}

// Mark notes a moment of the application's in the record, on the clock of
// Config.Now. A record has 64 stages at most; further ones are lost.
func (c *Call) Mark(name string, at time.Duration) {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	c.markAt(name, at)
}

// Record is the call's record as it stands.
func (c *Call) Record() Record {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	return c.recordNow()
}

func (c *Call) recordNow() Record {
	r := Record{CallID: c.id, Role: c.role, Peer: c.peer, Began: c.wall, Stages: slices.Clone(c.stages)}
	if c.answered.User != "" {
		r.Peer = c.answered
	}
	rang, ok := r.At("acknowledged")
	if c.role == RoleCallee {
		rang, ok = r.At("verified")
	}
	end := c.kit.cfg.Now()
	if t, over := r.At("disconnected"); over {
		end = t
	}
	answer := end
	if c.began != 0 {
		answer = c.began
		r.Talk = end - c.began
	}
	if !ok {
		rang = answer
	}
	r.Setup, r.Ring = max(0, rang-c.made), max(0, answer-rang)
	if c.over != nil {
		r.Disconnected = *c.over
		r.Q850 = q850(c.began != 0, c.over.Reason)
	}
	return r
}

// ended is what a call does last.
func (c *Call) ended(d Disconnected) {
	c.over = &d
	c.kit.strike(c, entryEnded)
	if c.levels != nil {
		c.levels.Stop()
		c.levels = nil
	}
	rec := c.recordNow()
	c.queue.after = func() {
		c.kit.mu.Lock()
		c.kit.record(rec)
		var end Disconnected
		var last bool
		if c.group != nil {
			end, last = c.group.delivered()
		}
		c.kit.mu.Unlock()
		if last && c.group.handler.OnOver != nil {
			c.group.handler.OnOver(c.group, end)
		}
		c.letGo(last)
	}
}

// letGo drops what belongs to the application once nothing is told any more: an
// ended call is kept for two ring times, and its voice's buffers are large.
func (c *Call) letGo(ofGroup bool) {
	c.kit.mu.Lock()
	defer c.kit.mu.Unlock()
	c.handler = Handler{}
	c.media.Store(nil)
	if v := c.voice.Swap(nil); v != nil && *v != nil {
		c.playout = (*v).PlayoutStats()
	}
	if ofGroup {
		c.group.handler = GroupHandler{}
	}
}

// q850 is the cause that the call event record gives (ITU-T Q.850).
func q850(talked bool, r Reason) int {
	switch {
	case talked, r == ReasonNormal, r == ReasonUserError: // also where an end crossed connected
		return 16
	case r == ReasonBusy:
		return 17
	case r == ReasonNoAnswer:
		return 18
	case r == ReasonDecline, r == ReasonMultiDeviceDecline:
		return 21
	case r == ReasonCancel:
		return 77
	}
	return 127
}

// Record is what stays of a call.
type Record struct {
	CallID       string        `json:"call"`
	Role         Role          `json:"role"`
	Peer         Address       `json:"peer"`
	Began        time.Time     `json:"began"`    // wall time, as far as the board knows it
	Setup        time.Duration `json:"setup_ns"` // to the first acknowledgement (callee: to OnVerified)
	Ring         time.Duration `json:"ring_ns"`  // from then to OnConnected, or the end
	Talk         time.Duration `json:"talk_ns"`  // from OnConnected to the end; 0: not connected
	Disconnected Disconnected  `json:"disconnected"`
	Q850         int           `json:"q850"` // cause (ITU-T Q.850)
	Stages       []Stage       `json:"stages"`
}

// Stage is one moment of a call, on the clock of Config.Now: make or verify,
// wait_connected, unreachable, acknowledged, verified, accept, media_up,
// connected, prepared, network_unavailable, network_reavailable, adopted,
// disconnected, and what Call.Mark has noted.
type Stage struct {
	Name string        `json:"name"`
	At   time.Duration `json:"at_ns"`
}

const maxStages = 64

// At is when the first stage of that name was; false: there is none.
func (r Record) At(name string) (time.Duration, bool) {
	for _, s := range r.Stages {
		if s.Name == name {
			return s.At, true
		}
	}
	return 0, false
}

func (r Record) String() string {
	return fmt.Sprintf("%s as %s: %s by %s", r.CallID, r.Role, r.Disconnected.Reason, r.Disconnected.Source)
}
