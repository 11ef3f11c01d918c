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
//	MakeCall                            VerifyCall, with what a push brought
//	    ▼                                   ▼
//	 trying                              trying      (the live check)
//	    │ OnWaitConnected                   │ OnVerified
//	    ▼                                   ▼
//	waitAnswer ◀────── Ringing ───────── verified
//	    │ OnAcknowledged                    │ Accept
//	    │ OnConnected                       │ OnConnected
//	    ▼                                   ▼
//	connected ◀────────────────────────▶ connected
//	    └──────────▶ disconnected ◀─────────┘        OnDisconnected, once, last
//
// Every state also goes to disconnected, and nothing leaves that. Who decides
// in a race is the caller: what it handles first counts.
//
// MakeGroupCall rings several users by one press, all at once or one after
// the other; the first answer ends the others.
//
// # Background calls
//
// A push may come when nothing that could talk is up. VerifyBackgroundCall then
// rings and no more, and Kit.AdoptBackgroundCall makes a full call of it: here,
// in another process of the device, or after the first was killed. The last two
// go through a folder, Config.Journal.
//
// A station that wants to outlive kill -9 while it rings needs no background
// call. It sets Config.Journal (a folder of its own, the same each time) and
// Config.JournalIncoming, and when it starts and its transport is connected:
//
//	ids, err := kit.PendingBackgroundCalls() // err: log it, and use ids
//	for _, id := range ids {
//		c, err := kit.AdoptBackgroundCall(id, handler)
//		// err: it has ended meanwhile, or rings here already. Else: ring, at
//		// once, and say so by c.Ringing(); no OnVerified comes.
//	}
//
// The caller sees one device that has rung all the while. A call that is over
// ends by OnDisconnected within 5 s; if the repeated push of a call comes
// before it is adopted, OnPush and VerifyCall do the same with OnVerified.
package call
