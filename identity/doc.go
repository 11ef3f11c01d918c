// Package identity says who a station is and proves it to others: device
// keys, the service's authority, access tokens, signed envelopes and the
// clock floor that expiry is checked against.
//
//	authority key ──Issue──▶ access token (JWT)        says: this public key is
//	      │                    sub uid dev cnf exp      device dev of user uid
//	      ▼                        │
//	authority file                 ▼
//	(public, on every     device key ──Seal──▶ envelope (compact JWS)
//	 station)                                    header: alg typ tok=access token
//	      │                                      payload: v id call type from to bind body
//	      └──────────▶ Verifier.Open ◀───────────┘
//	                       ▲
//	                       └── Floor.Now: token not expired
//
// Open checks in this order and stops at the first failure; nothing of the
// payload is parsed before the signature over it was verified:
//
//	check                                            Kind of the refusal
//	at most MaxEnvelope bytes                        oversized
//	compact JWS, its header holds alg, typ, tok      malformed
//	it has a signature                               unsigned
//	alg is EdDSA                                     algorithm
//	tok is signed by a known authority, complete,
//	and for a service that it may sign for here      token
//	tok has not expired at the clock floor           expired
//	the key in tok made the signature                signature
//	payload: one JSON object, version 1              malformed, version
//	from is the device that tok names                sender
//	OpenFor only: to is this station                 addressee
//
// It is not a transport, keeps no list of messages already seen, and decides
// no permissions: an envelope that opens is authentic, not fresh and not
// allowed. Freshness is the live check's (the field Bind); the device that
// receives a message twice drops the second by its ID.
//
// The broker is not trusted: it sees every envelope, and can drop, repeat,
// delay and redirect them, but not make or change one.
package identity
