// Package netlab is for tests only: it makes networks out of network
// namespaces whose cables end in this process, so that real programs and real
// kernels meet losses, delays, cuts, new addresses and NAT that a test decides.
//
//	namespace of host a        the test's process         namespace of host b
//	eth0 (TUN, 10.77.0.1) ◀──▶ switch: loss, delay, ◀──▶ eth0 (TUN, 10.77.0.2)
//	                           cut, block, NAT
//
// Nothing leaves the machine: a namespace has no way out but its TUN devices.
// It needs root (CAP_NET_ADMIN) and /dev/net/tun; New skips the test, with the
// reason, where they are missing. The namespaces have no names and vanish with
// the test.
package netlab
