package audio

// resampleQuality is speexdsp's best but one: a recording is converted once.
const resampleQuality = 9

// Resample converts a whole recording, at rate Hz (8000 to 96000), to 48 kHz,
// without the delay of a Converter. It is for load time, not for a call.
func Resample(in []int16, rate int) ([]int16, error) {
	if rate == SampleRate || len(in) == 0 {
		return in, nil
	}
	c, err := newConverter(rate, SampleRate, resampleQuality)
	if err != nil {
		return nil, err
	}
	delay := c.Delay()
	out := make([]int16, int(int64(len(in))*SampleRate/int64(rate))+delay)
	silence := make([]int16, rate/10) // pushes the last samples out
	for at, src := 0, in; at < len(out); {
		if len(src) == 0 {
			src = silence
		}
		read, written := c.Convert(out[at:], src)
		src = src[read:]
		at += written
	}
	return out[delay:], nil
}
