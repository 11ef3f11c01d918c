package main

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Operations of Arm's "Semihosting for AArch32 and AArch64", section 6.
const (
	semiOpen  = 0x01
	semiClose = 0x02
	semiWrite = 0x05
	semiExit  = 0x18

	semiModeRead        = 0       // fopen's "r"
	semiModeWrite       = 4       // fopen's "w"; binary is 1 more, which is the same on a host of ours
	semiApplicationExit = 0x20026 // ADP_Stopped_ApplicationExit
)

// semihost asks the emulator; implemented in assembly. All that block points to must have been touched, as
// the emulator does not page in.
func semihost(op uintptr, block unsafe.Pointer) uintptr

// hostFile is a file on the host, in the folder in which QEMU runs.
type hostFile struct{ handle uintptr }

func createHostFile(name string) (*hostFile, error) {
	path := append([]byte(name), 0)
	block := &[3]uintptr{uintptr(unsafe.Pointer(&path[0])), semiModeWrite, uintptr(len(name))}
	h := semihost(semiOpen, unsafe.Pointer(block))
	runtime.KeepAlive(path)
	if h == ^uintptr(0) {
		return nil, fmt.Errorf("create %s on the host: refused", name)
	}
	return &hostFile{h}, nil
}

// hostFileExists tells whether a file is in the folder in which QEMU runs.
func hostFileExists(name string) bool {
	path := append([]byte(name), 0)
	h := semihost(semiOpen, unsafe.Pointer(&[3]uintptr{uintptr(unsafe.Pointer(&path[0])), semiModeRead, uintptr(len(name))}))
	runtime.KeepAlive(path)
	if h == ^uintptr(0) {
		return false
	}
	semihost(semiClose, unsafe.Pointer(&[1]uintptr{h}))
	return true
}

func (f *hostFile) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		rest := p[done:]
		block := &[3]uintptr{f.handle, uintptr(unsafe.Pointer(&rest[0])), uintptr(len(rest))}
		left := semihost(semiWrite, unsafe.Pointer(block))
		runtime.KeepAlive(rest)
		if left >= uintptr(len(rest)) {
			return done, fmt.Errorf("write %d bytes on the host: nothing written", len(rest))
		}
		done = len(p) - int(left)
	}
	return len(p), nil
}

func (f *hostFile) Close() error {
	if semihost(semiClose, unsafe.Pointer(&[1]uintptr{f.handle})) != 0 {
		return fmt.Errorf("close a file on the host: refused")
	}
	return nil
}

// exitHost ends QEMU with this code.
func exitHost(code int) {
	semihost(semiExit, unsafe.Pointer(&[2]uintptr{semiApplicationExit, uintptr(code)}))
}
