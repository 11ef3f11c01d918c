package alsa

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Card is one sound card of this machine.
type Card struct {
	Index  int    // of its device nodes; another one after the next boot
	ID     string // by which it is opened
	Driver string // as in "USB-Audio"
	Name   string // for people
	Port   string // where on the USB it is plugged in, as in "1-1.2"; empty: not USB
	PCMs   []PCM
}

// PCM is one device of a card: a pair of streams, or one.
type PCM struct {
	Device            int
	Name              string
	Capture, Playback bool
}

func (c Card) String() string {
	if c.Name == "" || c.Name == c.ID {
		return c.ID
	}
	return fmt.Sprintf("%s (%s)", c.ID, c.Name)
}

// ErrNoCard is in the error when the card that is asked for is not there.
var ErrNoCard = errors.New("no such card")

// Cards lists the cards of this machine, by index. Anyone may call it: no
// device is opened. No card at all is no error.
func Cards() ([]Card, error) { return readCards(os.DirFS("/")) }

// Find returns the card that is meant by a name as in Config.Card. Its error is
// an ErrNoCard if there is none, and says which there are.
func Find(card string) (Card, error) {
	a, err := parseAddress(card)
	if err != nil {
		return Card{}, err
	}
	return find(os.DirFS("/"), a)
}

var (
	//  1 [Door           ]: USB-Audio - USB Audio Device
	cardLine = regexp.MustCompile(`^ *([0-9]+) \[([^\]]*)\]: (.*?) - (.*)$`)
	// 01-00: USB Audio : USB Audio : playback 1 : capture 1
	pcmLine = regexp.MustCompile(`^([0-9]+)-([0-9]+): (.*)$`)
)

func readCards(root fs.FS) ([]Card, error) {
	data, err := fs.ReadFile(root, "proc/asound/cards")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the sound modules are not loaded: there is no card
	}
	if err != nil {
		return nil, fmt.Errorf("alsa: list cards: %w", err)
	}
	var cards []Card
	for line := range strings.Lines(string(data)) {
		m := cardLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue // the second line of a card, or "--- no soundcards ---"
		}
		index, err := strconv.Atoi(m[1])
		if err != nil {
			continue
		}
		c := Card{Index: index, ID: strings.TrimSpace(m[2]), Driver: m[3], Name: strings.TrimSpace(m[4])}
		c.Port = usbPort(root, index)
		cards = append(cards, c)
	}
	return cards, readPCMs(root, cards)
}

// usbPort follows the card to its device: an interface of a USB device is
// called as in "1-1.2:1.0".
func usbPort(root fs.FS, index int) string {
	link, err := fs.ReadLink(root, fmt.Sprintf("sys/class/sound/card%d/device", index))
	if err != nil {
		return ""
	}
	port, _, found := strings.Cut(path.Base(link), ":")
	if !found || !portForm.MatchString(port) {
		return ""
	}
	return port
}

func readPCMs(root fs.FS, cards []Card) error {
	data, err := fs.ReadFile(root, "proc/asound/pcm")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("alsa: list devices: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		m := pcmLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		card, errCard := strconv.Atoi(m[1])
		device, errDevice := strconv.Atoi(m[2])
		if errCard != nil || errDevice != nil {
			continue
		}
		p := PCM{Device: device}
		for i, field := range strings.Split(m[3], " : ") {
			switch {
			case strings.HasPrefix(field, "playback "):
				p.Playback = true
			case strings.HasPrefix(field, "capture "):
				p.Capture = true
			case i <= 1 && field != "":
				p.Name = field // its id, then its name
			}
		}
		for i := range cards {
			if cards[i].Index == card {
				cards[i].PCMs = append(cards[i].PCMs, p)
			}
		}
	}
	return nil
}

// find returns the card at an address. Its error says which cards there are.
func find(root fs.FS, a address) (Card, error) {
	cards, err := readCards(root)
	if err != nil {
		return Card{}, err
	}
	present := make([]string, len(cards))
	for i, c := range cards {
		if a.port != "" && c.Port == a.port || a.port == "" && c.ID == a.id {
			return c, nil
		}
		present[i] = c.String()
		if a.port != "" && c.Port != "" {
			present[i] += " at usb:" + c.Port
		}
	}
	what := "with id " + a.id
	if a.port != "" {
		what = "at usb:" + a.port
	}
	if len(cards) == 0 {
		return Card{}, fmt.Errorf("alsa: %w: none %s; there is none at all: plug it in, or load its driver", ErrNoCard, what)
	}
	return Card{}, fmt.Errorf("alsa: %w: none %s; present: %s", ErrNoCard, what, strings.Join(present, ", "))
}
