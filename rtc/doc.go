// Package rtc carries a call's voice frames and short messages between two
// devices with WebRTC (pion): ICE finds the path, DTLS proves the peer by the
// fingerprint of its signed SDP, SRTP carries Opus, one data channel carries
// messages. It implements call.Media and call.Session.
//
// It knows no sound (payloads are opaque), no signalling transport (SDP and
// candidates leave as events and come in by methods) and no call rules: when
// to restart, how long a lost path is waited for and who may talk is decided
// by package call.
//
//	callee                                            caller
//	Offer ──▶ SessionOffer ─────── signalling ──────▶ AcceptOffer
//	AcceptAnswer ◀──────────────── signalling ─────── SessionAnswer
//	SessionUp ◀═══════ ICE, DTLS, data channel ═════▶ SessionUp
//	Gate(true, true)                                  Gate(true, true)
//	WriteFrame ─────▶ SRTP ─────────────────────────▶ Frame
//
// A session's goroutines, all waited for by Close:
//
//	run          owns the state; sole caller of Event; woken by methods and pion
//	readFrames   SRTP → Frame, no allocation per packet
//	readReports  RTCP of the peer → Stats (one for each direction)
//	pion's own   15 to 20, among them the data channel's reader
//
// Host candidates are inside the offer and the answer, so one message each
// way is enough on a LAN; those from STUN and TURN servers follow as
// SessionCandidate.
package rtc
