// Package station is the one actor that joins the parts of a station: a press
// becomes a call, a call becomes lamps and sound.
//
// One goroutine owns the state. Whatever else happens, on any goroutine, comes
// to it as an event; handlers of package call only post. After each event it
// works out what the station shows (show.go, a pure function) and brings lamps
// and tones to that.
//
//	gpio.Button ── presses ─────────┐            ┌──▶ gpio.Lamps, gpio.Relay
//	call.Kit ── events ─────────────┼─▶ station ─┼──▶ call.Kit, call.Call
//	sound ── events, never waits ───┤    (one)   └──▶ audio.Engine: tones, voice, gate
//	status socket ── questions ─────┘
//
//	sound (a goroutine of its own, woken by the card, also when idle):
//	Card.Capture ─▶ audio.Engine.Capture ─▶ Call.WriteFrame
//	             ─▶ audio.Engine.Playback ─▶ Card.Play
//
// What a station shows is a table, in the test of show.go and in
// docs/operating.md. The moments that it measures stand in each call's record, all
// on CLOCK_MONOTONIC, so that those of two processes on one machine compare:
//
//	stage         of whom  when
//	edge          caller   raw edge of the press
//	make ... disconnected  package call's own, among them acknowledged, verified, connected
//	ring_sample   callee   the first sample of the ring was put into the playback ring
//	accept_edge   callee   raw edge of the accept button
//	first_voice   both     the first decoded frame of the peer was put into the playback ring
//	open_edge     indoor   raw edge of the open button
//	relay_on      door     the opener was switched on
//
// A station without a broker, or without a sound card, runs: it shows a fault,
// and goes on trying.
package station
