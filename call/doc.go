// Package call is the 1-to-1 audio call: make, verify, accept, end, every
// event and every reason, over any transport and any media.
//
// It is a state machine and the Kit and Call around it. It knows no MQTT, no
// WebRTC, no sound device and no pin: those come in through its ports
// (Transport, Sealer, Media, Voice), which it declares.
//
//	           ┌──────────────── Kit ────────────────┐
//	MakeCall ─▶│  event ─▶ step(state, event)        │─▶ Transport (sealed messages)
//	VerifyCall │             └▶ (state, actions) ────│─▶ Media     (sessions, gates)
//	Accept,End │                                     │─▶ Handler   (events, in order)
//	           └─────────────────────────────────────┘
package call
