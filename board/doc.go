// Package board knows boards: which lines and which sound card one has, under
// which names, and how they are wired. That is data, a profile in TOML for
// each board; a new board needs no code.
//
//	profiles/*.toml (built in) ─┐
//	profile_dir/*.toml ─────────┴─▶ Load ──▶ *Profile ──▶ names checked here,
//	                                                      lines opened by Hardware
//
// A profile is as strict as the configuration file, and its errors have the
// same form: file:line:column: key: what is wrong; what to do. Its keys:
//
//	title        for people
//	simulated    true: no chip and no card; everything is behind a socket
//	compatible   device-tree strings by which the board is known
//	[[input]]    name; chip (label) and line (name) or offset; active_low; bias; filter
//	[[output]]   name, kind = "lamp" | "relay" | "amplifier"; chip, line or offset,
//	             active_low; hard_limit (relay only, and required there)
//	             (names are unique among all lines)
//	[sound]      card (ALSA id or USB port), rate (Hz), channels, microphone = "left" |
//	             "right" | "mix" (of two channels), period (samples per channel),
//	             amplifier (an output), amplifier_delay; [[sound.mixer]] control, value
//
// It opens nothing itself: board/sim opens the simulated board.
package board
