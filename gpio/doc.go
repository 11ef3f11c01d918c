// Package gpio turns lines of a board into what a door station is made of:
// buttons, lamps and a relay.
//
// It knows logical levels only: whether a line is active. Which electrical
// level that is, on which chip and with which bias, is settled below its two
// interfaces, [Input] and [Output]. It opens no line itself (package board
// does), and it closes none: whoever opened a line closes it, after the
// Button, Lamps or Relay that used it.
//
//	          raw edges, with their time         events
//	Input  ────────────────────────────▶ Button ────────▶ a channel of the caller
//
//	          Set on change only                 Show(name, pattern)
//	Output ◀──────────────────────────── Lamps  ◀──────── any goroutine
//
//	          Set, off by the hard limit         Pulse(d)
//	Output ◀──────────────────────────── Relay  ◀──────── any goroutine
//
// Times of edges are on the clock of [Monotonic], so that the time from a
// touched button to a ringing bell is measured from the raw edge.
//
// Package gpiotest has a fake line for tests.
package gpio
