package call

// The microphone that gives nothing: where the application asks for it, a
// call ends that has captured no frame for a time in which it should have. An
// unplugged card that is back before that ends nothing.

// listens: frames are due from the own microphone. Muted, held, not activated
// or in preparation they are not.
func (s *state) listens() bool {
	return s.opt.micTimeout > 0 && s.phase == StateConnected &&
		!s.muted && !s.held && !s.peerHeld && !s.prep && s.activated
}

// watchMic starts the time anew whenever frames are due again.
func (m *machine) watchMic(before bool) {
	if m.listens() && !before {
		m.timer(timerMic, m.opt.micTimeout)
	}
}

// micSilent: the time is over, and the last frame was captured silent ago.
func (m *machine) micSilent(e evMicSilent) bool {
	if !m.listens() {
		return false
	}
	if left := m.opt.micTimeout - e.silent; left > 0 {
		m.timer(timerMic, left)
		return true
	}
	return m.end(EndBody{Reason: ReasonMicNoSource})
}
