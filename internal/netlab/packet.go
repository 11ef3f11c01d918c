package netlab

import (
	"encoding/binary"
	"net/netip"
)

// packet is an IP packet, whose addresses may be changed in place.
type packet struct {
	raw      []byte
	at, size int // of the source address; the destination follows it
	header   int // bytes; of IPv4 only
}

func parse(raw []byte) (packet, bool) {
	switch {
	case len(raw) >= 20 && raw[0]>>4 == 4:
		header := int(raw[0]&15) * 4
		return packet{raw, 12, 4, header}, header >= 20 && header <= len(raw)
	case len(raw) >= 40 && raw[0]>>4 == 6:
		return packet{raw, 8, 16, 40}, true
	}
	return packet{}, false
}

func (p packet) address(at int) netip.Addr {
	a, _ := netip.AddrFromSlice(p.raw[at : at+p.size])
	return a
}

func (p packet) src() netip.Addr { return p.address(p.at) }
func (p packet) dst() netip.Addr { return p.address(p.at + p.size) }

func (p packet) setSrc(a netip.Addr) { p.set(p.at, a) }
func (p packet) setDst(a netip.Addr) { p.set(p.at+p.size, a) }

// multicastUDP: for whoever listens to a group. An IPv6 packet with extension headers is not seen as one.
func (p packet) multicastUDP() bool {
	protocol := p.raw[9]
	if p.size == 16 {
		protocol = p.raw[6]
	}
	return protocol == 17 && p.dst().IsMulticast()
}

// set changes an IPv4 address and the checksums that cover it (RFC 1624).
func (p packet) set(at int, a netip.Addr) {
	if p.size != 4 || !a.Is4() {
		return
	}
	before := [2]uint16{binary.BigEndian.Uint16(p.raw[at:]), binary.BigEndian.Uint16(p.raw[at+2:])}
	copy(p.raw[at:], a.AsSlice())
	after := [2]uint16{binary.BigEndian.Uint16(p.raw[at:]), binary.BigEndian.Uint16(p.raw[at+2:])}
	p.mend(10, before, after)
	if binary.BigEndian.Uint16(p.raw[6:])&0x1fff != 0 {
		return // a later fragment has no transport header
	}
	switch p.raw[9] {
	case 6:
		p.mend(p.header+16, before, after)
	case 17:
		if sum := p.header + 6; sum+2 <= len(p.raw) && binary.BigEndian.Uint16(p.raw[sum:]) != 0 { // 0: none
			p.mend(sum, before, after)
		}
	}
}

func (p packet) mend(at int, before, after [2]uint16) {
	if at+2 > len(p.raw) {
		return
	}
	sum := uint32(^binary.BigEndian.Uint16(p.raw[at:]))
	for i := range before {
		sum += uint32(^before[i]) + uint32(after[i])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(p.raw[at:], ^uint16(sum))
}
