package alsa

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// address says which device of which card is meant.
type address struct {
	id     string // of the card, or
	port   string // where on the USB it is plugged in, as in "1-1.2"
	device int
}

var (
	// struct snd_card: id[16]; the kernel makes ids of letters, digits, _ and -.
	idForm    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,15}$`)
	indexForm = regexp.MustCompile(`^[0-9]+$`)
	// Bus, then the ports of each hub on the way: Documentation/driver-api/usb.
	portForm = regexp.MustCompile(`^[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}$`)
)

const maxDevice = 31 // SNDRV_PCM_DEVICES of the kernel's minors, less one

// parseAddress reads "Door", "hw:CARD=Door,DEV=0", "hw:Door,0" or
// "usb:1-1.2,DEV=0"; the device may be left out and is 0.
func parseAddress(s string) (a address, err error) {
	head, device, hasDevice := strings.Cut(s, ",")
	switch {
	case strings.HasPrefix(head, "usb:"):
		a.port = strings.TrimPrefix(head, "usb:")
		if !portForm.MatchString(a.port) {
			return a, fmt.Errorf("alsa: card %q: want the USB port as in usb:1-1.2, the name in /sys/bus/usb/devices", s)
		}
	default:
		a.id = strings.TrimPrefix(strings.TrimPrefix(head, "hw:"), "CARD=")
		if indexForm.MatchString(a.id) {
			return a, fmt.Errorf("alsa: card %q: numbers of cards change from boot to boot; use the id, in brackets in /proc/asound/cards", s)
		}
		if !idForm.MatchString(a.id) {
			return a, fmt.Errorf("alsa: card %q: want an id as in hw:CARD=Door, in brackets in /proc/asound/cards, or usb:1-1.2", s)
		}
	}
	if !hasDevice {
		return a, nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(device, "DEV="))
	if err != nil || n < 0 || n > maxDevice {
		return a, fmt.Errorf("alsa: card %q: device %q: want DEV=0 to DEV=%d", s, device, maxDevice)
	}
	a.device = n
	return a, nil
}

func (a address) String() string {
	if a.port != "" {
		return fmt.Sprintf("usb:%s,DEV=%d", a.port, a.device)
	}
	return fmt.Sprintf("hw:CARD=%s,DEV=%d", a.id, a.device)
}
