//go:build !linux

package mqttpush

import "net"

func quickAck(c net.Conn) net.Conn { return c }
