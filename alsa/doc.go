// Package alsa drives sound cards by the kernel's own interface, without
// libasound: one [Device] is a microphone and a loudspeaker on one clock.
//
//	/proc/asound, /sys ──▶ Cards ── by id or USB port ──▶ Device.Start
//	                                                        │ Mixer: set as the profile says
//	                                                        │ negotiate: format, channels, rate, period
//	                                                        ▼ link both streams, fill with silence, start
//	 capture ─ READI ─ decode ──▶ Ring ──▶ Capture ┐
//	        device's thread                        │ the owner: one Play for each Capture
//	 playback ◀ WRITEI ◀ encode ◀ Ring ◀───── Play ┘
//
// What goes wrong, and what happens then:
//
//	the owner is late          silence in its place; its late sound is dropped; counted
//	EPIPE (xrun), ESTRPIPE     both streams start anew, aligned; Capture says EPIPE once;
//	                           what is played for what was captured before is dropped
//	ENODEV, EIO, no sound 1 s  the card is let go of; Capture says why; Start when it is back
//	may not go before others   said once, and it goes on
//
// So the delay from microphone to owner to loudspeaker is the same all the
// time: [Moment].Echo tells it with each period.
//
// Samples reach the owner as 16 bit, mono, at the hardware's rate: format and
// channels are converted here, the rate is not. It knows no frames, codecs or
// calls.
package alsa
