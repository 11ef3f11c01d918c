package alsa

import (
	"testing"
	"unsafe"
)

// The numbers are those that gcc 12 gave for a program that includes
// sound/asound.h, on arm64 and amd64 (which are the same) and on arm.
func TestUserInterface(t *testing.T) {
	for _, tc := range []struct {
		name                string
		got, bits64, bits32 uintptr
	}{
		{"sizeof struct snd_pcm_hw_params", unsafe.Sizeof(hwParams{}), 608, 604},
		{"sizeof struct snd_pcm_sw_params", unsafe.Sizeof(swParams{}), 136, 104},
		{"sizeof struct snd_pcm_status", unsafe.Sizeof(pcmStatus{}), 152, 108},
		{"sizeof struct snd_xferi", unsafe.Sizeof(xferI{}), 24, 12},
		{"sizeof struct snd_ctl_elem_list", unsafe.Sizeof(elemList{}), 80, 72},
		{"sizeof struct snd_ctl_elem_info", unsafe.Sizeof(elemInfo{}), 272, 272},
		{"sizeof struct snd_ctl_elem_value", unsafe.Sizeof(elemValue{}), 1224, 712},
		{"sizeof struct snd_ctl_elem_id", unsafe.Sizeof(elemID{}), 64, 64},
		{"offsetof snd_pcm_hw_params.rmask", unsafe.Offsetof(hwParams{}.Rmask), 512, 512},
		{"offsetof snd_pcm_hw_params.fifo_size", unsafe.Offsetof(hwParams{}.FifoSize), 536, 536},
		{"offsetof snd_pcm_sw_params.avail_min", unsafe.Offsetof(swParams{}.AvailMin), 16, 12},
		{"offsetof snd_pcm_sw_params.boundary", unsafe.Offsetof(swParams{}.Boundary), 64, 36},
		{"offsetof snd_pcm_sw_params.tstamp_type", unsafe.Offsetof(swParams{}.TstampType), 76, 44},
		{"offsetof snd_pcm_status.appl_ptr", unsafe.Offsetof(pcmStatus{}.ApplPtr), 40, 20},
		{"offsetof snd_pcm_status.delay", unsafe.Offsetof(pcmStatus{}.Delay), 56, 28},
		{"offsetof snd_pcm_status.avail", unsafe.Offsetof(pcmStatus{}.Avail), 64, 32},
		{"offsetof snd_ctl_elem_info.value", unsafe.Offsetof(elemInfo{}.Value), 80, 80},
		{"offsetof snd_ctl_elem_value.value", unsafe.Offsetof(elemValue{}.Value), 72, 72},
		{"SNDRV_PCM_IOCTL_HW_REFINE", reqHwRefine, 0xc2604110, 0xc25c4110},
		{"SNDRV_PCM_IOCTL_HW_PARAMS", reqHwParams, 0xc2604111, 0xc25c4111},
		{"SNDRV_PCM_IOCTL_SW_PARAMS", reqSwParams, 0xc0884113, 0xc0684113},
		{"SNDRV_PCM_IOCTL_STATUS", reqStatus, 0x80984120, 0x806c4120},
		{"SNDRV_PCM_IOCTL_PREPARE", reqPrepare, 0x4140, 0x4140},
		{"SNDRV_PCM_IOCTL_START", reqStart, 0x4142, 0x4142},
		{"SNDRV_PCM_IOCTL_DROP", reqDrop, 0x4143, 0x4143},
		{"SNDRV_PCM_IOCTL_WRITEI_FRAMES", reqWriteI, 0x40184150, 0x400c4150},
		{"SNDRV_PCM_IOCTL_READI_FRAMES", reqReadI, 0x80184151, 0x800c4151},
		{"SNDRV_PCM_IOCTL_LINK", reqLink, 0x40044160, 0x40044160},
		{"SNDRV_CTL_IOCTL_ELEM_LIST", reqElemList, 0xc0505510, 0xc0485510},
		{"SNDRV_CTL_IOCTL_ELEM_INFO", reqElemInfo, 0xc1105511, 0xc1105511},
		{"SNDRV_CTL_IOCTL_ELEM_READ", reqElemRead, 0xc4c85512, 0xc2c85512},
		{"SNDRV_CTL_IOCTL_ELEM_WRITE", reqElemWrite, 0xc4c85513, 0xc2c85513},
		{"SNDRV_CTL_IOCTL_TLV_READ", reqTLVRead, 0xc008551a, 0xc008551a},
	} {
		want := tc.bits64
		if long == 4 {
			want = tc.bits32
		}
		if tc.got != want {
			t.Errorf("%s = %#x, want %#x", tc.name, tc.got, want)
		}
	}
}
