// Package alsa moves sound between a device's thread and the audio engine.
//
//	          Write                         Read
//	producer ───────▶ Ring (int16 samples) ───────▶ consumer
//
// So far it holds the [Ring]; the devices, their xrun recovery and the mixer
// follow. It knows no frames, codecs or calls.
package alsa
