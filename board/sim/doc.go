// Package sim is a simulated board: pins and one sound card in software, and a
// control socket through which a demo or a test in another process plays the
// world around them. No hardware is touched and no sound is made; everything a
// person would see of it says "simulated".
//
//	station (same process)                            the world (any process)
//
//	gpio.Input  ◀── edges ──────────┐            ┌── press, release, tap
//	gpio.Output ─── levels ───────┐ │            ├── lines, history, watch
//	                              ▼ │            │
//	                            ┌───┴──────┐     │    unix socket, or the
//	                            │  Board   │◀────┤    methods of Board
//	                            └───┬──────┘     │
//	Card.Capture ◀── period ──────┐ ▼            ├── mic, mic_play
//	Card.Play ──▶ ring of 2 ──▶ [ device clock ] ├── speaker, speaker_mark
//	                                             └── unplug, replug, counters
//
// # Time
//
// All times are on CLOCK_MONOTONIC (gpio.Monotonic), in nanoseconds on the
// socket, so that processes of one machine compare them directly. Within a
// testing/synctest bubble they advance with the bubble's time.
//
// The card's clock ticks at start + k * period * (1 + RatePPM * 1e-6), computed
// anew for each k, so it neither drifts nor jitters however late the process
// runs. Period i lies between tick i and tick i+1:
//
//	     tick i              tick i+1            tick i+2            tick i+3
//	mic  ├── period i ───────┤ Capture returns it
//	                           Play ──▶ ring     ┤ taken by the device
//	speaker                                      ├── played ───────────┤
//
// A loop that plays what it captured is therefore 2 periods long, exactly.
//
// # Socket
//
// Newline-delimited JSON: each request is one line, each reply one line, in
// order. A request has "op" and the arguments of the table, nothing else. A
// reply has "ok": true and the results, or "ok": false and "error". A line may
// have 1 MiB (a longer one ends the connection), a board serves 16 clients, and
// a client that does not take its replies within 1 s is dropped. PCM is base64
// of signed 16 bit little-endian mono samples at the card's rate.
//
//	op            arguments            results
//	press         name                 at_ns: the raw edge (if it was pressed before: that one)
//	release       name                 at_ns: likewise
//	tap           name, ms (1-60000)   at_ns of the press; the release follows after ms
//	lines                              lines: [{name, output, active, at_ns of the last change, 0: none}]
//	history                            history: the last 1000 changes of outputs [{name, active, at_ns}]
//	mic           source: "silence" (faint noise), or "tone" with hz (20 to half the rate)
//	mic_play      pcm (5 s at most)    at_ns: when its first sample goes into the microphone
//	speaker       ms (1-5000)          pcm: the last ms that were played (or less), at_ns: when the first of them left the speaker
//	speaker_mark  since_ns, threshold  found; entered_ns, left_ns: when the first sample louder than threshold
//	              (0: 1024)            that came after since_ns entered the playback ring and left the speaker
//	unplug                             the card is gone: ENODEV
//	replug                             the card is back, and can be started again
//	counters                           counters: see Counters
//	watch                              no more requests; a line for each change of an output, and for levels every 100 ms
//
// Lines of a watch are {"event":"output","name":...,"active":...,"at_ns":...}
// and {"event":"level","at_ns":...,"mic_dbfs":...,"speaker_dbfs":...}; see
// Event. mic_play replaces the source, bit for bit, once, from the next period
// that begins.
package sim
