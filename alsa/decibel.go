package alsa

import (
	"math"
	"sort"
)

// A control's scale in decibels comes from the kernel as type, length, value in
// 32-bit words (include/uapi/sound/tlv.h). Its unit is 0.01 dB.
const (
	tlvContainer  = 0
	tlvScale      = 1 // from a least value, in steps
	tlvLinear     = 2 // the amplitude is linear, between two values in dB
	tlvRange      = 3 // several of the others, each for a part of the range
	tlvMinMax     = 4 // evenly between two values in dB
	tlvMinMaxMute = 5 // the same, silent at the least

	muteFlag  = 1 << 16
	stepMask  = 1<<16 - 1
	silentDB  = -9999999 // SNDRV_CTL_TLVD_DB_GAIN_MUTE
	dbUnit    = 100.0
	maxLinear = 1000.0 // dB: no amplifier, and its amplitude is still a number
	maxNested = 4
	// scaleWords is the room for a scale; the longest known are some 50.
	scaleWords = 1024
)

// segment is the scale of a part of a control's range.
type segment struct {
	low, high     int     // of the control
	lowDB, highDB float64 // at low and at high
	linear        bool    // the amplitude is, not the dB
	mute          bool    // low is silence
}

func (s segment) at(raw int) float64 {
	if s.mute && raw <= s.low {
		return math.Inf(-1)
	}
	if s.high <= s.low {
		return s.lowDB
	}
	f := float64(raw-s.low) / float64(s.high-s.low)
	if !s.linear {
		return s.lowDB + f*(s.highDB-s.lowDB)
	}
	low, high := math.Pow(10, s.lowDB/20), math.Pow(10, s.highDB/20)
	return 20 * math.Log10(low+f*(high-low))
}

// scale is a control's whole range, in rising order; empty: no dB known.
type scale []segment

// readScale reads the words of a TLV for a control that goes from low to high.
// What it does not understand gives no scale.
func readScale(words []uint32, low, high int) scale { return readTLV(words, low, high, 0) }

func readTLV(words []uint32, low, high, depth int) scale {
	if len(words) < 2 || depth > maxNested {
		return nil
	}
	kind, data := words[0], words[2:]
	length := int(words[1] / 4)
	if length > len(data) {
		return nil
	}
	data = data[:length]
	switch kind {
	case tlvContainer:
		for len(data) >= 2 {
			if s := readTLV(data, low, high, depth+1); s != nil {
				return s
			}
			data = data[min(len(data), 2+int(data[1]/4)):]
		}
		return nil
	case tlvRange:
		return readRange(data, depth)
	}
	if len(data) < 2 {
		return nil
	}
	first, second := int32(data[0]), data[1]
	s := segment{low: low, high: high, lowDB: float64(first) / dbUnit, highDB: float64(int32(second)) / dbUnit}
	switch kind {
	case tlvScale:
		s.highDB = (float64(first) + float64(second&stepMask)*float64(high-low)) / dbUnit
		s.mute = second&muteFlag != 0
	case tlvLinear:
		s.linear, s.mute = true, first <= silentDB
	case tlvMinMax:
	case tlvMinMaxMute:
		s.mute = true
	default:
		return nil
	}
	if s.highDB < s.lowDB || s.linear && s.highDB > maxLinear {
		return nil
	}
	return scale{s}
}

// readRange reads items of low, high, TLV.
func readRange(data []uint32, depth int) (all scale) {
	for len(data) >= 4 {
		low, high := int(int32(data[0])), int(int32(data[1]))
		part := readTLV(data[2:], low, high, depth+1)
		if len(part) != 1 || high < low || len(all) > 0 && (low <= all[len(all)-1].low || part[0].lowDB < all[len(all)-1].lowDB) {
			return nil
		}
		all = append(all, part[0])
		data = data[min(len(data), 4+int(data[3]/4)):]
	}
	return all
}

// at returns the dB of a value; silence is -Inf.
func (s scale) at(raw int) float64 {
	for i := len(s) - 1; i > 0; i-- {
		if raw >= s[i].low {
			return s[i].at(min(raw, s[i].high))
		}
	}
	return s[0].at(raw)
}

// nearest returns the value within low to high that is next to db.
func (s scale) nearest(db float64, low, high int) int {
	n := low + sort.Search(high-low, func(i int) bool { return s.at(low+i) >= db })
	if n > low && db-s.at(n-1) < s.at(n)-db {
		return n - 1
	}
	return n
}
