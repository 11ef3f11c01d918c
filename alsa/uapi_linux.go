package alsa

import "unsafe"

// Structures and numbers of the kernel's user interface, from its
// include/uapi/sound/asound.h (PCM protocol 2.0.15, control 2.0.8). A C long
// is as wide as Go's int on every board we build for; on 32 bits these are the
// layouts with 32-bit time, which kernels keep serving. uapi_linux_test.go
// holds sizes and numbers against those that a C compiler gave.

const long = unsafe.Sizeof(int(0))

// Access types, states, time stamps (SNDRV_PCM_*).
const (
	accessRWInterleaved = 3

	stateOpen         = 0
	stateSetup        = 1
	statePrepared     = 2
	stateRunning      = 3
	stateXrun         = 4
	stateSuspended    = 7
	stateDisconnected = 8
)

// Hardware parameters (SNDRV_PCM_HW_PARAM_*): masks, then intervals.
const (
	paramAccess = 0
	paramFormat = 1

	paramChannels   = 10
	paramRate       = 11
	paramPeriodSize = 13
	paramBufferSize = 17

	firstInterval = 8
	intervals     = 12
	masks         = 3
)

type mask [8]uint32

type interval struct {
	Min, Max uint32
	Flags    uint32 // openMin, openMax, integer, empty
}

const (
	openMin = 1 << 0
	openMax = 1 << 1
)

type hwParams struct {
	Flags     uint32
	Masks     [masks]mask
	_         [5]mask
	Intervals [intervals]interval
	_         [9]interval
	Rmask     uint32
	Cmask     uint32
	Info      uint32
	Msbits    uint32
	RateNum   uint32
	RateDen   uint32
	FifoSize  uint
	_         [64]byte
}

type swParams struct {
	TstampMode       int32
	PeriodStep       uint32
	SleepMin         uint32
	AvailMin         uint
	XferAlign        uint
	StartThreshold   uint
	StopThreshold    uint
	SilenceThreshold uint
	SilenceSize      uint
	Boundary         uint
	Proto            uint32
	TstampType       uint32
	_                [56]byte
}

type timespec struct{ Sec, Nsec int }

type pcmStatus struct {
	State           int32
	_               [long - 4]byte
	TriggerTstamp   timespec
	Tstamp          timespec
	ApplPtr         uint
	HwPtr           uint
	Delay           int
	Avail           uint
	AvailMax        uint
	Overrange       uint
	SuspendedState  int32
	AudioTstampData uint32
	AudioTstamp     timespec
	DriverTstamp    timespec
	AudioAccuracy   uint32
	_               [52 - 4*long]byte
}

type xferI struct {
	Result int
	Buf    unsafe.Pointer
	Frames uint
}

// Control elements.

const ifaceMixer = 2

type elemType int32

const (
	elemBoolean    elemType = 1
	elemInteger    elemType = 2
	elemEnumerated elemType = 3
	elemInteger64  elemType = 6
)

const (
	accessRead    = 1 << 0
	accessWrite   = 1 << 1
	accessTLVRead = 1 << 4
)

type elemID struct {
	Numid     uint32
	Iface     int32
	Device    uint32
	Subdevice uint32
	Name      [44]byte
	Index     uint32
}

type elemList struct {
	Offset, Space, Used, Count uint32
	IDs                        unsafe.Pointer // *elemID
	_                          [50]byte
}

type elemInfo struct {
	ID     elemID
	Type   elemType
	Access uint32
	Count  uint32
	Owner  int32
	Value  [128 / long]int // a union: min, max, step of an integer; an enumItem
	_      [64]byte
}

func (i *elemInfo) item() *enumItem { return (*enumItem)(unsafe.Pointer(&i.Value)) }

type enumItem struct {
	Items, Item uint32
	Name        [64]byte
}

// maxValues is the number of long values in an element.
const maxValues = 128

type elemValue struct {
	ID       elemID
	Indirect uint32
	_        uint32         // the union is aligned to 8 bytes, on arm too
	Value    [maxValues]int // a union of longs, 32-bit items, bytes
	_        [128]byte
}

func (v *elemValue) items() *[maxValues]uint32 {
	return (*[maxValues]uint32)(unsafe.Pointer(&v.Value))
}

type tlvHeader struct{ Numid, Length uint32 }

// Request numbers as in asm-generic/ioctl.h: direction, size, type, number.
const (
	dirNone  = 0
	dirWrite = 1 << 30
	dirRead  = 2 << 30

	pcm = 'A' << 8
	ctl = 'U' << 8

	reqHwRefine = dirRead | dirWrite | unsafe.Sizeof(hwParams{})<<16 | pcm | 0x10
	reqHwParams = dirRead | dirWrite | unsafe.Sizeof(hwParams{})<<16 | pcm | 0x11
	reqSwParams = dirRead | dirWrite | unsafe.Sizeof(swParams{})<<16 | pcm | 0x13
	reqStatus   = dirRead | unsafe.Sizeof(pcmStatus{})<<16 | pcm | 0x20
	reqPrepare  = uintptr(dirNone | pcm | 0x40)
	reqStart    = uintptr(dirNone | pcm | 0x42)
	reqDrop     = uintptr(dirNone | pcm | 0x43)
	reqWriteI   = dirWrite | unsafe.Sizeof(xferI{})<<16 | pcm | 0x50
	reqReadI    = dirRead | unsafe.Sizeof(xferI{})<<16 | pcm | 0x51
	reqLink     = dirWrite | unsafe.Sizeof(int32(0))<<16 | pcm | 0x60

	reqElemList  = dirRead | dirWrite | unsafe.Sizeof(elemList{})<<16 | ctl | 0x10
	reqElemInfo  = dirRead | dirWrite | unsafe.Sizeof(elemInfo{})<<16 | ctl | 0x11
	reqElemRead  = dirRead | dirWrite | unsafe.Sizeof(elemValue{})<<16 | ctl | 0x12
	reqElemWrite = dirRead | dirWrite | unsafe.Sizeof(elemValue{})<<16 | ctl | 0x13
	reqTLVRead   = dirRead | dirWrite | unsafe.Sizeof(tlvHeader{})<<16 | ctl | 0x1a
)
