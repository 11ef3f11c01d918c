// Package call is the 1-to-1 call model: who rings whom, who answers, every
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
//
// The states of a call (State), the caller's left, the callee's right:
//
//	  MakeCall                            VerifyCall, with what a push brought
//	      ▼                                   ▼
//	   trying                              trying      (the live check)
//	      │ OnWaitConnected                   │ OnVerified
//	      ▼                                   ▼
//	  waitAnswer ◀────── Ringing ───────── verified
//	      │ OnAcknowledged                    │ Accept
//	      │ OnConnected                       │ OnConnected
//	      ▼                                   ▼
//	  connected ◀────────────────────────▶ connected
//	      └──────────▶ disconnected ◀─────────┘        OnDisconnected, once, last
//
// Every state also goes to disconnected, and nothing leaves that. Who decides
// in a race is the caller: what it handles first counts.
//
// MakeGroupCall rings several users by one press, all at once or one after
// the other; the first answer ends the others.
package call
