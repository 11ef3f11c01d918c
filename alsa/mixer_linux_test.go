package alsa

import (
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// fakeControl is one element of a fakeCard's mixer.
type fakeControl struct {
	name     string
	index    uint32
	iface    int32
	kind     elemType
	low      int
	high     int
	items    []string
	values   []int
	tlv      []uint32
	readOnly bool
}

func (c *fakeControl) id(numid int) elemID {
	id := elemID{Numid: uint32(numid), Iface: c.iface, Index: c.index}
	copy(id.Name[:], c.name)
	return id
}

// mixer is the kernel's sound/core/control.c as far as we use it.
func (c *fakeCard) mixer(request uintptr, arg unsafe.Pointer) error {
	if request == reqElemList {
		l := (*elemList)(arg)
		l.Count, l.Used = uint32(len(c.controls)), min(l.Space, uint32(len(c.controls)))
		if l.Used > 0 {
			for i, id := range unsafe.Slice((*elemID)(l.IDs), l.Used) {
				_ = id
				unsafe.Slice((*elemID)(l.IDs), l.Used)[i] = c.controls[i].id(i + 1)
			}
		}
		return nil
	}
	numid := *(*uint32)(arg) // first in all that follow
	if numid < 1 || int(numid) > len(c.controls) {
		return unix.ENOENT
	}
	e := c.controls[numid-1]
	switch request {
	case reqElemInfo:
		info := (*elemInfo)(arg)
		info.Type, info.Count, info.Access = e.kind, uint32(len(e.values)), accessRead
		if !e.readOnly {
			info.Access |= accessWrite
		}
		if e.tlv != nil {
			info.Access |= accessTLVRead
		}
		if e.kind != elemEnumerated {
			info.Value[0], info.Value[1] = e.low, e.high
			return nil
		}
		item := info.item()
		item.Items, item.Name = uint32(len(e.items)), [64]byte{}
		copy(item.Name[:], e.items[min(int(item.Item), len(e.items)-1)])
	case reqElemRead, reqElemWrite:
		v := (*elemValue)(arg)
		for i := range e.values {
			switch {
			case request == reqElemRead && e.kind == elemEnumerated:
				v.items()[i] = uint32(e.values[i])
			case request == reqElemRead:
				v.Value[i] = e.values[i]
			case e.kind == elemEnumerated:
				e.values[i] = int(v.items()[i])
			default:
				e.values[i] = v.Value[i]
			}
		}
	case reqTLVRead:
		h := (*tlvHeader)(arg)
		if int(h.Length) < 4*len(e.tlv) {
			return unix.ENOMEM
		}
		copy(unsafe.Slice((*uint32)(unsafe.Add(arg, 8)), len(e.tlv)), e.tlv)
	}
	return nil
}

func db(v float64) uint32 { return uint32(int32(math.Round(v * 100))) }

// codec is a mixer as a USB card or a codec HAT has it.
func codec() []*fakeControl {
	return []*fakeControl{
		{name: "Speaker", iface: 3, kind: elemInteger, high: 9, values: []int{0}},
		{name: "Speaker Playback Volume", iface: ifaceMixer, kind: elemInteger, high: 127, values: []int{0, 0}, tlv: []uint32{tlvScale, 8, db(-64), 50 | muteFlag}},
		{name: "Speaker Playback Switch", iface: ifaceMixer, kind: elemBoolean, high: 1, values: []int{0, 0}},
		{name: "Mic Boost", iface: ifaceMixer, kind: elemInteger, low: -4, high: 4, values: []int{0}},
		{name: "Input Mux", iface: ifaceMixer, kind: elemEnumerated, items: []string{"Line", "Mic 1"}, values: []int{0}},
		{name: "Speaker", iface: ifaceMixer, kind: elemBoolean, high: 1, values: []int{0}},
		{name: "Speaker", index: 1, iface: ifaceMixer, kind: elemBoolean, high: 1, values: []int{0}},
		{name: "Jack", iface: ifaceMixer, kind: elemBoolean, high: 1, values: []int{1}, readOnly: true},
		{name: "EQ", iface: ifaceMixer, kind: 4, values: make([]int, 2)},
	}
}

func TestMixerSet(t *testing.T) {
	for _, tc := range []struct {
		control, value string
		want           []int  // of the control
		err            string // in the error, instead
	}{
		{"Speaker Playback Volume", "0%", []int{0, 0}, ""},
		{"Speaker Playback Volume", "50%", []int{64, 64}, ""},
		{"Speaker Playback Volume", "100%", []int{127, 127}, ""},
		{"Speaker Playback Volume", "-6dB", []int{116, 116}, ""},
		{"Speaker Playback Volume", "-6.3dB", []int{115, 115}, ""},
		{"Speaker Playback Volume", "-0.5dB", []int{127, 127}, ""},
		{"Speaker Playback Volume", "17", []int{17, 17}, ""},
		{"Speaker Playback Volume", "128", nil, `value "128": want 0 to 127, or as 80% or -6dB`},
		{"Speaker Playback Volume", "3dB", nil, `want -InfdB to -0.50dB`},
		{"Speaker Playback Volume", "NaNdB", nil, `want -InfdB to -0.50dB`},
		{"Speaker Playback Volume", "101%", nil, "want 0% to 100%"},
		{"Speaker Playback Volume", "NaN%", nil, "want 0% to 100%"},
		{"Speaker Playback Volume", "loud", nil, "want 0 to 127"},
		{"Speaker Playback Switch", "on", []int{1, 1}, ""},
		{"Speaker Playback Switch", "1", nil, "want on or off"},
		{"Mic Boost", "100%", []int{4}, ""},
		{"Mic Boost", "-4", []int{-4}, ""},
		{"Mic Boost", "-3dB", nil, "no scale in dB"},
		{"Input Mux", "Mic 1", []int{1}, ""},
		{"Input Mux", "Mic", nil, `want one of "Line", "Mic 1"`},
		{"Speaker", "on", []int{1}, ""}, // the mixer's, not the PCM's
		{"Speaker,1", "on", []int{1}, ""},
		{"Jack", "off", nil, "can not be set"},
		{"EQ", "1", nil, "can not be set"},
		{"Speeker", "on", nil, `Door (USB Audio) has no control "Speeker"; it has "Speaker", "Speaker Playback Volume"`},
	} {
		t.Run(tc.control+"="+tc.value, func(t *testing.T) {
			card := door()
			card.controls = codec()
			k := newFakeKernel(t, card)
			m, err := openMixer(k, Card{Index: 1, ID: "Door", Name: "USB Audio"})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			before, err := m.Controls()
			if err != nil {
				t.Fatal(err)
			}
			err = m.Set(tc.control, tc.value)
			if tc.err != "" {
				after, readErr := m.Controls()
				if readErr != nil {
					t.Fatal(readErr)
				}
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %q in it", err, tc.err)
				}
				if d := cmp.Diff(before, after, cmp.AllowUnexported(Control{}, segment{})); d != "" {
					t.Errorf("refused, but changed (-before +after):\n%s", d)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Get(tc.control)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got.Values); d != "" {
				t.Errorf("values (-want +got):\n%s", d)
			}
		})
	}
}

func TestMixerShows(t *testing.T) {
	card := door()
	card.controls = codec()
	m, err := openMixer(newFakeKernel(t, card), Card{Index: 1, ID: "Door"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all, err := m.Controls()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, c.String())
	}
	want := []string{
		"Speaker: 0", "Speaker Playback Volume: 0 (-Inf dB), 0 (-Inf dB)", "Speaker Playback Switch: off, off", "Mic Boost: 0",
		"Input Mux: Line", "Speaker: off", "Speaker,1: off", "Jack: on", "EQ: ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("controls (-want +got):\n%s", d)
	}
}
