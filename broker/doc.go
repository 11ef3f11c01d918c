// Package broker is a small MQTT 3.1.1 broker inside the program, for one
// house and for the demo. It keeps everything in memory and forgets it at the
// end: what matters is repeated by those who said it.
//
//	topic intercom/v1/...                  may publish           may subscribe      retained
//	{service}/{user}/push                  each device of the    the user's devices never
//	                                       service
//	{service}/{user}/{device}/{session}/
//	    signal                             each device of the    the device         never
//	                                       service
//	    presence, state                    the device            the user's devices yes
//	    cmd                                nobody                the device         never
//
// The two columns in the middle hold where Config.Verifier is set. A device
// then proves who it is with its key: user name service/user/device, password
// an envelope of type ConnectType signed by the client, client id ClientID of
// the envelope's sender. Without a Verifier everyone may do everything but
// retain: what devices say is signed, so a stranger can disturb but not ring,
// listen or open a door.
//
// The password is not bound to one connection: without TLS, who overhears it
// can connect in the device's place (and hear nothing that is not signed for
// all the same) until the device's access token expires. Use TLS where the
// network is shared.
//
// It is not a broker for other things: it retains only presence and state,
// keeps no sessions, speaks no other version of MQTT, and publishes nothing
// under $SYS after its start.
package broker
