package station

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"intercom/alsa"
	"intercom/audio"
	"intercom/board"
	"intercom/gpio"
)

// soundDevice is an alsa.Device, or a test's.
type soundDevice interface {
	Start() error
	Params() alsa.Params
	Capture(dst []int16) (alsa.Moment, error)
	Play(src []int16) error
	Stats() alsa.Stats
	Close() error
}

// realCard is a sound card of this machine at the rate of calls, whatever its
// own is: here the rate is converted, and nowhere else.
type realCard struct {
	device    soundDevice
	period    int // samples at audio.SampleRate
	amplifier gpio.Output

	params   atomic.Pointer[alsa.Params]
	echo     atomic.Int64 // ns, of the last period
	up, down *audio.Converter
	rate     int     // of the hardware
	piece    []int16 // from the hardware
	rest     []int16 // of piece, not yet converted
	native   []int16 // to the hardware
}

// openCard makes the card of a profile; Start opens it, and may do so again.
func openCard(s board.Sound, amplifier gpio.Output, log *slog.Logger) (Card, error) {
	d, err := alsa.NewDevice(deviceConfig(s, log))
	if err != nil {
		return nil, fmt.Errorf("%w; correct [sound] in the board's profile", err)
	}
	return newRealCard(d, s, amplifier), nil
}

func deviceConfig(s board.Sound, log *slog.Logger) alsa.Config {
	c := alsa.Config{
		Card: s.Card, Rate: s.Rate, Channels: s.Channels, Microphone: s.Microphone.Channel(), Period: s.PeriodTime(), Log: log,
	}
	for _, m := range s.Mixer {
		c.Mixer = append(c.Mixer, alsa.Setting{Control: m.Control, Value: m.Value})
	}
	return c
}

func newRealCard(d soundDevice, s board.Sound, amplifier gpio.Output) *realCard {
	period := int(s.PeriodTime() * audio.SampleRate / time.Second)
	return &realCard{device: d, period: period, amplifier: amplifier}
}

func (c *realCard) Rate() int   { return audio.SampleRate }
func (c *realCard) Period() int { return c.period }

// Start implements Card. The amplifier is switched on once there is silence to
// amplify.
func (c *realCard) Start() error {
	if err := c.device.Start(); err != nil {
		return err
	}
	if err := c.prepare(c.device.Params()); err != nil {
		return errors.Join(err, c.device.Close())
	}
	if c.amplifier == nil {
		return nil
	}
	if err := c.amplifier.Set(true); err != nil {
		return errors.Join(fmt.Errorf("amplifier: %w", err), c.device.Close())
	}
	return nil
}

func (c *realCard) prepare(p alsa.Params) (err error) {
	c.params.Store(&p)
	c.up, c.down, c.rate, c.rest = nil, nil, p.Rate, nil
	if p.Rate == audio.SampleRate {
		return nil
	}
	if c.up, err = audio.NewConverter(p.Rate, audio.SampleRate); err != nil {
		return err
	}
	if c.down, err = audio.NewConverter(audio.SampleRate, p.Rate); err != nil {
		return err
	}
	most := c.period*p.Rate/audio.SampleRate + 2
	c.piece, c.native = make([]int16, most), make([]int16, most)
	return nil
}

// Capture implements Card.
func (c *realCard) Capture(dst []int16) (at time.Duration, err error) {
	var m alsa.Moment
	if c.up == nil {
		m, err = c.device.Capture(dst)
	}
	for c.up != nil && len(dst) > 0 {
		if len(c.rest) == 0 {
			// As much as is missing: at 44.1 kHz a whole period, in one piece.
			piece := c.piece[:max(1, len(dst)*c.rate/audio.SampleRate)]
			if m, err = c.device.Capture(piece); err != nil {
				break
			}
			c.rest = piece
		}
		read, written := c.up.Convert(dst, c.rest)
		c.rest, dst = c.rest[read:], dst[written:]
	}
	c.echo.Store(int64(m.Echo))
	return m.At, err
}

// Play implements Card. It never says EPIPE: what was late is dropped below,
// so that the delay stays.
func (c *realCard) Play(src []int16) error {
	if c.down == nil {
		return c.device.Play(src)
	}
	for len(src) > 0 {
		read, written := c.down.Convert(c.native, src)
		if err := c.device.Play(c.native[:written]); err != nil {
			return err
		}
		src = src[read:]
	}
	return nil
}

// Close implements Card: the amplifier goes first, so that it does not click.
func (c *realCard) Close() error {
	var err error
	if c.amplifier != nil {
		err = c.amplifier.Set(false)
	}
	return errors.Join(err, c.device.Close())
}

// status adds what only a real card knows.
func (c *realCard) status(st *CardStatus) {
	s := c.device.Stats()
	st.Concealed, st.Late = s.Concealed, s.Late
	st.Echo = time.Duration(c.echo.Load())
	if p := c.params.Load(); p != nil {
		st.Hardware = p.String()
	}
}
