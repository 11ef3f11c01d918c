package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"intercom/audio/audiotest"
	"intercom/lab/exchange"
)

const (
	driftShift = 99980 // of 100000: the indoor loudspeaker's clock is 200 ppm fast
	driftTimes = 24
)

// driftCase talks for two minutes while the clock of one cable is off.
func driftCase(g *guest) error {
	if err := g.openHardware(); err != nil {
		return err
	}
	if err := setRateShift("Indoor", 1, driftShift); err != nil {
		return err
	}
	return g.inHouse((*house).drift)
}

func (h *house) drift() error {
	if err := h.connected(); err != nil {
		return err
	}
	tone := append(audiotest.Mark(), audiotest.Sine(doorVoice, voiceLevel, 3*sampleRate)...)
	for i := range driftTimes {
		next := monotonic() + exchange.DriftEvery
		h.door.air.say(tone)
		time.Sleep(next - monotonic())
		h.g.mark(fmt.Sprintf("said_%d", i), h.door.air.said())
	}
	if _, err := h.indoor.press("END", tap); err != nil {
		return err
	}
	if err := h.rest(); err != nil {
		return err
	}
	return h.keepRecords()
}

// setRateShift sets the speed of a cable's clock by the loopback card's control; it must be closed.
func setRateShift(card string, device uint32, value uint64) error {
	link, err := os.Readlink("/proc/asound/" + card)
	if err != nil {
		return err
	}
	f, err := os.OpenFile("/dev/snd/controlC"+strings.TrimPrefix(link, "card"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// struct snd_ctl_elem_value of include/uapi/sound/asound.h: id.iface at 4, device at 8, name at 16, value at 72.
	const (
		ioctlElemWrite = 0xc4c85513
		ifacePCM       = 3
	)
	var elem [1224]byte
	binary.LittleEndian.PutUint32(elem[4:], ifacePCM)
	binary.LittleEndian.PutUint32(elem[8:], device)
	copy(elem[16:60], "PCM Rate Shift 100000")
	binary.LittleEndian.PutUint64(elem[72:], value)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ioctlElemWrite, uintptr(unsafe.Pointer(&elem))); e != 0 {
		return fmt.Errorf("card %s: set the rate of device %d to %s: %w", card, device, strconv.FormatUint(value, 10), e)
	}
	return nil
}
