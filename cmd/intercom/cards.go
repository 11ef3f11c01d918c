package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"intercom/alsa"
)

type cardsCmd struct {
	Card  string `arg:"positional" placeholder:"CARD" help:"one card, by id, or by USB port as in usb:1-1.2; all without"`
	Mixer bool   `arg:"--mixer" help:"also list the mixer's controls, as a profile names them"`
	Try   bool   `arg:"--try" help:"also open the card, and say which rate, format and period it gives"`
}

// Run lists sound cards and what they can do.
func (r cardsCmd) Run(_ context.Context, c console) error {
	cards, err := alsa.Cards()
	if err != nil {
		return err
	}
	if r.Card != "" {
		one, err := alsa.Find(r.Card)
		if err != nil {
			return err
		}
		cards = []alsa.Card{one}
	}
	if len(cards) == 0 {
		return errors.New("this machine has no sound card; plug one in, or load its driver (a Raspberry Pi's config.txt: intercom boards)")
	}
	var errs []error
	for _, card := range cards {
		fmt.Fprint(c.out, describeCard(card))
		if r.Mixer {
			errs = append(errs, listControls(c.out, card.ID))
		}
		if r.Try {
			errs = append(errs, tryCard(c.out, card.ID))
		}
	}
	return errors.Join(errs...)
}

// describeCard says what a card is, and which of its devices a station can use.
func describeCard(card alsa.Card) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%s)\n  in [sound]: card = %q", card.ID, card.Name, card.Driver, card.ID)
	if card.Port != "" {
		fmt.Fprintf(&b, ", or by where it is plugged in: card = %q", "usb:"+card.Port)
	}
	b.WriteString("\n")
	for _, p := range card.PCMs {
		can := "neither plays nor captures"
		switch {
		case p.Capture && p.Playback:
			can = "microphone and speaker"
		case p.Capture:
			can = "microphone only"
		case p.Playback:
			can = "speaker only: no use for a station"
		}
		fmt.Fprintf(&b, "  device %d  %-28s %s\n", p.Device, p.Name, can)
	}
	return b.String()
}

func listControls(w io.Writer, card string) error {
	m, err := alsa.OpenMixer(card)
	if err != nil {
		return err
	}
	defer m.Close()
	controls, err := m.Controls()
	if err != nil {
		return err
	}
	for _, c := range controls {
		fmt.Fprintf(w, "  %v\n", c)
	}
	return nil
}

func tryCard(w io.Writer, card string) error {
	d, err := alsa.NewDevice(alsa.Config{Card: card, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return err
	}
	fmt.Fprintf(w, "  gives %v\n", d.Params())
	return d.Close()
}
