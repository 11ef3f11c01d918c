package audio

import "math"

// levelRange in dB: an RMS this far below a full-scale sine, or further, is
// level 0. It puts speech at a door (-31 to -20 dBFS RMS) at 53 to 70 and a
// quiet room (-62 dBFS) at 6.
const levelRange = 66

// Level measures a frame: 0 to 100, linear in decibels. dBFS here is relative
// to a full-scale sine (0 dBFS, level 100); -66 dBFS RMS and below, and an
// empty frame, give 0. Louder never gives less.
func Level(frame []int16) int {
	var sum float64
	for _, v := range frame {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return 0
	}
	const fullSine = 32767.0 * 32767 / 2 // mean square
	db := 10 * math.Log10(sum/float64(len(frame))/fullSine)
	return int(math.Round(100 * max(0, min(1, 1+db/levelRange))))
}
