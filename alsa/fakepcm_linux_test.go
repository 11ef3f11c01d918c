package alsa

import (
	"math"
	"math/bits"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakePCM is one stream of a fakeCard: what its hardware can do, and the state
// machine of the kernel's sound/core/pcm_native.c as far as we use it.
type fakePCM struct {
	k        *fakeKernel
	card     *fakeCard
	playback bool

	formats                []Format
	channels               [2]int // least, most
	rates                  []int
	periodLow, periodHigh  int
	periodStep             int
	bufferLow, bufferHigh  int
	clock                  float64         // of true time; 0 means 1
	tick                   int             // frames by which the hardware's progress is noticed; 0 means 1
	mic                    func(int) int16 // what capture hears in a frame; nil: what the card plays
	delay                  int             // frames beyond the buffer
	stuck                  bool            // delivers nothing
	startError, writeError error

	state      int32
	params     hwParams
	sw         swParams
	linked     *fakePCM
	since      time.Time // of the start
	appl, hw   int
	sound      []int16   // written since the last prepare
	runs       [][]int16 // of the earlier ones
	framesMade int
}

// usual is a stream that can do what is asked for.
func usual(playback bool) *fakePCM {
	return &fakePCM{
		playback: playback, formats: []Format{S16}, channels: [2]int{1, 2}, rates: []int{8000, 16000, 44100, 48000, 96000},
		periodLow: 32, periodHigh: 8192, periodStep: 1, bufferLow: 64, bufferHigh: 65536,
	}
}

// door is a card with both streams, on index 1.
func door() *fakeCard {
	return &fakeCard{index: 1, id: "Door", name: "USB Audio", port: "1-1.2", capture: usual(false), play: usual(true)}
}

func (p *fakePCM) reset() {
	if len(p.sound) > 0 {
		p.runs = append(p.runs, p.sound)
	}
	if p.linked != nil {
		p.linked.linked, p.linked = nil, nil
	}
	p.state, p.sound, p.appl, p.hw = stateOpen, nil, 0, 0
}

func (p *fakePCM) group() []*fakePCM {
	if p.linked == nil {
		return []*fakePCM{p}
	}
	return []*fakePCM{p, p.linked}
}

func (p *fakePCM) value(param int) int { return int(p.params.Intervals[param-firstInterval].Min) }
func (p *fakePCM) buffer() int         { return p.value(paramBufferSize) }

func (p *fakePCM) format() Format {
	for _, f := range p.formats {
		if p.params.Masks[paramFormat][f/32]&(1<<(f%32)) != 0 {
			return f
		}
	}
	return 0
}

// speed is frames in a second of true time.
func (p *fakePCM) speed() float64 {
	if p.clock == 0 {
		return float64(p.value(paramRate))
	}
	return float64(p.value(paramRate)) * p.clock
}

// update lets the hardware have done what it has by now.
func (p *fakePCM) update() {
	if p.state != stateRunning || p.stuck {
		return
	}
	tick := max(p.tick, 1)
	p.hw = int(time.Since(p.since).Seconds()*p.speed()+1e-6) / tick * tick
	if p.avail() >= int(p.sw.StopThreshold) {
		for _, each := range p.group() {
			each.state = stateXrun
		}
	}
}

func (p *fakePCM) avail() int {
	if p.playback {
		return p.buffer() - (p.appl - p.hw)
	}
	return p.hw - p.appl
}

func (p *fakePCM) ready() (int16, time.Duration) {
	p.update()
	if p.card.gone || p.state != stateRunning {
		return unix.POLLERR | unix.POLLHUP, 0
	}
	if p.stuck {
		return 0, time.Hour
	}
	missing := int(p.sw.AvailMin) - p.avail()
	if missing <= 0 {
		return unix.POLLIN, 0
	}
	tick := max(p.tick, 1)
	next := (p.hw + missing + tick - 1) / tick * tick
	at := p.since.Add(time.Duration(math.Ceil(float64(next) / p.speed() * 1e9)))
	return 0, max(time.Until(at), 1)
}

func (p *fakePCM) command(request uintptr) error {
	for _, each := range p.group() {
		each.update()
	}
	switch request {
	case reqDrop:
		if p.state == stateOpen {
			return unix.EBADFD
		}
		for _, each := range p.group() {
			each.state = stateSetup
		}
	case reqPrepare:
		if p.state == stateRunning {
			return unix.EBUSY
		}
		for _, each := range p.group() {
			if len(each.sound) > 0 {
				each.runs = append(each.runs, each.sound)
			}
			each.state, each.appl, each.hw, each.sound = statePrepared, 0, 0, nil
		}
	case reqStart:
		if p.startError != nil {
			return p.startError
		}
		for _, each := range p.group() {
			if each.state != statePrepared {
				return unix.EBADFD
			}
			if each.playback && each.appl == 0 {
				return unix.EPIPE
			}
		}
		for _, each := range p.group() {
			each.state, each.since = stateRunning, time.Now()
		}
		p.k.wake()
	default:
		return unix.ENOTTY
	}
	return nil
}

func (p *fakePCM) ioctl(request uintptr, arg unsafe.Pointer) error {
	p.update()
	switch request {
	case reqHwRefine:
		return p.refine((*hwParams)(arg))
	case reqHwParams:
		q := (*hwParams)(arg)
		if err := p.refine(q); err != nil {
			return err
		}
		p.params, p.state = *q, stateSetup
	case reqSwParams:
		p.sw = *(*swParams)(arg)
		if p.sw.AvailMin == 0 {
			return unix.EINVAL
		}
	case reqStatus:
		s := (*pcmStatus)(arg)
		*s = pcmStatus{State: p.state, Avail: uint(p.avail()), HwPtr: uint(p.hw), ApplPtr: uint(p.appl)}
		if s.Delay = p.avail() + p.delay; p.playback {
			s.Delay = p.buffer() - p.avail() + p.delay
		}
	case reqReadI, reqWriteI:
		return p.move((*xferI)(arg))
	default:
		return unix.ENOTTY
	}
	return nil
}

func (p *fakePCM) move(x *xferI) error {
	switch {
	case p.state == stateXrun:
		return unix.EPIPE
	case p.state == stateSuspended:
		return unix.ESTRPIPE
	case p.state != stateRunning && (!p.playback || p.state != statePrepared):
		return unix.EBADFD
	case p.playback && p.writeError != nil:
		return p.writeError
	}
	n := min(int(x.Frames), p.avail())
	if n <= 0 {
		return unix.EAGAIN
	}
	size, channels := p.format().Bytes(), p.value(paramChannels)
	data := unsafe.Slice((*byte)(x.Buf), int(x.Frames)*size*channels)
	for i := range n {
		frame := data[i*size*channels : (i+1)*size*channels]
		if p.playback {
			p.sound = append(p.sound, fakeLoad(p.format(), frame))
			continue
		}
		var s int16
		if p.mic != nil {
			s = p.mic(p.framesMade)
		} else if at := p.appl + i; at < len(p.card.play.sound) {
			s = p.card.play.sound[at]
		}
		p.framesMade++
		for c := range channels {
			fakeStore(p.format(), frame[c*size:], s)
		}
	}
	p.appl += n
	x.Result = n
	if p.playback && p.state == statePrepared && uint(p.appl) >= p.sw.StartThreshold {
		return p.command(reqStart)
	}
	return nil
}

// fakeLoad and fakeStore know the formats by their bytes, apart from format.go.
func fakeLoad(f Format, b []byte) int16 {
	top := map[Format]int{S16: 1, S24: 2, S243: 2, S32: 3}[f]
	return int16(uint16(b[top])<<8 | uint16(b[top-1]))
}

func fakeStore(f Format, b []byte, s int16) {
	top := map[Format]int{S16: 1, S24: 2, S243: 2, S32: 3}[f]
	clear(b[:f.Bytes()])
	b[top], b[top-1] = byte(uint16(s)>>8), byte(s)
	if f == S24 {
		b[3] = 0x5a // hardware leaves anything there
	}
}

// refine keeps of q what the hardware can do.
func (p *fakePCM) refine(q *hwParams) error {
	var m mask
	for _, f := range p.formats {
		m[f/32] |= 1 << (f % 32)
	}
	if !meet(&q.Masks[paramFormat], m) || !meet(&q.Masks[paramAccess], mask{1 << accessRWInterleaved}) {
		return unix.EINVAL
	}
	for param, can := range map[int]func(int) bool{
		paramRate:       func(v int) bool { return slices.Contains(p.rates, v) },
		paramChannels:   func(v int) bool { return v >= p.channels[0] && v <= p.channels[1] },
		paramPeriodSize: func(v int) bool { return v >= p.periodLow && v <= p.periodHigh && v%p.periodStep == 0 },
		paramBufferSize: func(v int) bool { return v >= p.bufferLow && v <= p.bufferHigh },
	} {
		if !narrowTo(&q.Intervals[param-firstInterval], can) {
			return unix.EINVAL
		}
	}
	return nil
}

func meet(m *mask, with mask) bool {
	n := 0
	for i := range m {
		m[i] &= with[i]
		n += bits.OnesCount32(m[i])
	}
	return n > 0
}

func narrowTo(i *interval, can func(int) bool) bool {
	const most = 1 << 17
	low, high := int(i.Min), int(min(i.Max, most))
	for ; low <= high && !can(low); low++ {
	}
	for ; high >= low && !can(high); high-- {
	}
	*i = interval{Min: uint32(low), Max: uint32(high)}
	return low <= high
}
