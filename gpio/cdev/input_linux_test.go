package cdev

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"intercom/gpio"
)

// event is a struct gpio_v2_line_event.
func event(at time.Duration, id, seq uint32) []byte {
	b := make([]byte, 48)
	binary.NativeEndian.PutUint64(b, uint64(at))
	binary.NativeEndian.PutUint32(b[8:], id)
	binary.NativeEndian.PutUint32(b[16:], seq+100) // of all lines of a request: not ours
	binary.NativeEndian.PutUint32(b[20:], seq)
	return b
}

// TestInputEvents feeds an Input with what the kernel would send.
func TestInputEvents(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in := newInput(Info{Name: "BELL", Label: "chip"}, r, time.Hour)
	defer in.Close()
	const rising, falling = 1, 2
	// Two in one read, then one after a gap of 3, then across the end of the counter.
	w.Write(append(event(5, rising, 1), event(7, falling, 2)...))
	w.Write(event(9, rising, 6))
	var got []gpio.Edge
	for range 3 {
		got = append(got, <-in.Edges())
	}
	want := []gpio.Edge{{Active: true, At: 5}, {Active: false, At: 7}, {Active: true, At: 9}}
	if diff := cmp.Diff(want, got); diff != "" || in.Dropped() != 3 {
		t.Errorf("%d dropped, want 3 (-want +got):\n%s", in.Dropped(), diff)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if _, ok := <-in.Edges(); ok {
		t.Error("an edge after Close")
	}
	if _, err := in.Read(); !errors.Is(err, ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	w.Close()
}

// TestInputProbe loses a line that nothing is heard of: a pipe is no line, so
// the first question about its level fails.
func TestInputProbe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	in := newInput(Info{Name: "BELL", Label: "chip"}, r, time.Millisecond)
	if _, ok := <-in.Edges(); ok {
		t.Error("an edge of nothing")
	}
	if _, err := in.Read(); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("read: %v, want %v", err, unix.ENOTTY)
	}
	if err := errors.Join(in.Close(), in.Close()); err != nil {
		t.Error(err)
	}
}
