package main

import (
	"os"
	"slices"
	"testing"
	"unsafe"

	"intercom/audio/audiotest"
)

func TestStructSizes(t *testing.T) {
	// The sizes are in the ioctl numbers, bits 16 to 29.
	for request, size := range map[uintptr]uintptr{
		ioctlHWParams: unsafe.Sizeof(hwParams{}), ioctlSWParams: unsafe.Sizeof(swParams{}), ioctlWrite: unsafe.Sizeof(transfer{}),
		ioctlLineInfo: unsafe.Sizeof(gpioLineInfo{}),
	} {
		if got := request >> 16 & 0x3fff; got != size {
			t.Errorf("ioctl %#x wants %d bytes, the struct has %d", request, got, size)
		}
	}
}

// TestKernelLoop plays a tone into one end of each cable of each card and wants it unchanged at the other.
func TestKernelLoop(t *testing.T) {
	if os.Getenv("LAB") == "" {
		t.Skip("runs in the virtual board: make test-board CASE=lab")
	}
	for _, card := range []string{"Door", "Indoor"} {
		for _, device := range []int{0, 1} {
			t.Run(card+string(rune('0'+device)), func(t *testing.T) { loop(t, card, device) })
		}
	}
}

func loop(t *testing.T, card string, device int) {
	play, err := openPCM(card, device, false, airConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer play.close()
	record, err := openPCM(card, 1-device, true, airConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer record.close()
	const second = 48000
	tone := audiotest.Sine(997, -6, second)
	wrote := make(chan error)
	go func() {
		defer close(wrote)
		for chunk := range slices.Chunk(tone, airConfig.period) {
			if err := play.transferAll(chunk); err != nil {
				wrote <- err
				return
			}
		}
	}()
	got := make([]int16, second)
	for chunk := range slices.Chunk(got, airConfig.period) {
		if err := record.transferAll(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	start := slices.IndexFunc(got, func(v int16) bool { return v != 0 }) - 1 // the sine begins with a 0
	if start < -1 || start > second/4 {
		t.Fatalf("the tone begins at sample %d", start)
	}
	start = max(start, 0)
	n := second * 3 / 5
	if !slices.Equal(got[start:start+n], tone[:n]) {
		t.Errorf("the tone is not what was played")
	}
	if play.xruns.Load()+record.xruns.Load() > 0 {
		t.Errorf("%d xruns playing, %d recording", play.xruns.Load(), record.xruns.Load())
	}
}
