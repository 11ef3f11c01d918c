package rtc

import (
	"fmt"
	"strings"

	"github.com/pion/webrtc/v4"

	"intercom/call"
)

// handle does what a method asked for. It runs in the goroutine run.
func (s *Session) handle(c command) {
	if s.failed {
		return
	}
	var err error
	switch c.kind {
	case commandOffer:
		err = s.offer(false)
	case commandRestart:
		err = s.offer(true)
	case commandAcceptOffer:
		err = s.acceptOffer(c.text)
	case commandAcceptAnswer:
		err = s.acceptAnswer(c.text)
	case commandCandidate:
		s.addCandidate(c.text)
	}
	if err != nil {
		s.fail(call.SessionFailed, err)
	}
}

// offer makes an offer. One that is not answered, because it was lost or the
// network changed since, may be followed by another: pion has no rollback and
// keeps the first as its local description, but its ICE agent goes by the
// last.
func (s *Session) offer(restart bool) error {
	s.beginDescription()
	sd, err := s.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart && s.pc.LocalDescription() != nil})
	if err != nil {
		return fmt.Errorf("make an offer: %w", err)
	}
	if s.pc.SignalingState() != webrtc.SignalingStateHaveLocalOffer {
		if err := s.pc.SetLocalDescription(sd); err != nil {
			return fmt.Errorf("use the own offer: %w", err)
		}
	}
	s.describing = call.SessionOffer
	return nil
}

func (s *Session) acceptOffer(raw string) error {
	if s.pc.SignalingState() == webrtc.SignalingStateHaveLocalOffer {
		s.log.Warn("rtc: offer ignored: an own offer is not answered")
		return nil
	}
	if err := s.check(raw); err != nil {
		return fmt.Errorf("accept the offer: %w", err)
	}
	s.beginDescription()
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: raw}); err != nil {
		return fmt.Errorf("accept the offer: %w", err)
	}
	sd, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("make an answer: %w", err)
	}
	if err := s.pc.SetLocalDescription(sd); err != nil {
		return fmt.Errorf("use the own answer: %w", err)
	}
	s.describing = call.SessionAnswer
	s.answering = attribute(raw, "ice-ufrag")
	s.addEarly()
	return nil
}

func (s *Session) acceptAnswer(raw string) error {
	if s.pc.SignalingState() != webrtc.SignalingStateHaveLocalOffer {
		s.log.Debug("rtc: answer ignored: no own offer waits for it")
		return nil
	}
	if err := s.check(raw); err != nil {
		return fmt.Errorf("accept the answer: %w", err)
	}
	if to := attribute(raw, attributeAnswers); to != "" && to != s.offered {
		s.log.Info("rtc: answer ignored: it is to an earlier offer")
		return nil
	}
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: raw}); err != nil {
		return fmt.Errorf("accept the answer: %w", err)
	}
	s.addEarly()
	return nil
}

// check accepts an SDP of the peer: always the same certificate.
func (s *Session) check(raw string) error {
	fingerprint, err := checkSDP(raw)
	if err != nil {
		return err
	}
	if s.fingerprint != "" && fingerprint != s.fingerprint {
		return fmt.Errorf("SDP has another fingerprint than the one before")
	}
	s.fingerprint = fingerprint
	return nil
}

func (s *Session) addCandidate(candidate string) {
	if s.pc.RemoteDescription() == nil {
		if len(s.early) < maxEarly {
			s.early = append(s.early, candidate)
		}
		return
	}
	if err := s.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: candidate}); err != nil {
		s.log.Debug("rtc: candidate ignored", "candidate", candidate, "err", err)
	}
}

func (s *Session) addEarly() {
	early := s.early
	s.early = nil
	for _, c := range early {
		s.addCandidate(c)
	}
}

// beginDescription forgets the candidates of the last description, and begins
// to wait for those of the next.
func (s *Session) beginDescription() {
	s.foundMu.Lock()
	s.found = nil
	s.foundMu.Unlock()
	s.seen, s.settled = 0, false
	s.settle.Reset(s.media.timing.gather)
}

// takeOwnCandidate is called by pion as candidates are found, with nil after
// the last.
func (s *Session) takeOwnCandidate(c *webrtc.ICECandidate) {
	if c != nil {
		s.foundMu.Lock()
		if len(s.found) < maxCandidates {
			s.found = append(s.found, c.ToJSON().Candidate)
		}
		s.foundMu.Unlock()
	}
	s.poke()
}

// describe tells the own SDP as soon as its host candidates are in it, and
// later candidates one by one. Host candidates take a few ms; there is no
// sign for the last of them, but a moment without a new one, or the end of
// all gathering, which a slow server delays by seconds.
func (s *Session) describe() {
	if s.describing != 0 {
		if s.pc.ICEGatheringState() != webrtc.ICEGatheringStateComplete {
			if n := s.countFound(); n > s.seen {
				s.seen, s.settled = n, false
				s.settle.Reset(s.media.timing.settle)
			}
			if !s.settled {
				return
			}
		}
		s.described = s.localSDP()
		if s.describing == call.SessionOffer {
			s.offered = attribute(s.described, "ice-ufrag")
		} else {
			s.described += "a=" + attributeAnswers + ":" + s.answering + "\r\n"
		}
		s.event(call.SessionEvent{Kind: s.describing, SDP: s.described})
		s.describing = 0
		s.settle.Stop()
	}
	s.foundMu.Lock()
	found := s.found
	s.found = nil
	s.foundMu.Unlock()
	for _, c := range found {
		// pion tells of a candidate after it put it into the description, and
		// with extensions (ufrag) that are not in there.
		core, _, _ := strings.Cut(c, " ufrag ")
		if !strings.Contains(s.described, core) {
			s.event(call.SessionEvent{Kind: call.SessionCandidate, SDP: c})
		}
	}
}

// localSDP is the own description with the candidates found so far.
func (s *Session) localSDP() string {
	if s.describing == call.SessionOffer {
		if sd, err := s.pc.CreateOffer(nil); err == nil {
			return sd.SDP
		}
	}
	return s.pc.LocalDescription().SDP
}

func (s *Session) countFound() int {
	s.foundMu.Lock()
	defer s.foundMu.Unlock()
	return len(s.found)
}
