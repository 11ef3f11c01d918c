// Package mqttpush carries sealed messages between devices over any MQTT 3.1.1
// broker: call.Transport, and call.Sealer over identity's envelopes.
//
//	topic intercom/v1/...                      written by         read by             QoS, retained
//	{service}/{user}/push                      who calls a user   the user's devices  1, no
//	{service}/{user}/{device}/{session}/
//	    signal                                 a peer in a call   this process        1, no
//	    presence                               this process; the  this device's       1, yes
//	                                           broker as its will processes
//
// One connection at a time is in use, and all that is queued belongs to it:
//
//	       New
//	        │      refused, unreachable: wait, at first not at all, then
//	        ▼      longer and longer up to 10 s
//	 ┌─ connecting ◀────────────────┐ no answer within KeepAlive + 1 s,
//	 │      │ connected, every      │ closed, nothing is confirmed, or
//	 │      │ subscription granted  │ this process does not hear itself
//	 │      ▼                       │
//	 │     up ──────────────────────┘
//	 ▼      │
//	closed ◀┘ Close
//
// A message that is not up's is refused at once, and nothing is kept from one
// connection to the next: a ring is a fact of now, and the Kit says again what
// still holds. For the same reason the session is a clean one, and a push or
// signal that comes with the retained flag is dropped.
//
// Presence is a small JSON object: {"v":1,"session":"...","connection":3,
// "online":true}. Connection counts the connections of one session. When a
// session connects again before the broker noticed that its last connection is
// dead, the broker sends the old one's will: offline, with the lower number.
// Readers ignore it, and the session corrects it. It is also how a session
// knows that the broker still delivers to it: said at each connect and every
// five minutes, it must come back. What an earlier session of the device left
// behind as offline is removed.
//
// It is not a store, promises no order and no delivery, and does not look into
// the messages that it carries.
package mqttpush
