package alsa

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mixer is the controls of one card. It belongs to one goroutine.
type Mixer struct {
	k    kernel
	fd   int
	card Card
	ids  []elemID
}

// OpenMixer opens the mixer of a card, see Config.Card.
func OpenMixer(card string) (*Mixer, error) {
	k, err := newLinux()
	if err != nil {
		return nil, err
	}
	a, err := parseAddress(card)
	if err != nil {
		return nil, err
	}
	c, err := find(k.files(), a)
	if err != nil {
		return nil, err
	}
	return openMixer(k, c)
}

func openMixer(k kernel, card Card) (*Mixer, error) {
	path := fmt.Sprintf("/dev/snd/controlC%d", card.Index)
	fd, err := k.open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("alsa: open mixer of %s: %w; add this user to the group audio, which owns %s", card, err, path)
	}
	if err != nil {
		return nil, fmt.Errorf("alsa: open mixer of %s: %w", card, err)
	}
	m := &Mixer{k: k, fd: fd, card: card}
	if err := m.list(); err != nil {
		return nil, errors.Join(fmt.Errorf("alsa: list controls of %s: %w", card, err), m.Close())
	}
	return m, nil
}

// Close frees the card.
func (m *Mixer) Close() error { return m.k.close(m.fd) }

// maxControls bounds what a driver may claim to have.
const maxControls = 4096

func (m *Mixer) list() error {
	var l elemList
	if err := m.k.ioctl(m.fd, reqElemList, unsafe.Pointer(&l)); err != nil {
		return err
	}
	if l.Count == 0 {
		return nil
	}
	ids := make([]elemID, min(l.Count, maxControls))
	l = elemList{Space: uint32(len(ids)), IDs: unsafe.Pointer(&ids[0])}
	if err := m.k.ioctl(m.fd, reqElemList, unsafe.Pointer(&l)); err != nil {
		return err
	}
	m.ids = ids[:min(int(l.Used), len(ids))]
	return nil
}

// Controls reads all controls with their present values.
func (m *Mixer) Controls() ([]Control, error) {
	all := make([]Control, 0, len(m.ids))
	for _, id := range m.ids {
		c, err := m.read(id)
		if errors.Is(err, unix.ENOENT) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, m.wrap(id, "read", err)
		}
		all = append(all, c)
	}
	return all, nil
}

// Get reads the control of a name; Set says how names are written.
func (m *Mixer) Get(name string) (Control, error) {
	id, err := m.lookup(name)
	if err != nil {
		return Control{}, err
	}
	c, err := m.read(id)
	if err != nil {
		return c, m.wrap(id, "read", err)
	}
	return c, nil
}

// Set gives all channels of a control a value: "on" or "off" for a switch; an
// item's name for a choice; "80%" of its range, "-6dB" or a plain number for a
// volume. The name is as `amixer contents` shows it; where several controls
// have it, "name,1" is the second. Errors say what there is instead.
func (m *Mixer) Set(name, value string) error {
	id, err := m.lookup(name)
	if err != nil {
		return err
	}
	c, err := m.read(id)
	if err != nil {
		return m.wrap(id, "read", err)
	}
	raw, err := c.parse(value)
	if err != nil {
		return fmt.Errorf("alsa: control %q of %s: %w", name, m.card, err)
	}
	v := elemValue{ID: id}
	for i := range c.Values {
		c.put(&v, i, raw)
	}
	if err := m.k.ioctl(m.fd, reqElemWrite, unsafe.Pointer(&v)); err != nil {
		return m.wrap(id, "set", err)
	}
	return nil
}

func (m *Mixer) wrap(id elemID, what string, err error) error {
	return fmt.Errorf("alsa: %s control %q of %s: %w", what, id.name(), m.card, err)
}

// lookup finds a control by name, one of the mixer's own first.
func (m *Mixer) lookup(name string) (elemID, error) {
	var names []string
	best := -1
	for i, id := range m.ids {
		full := id.name()
		names = append(names, full)
		if (full == name || full == name+",0") && (best < 0 || m.ids[best].Iface != ifaceMixer && id.Iface == ifaceMixer) {
			best = i
		}
	}
	if best < 0 {
		return elemID{}, fmt.Errorf("alsa: %s has no control %q; it has %s", m.card, name, quoted(names))
	}
	return m.ids[best], nil
}

// name is what Set takes: the element's name, with its index if it has one.
func (id elemID) name() string {
	name := text(id.Name[:])
	if id.Index > 0 {
		name = fmt.Sprintf("%s,%d", name, id.Index)
	}
	return name
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func (m *Mixer) read(id elemID) (Control, error) {
	info := elemInfo{ID: id}
	if err := m.k.ioctl(m.fd, reqElemInfo, unsafe.Pointer(&info)); err != nil {
		return Control{}, err
	}
	c := Control{Name: id.name(), ReadOnly: info.Access&accessWrite == 0}
	count := min(int(info.Count), maxValues)
	switch info.Type {
	case elemBoolean:
		c.Kind, c.Max = Switch, 1
	case elemInteger:
		c.Kind, c.Min, c.Max = Volume, info.Value[0], info.Value[1]
		if info.Access&accessTLVRead != 0 {
			c.scale = m.scale(id.Numid, c.Min, c.Max)
		}
	case elemEnumerated:
		c.Kind = Choice
		for i := range min(info.item().Items, maxControls) {
			info.item().Item = i
			if err := m.k.ioctl(m.fd, reqElemInfo, unsafe.Pointer(&info)); err != nil {
				return c, err
			}
			c.Items = append(c.Items, text(info.item().Name[:]))
		}
		c.Max = len(c.Items) - 1
	default:
		c.Kind = Other
		return c, nil
	}
	c.Values = make([]int, count)
	if info.Access&accessRead == 0 {
		return c, nil
	}
	v := elemValue{ID: id}
	if err := m.k.ioctl(m.fd, reqElemRead, unsafe.Pointer(&v)); err != nil {
		return c, err
	}
	for i := range c.Values {
		c.Values[i] = c.get(&v, i)
	}
	return c, nil
}

// scale reads a control's scale in dB; nil where there is none that we know.
func (m *Mixer) scale(numid uint32, low, high int) scale {
	buf := make([]uint32, 2+scaleWords) // struct snd_ctl_tlv
	buf[0], buf[1] = numid, 4*scaleWords
	if err := m.k.ioctl(m.fd, reqTLVRead, unsafe.Pointer(&buf[0])); err != nil {
		return nil
	}
	return readScale(buf[2:], low, high)
}

// get reads value i: items are 32 bits wide, all others a C long.
func (c Control) get(v *elemValue, i int) int {
	if c.Kind == Choice {
		return int(v.items()[i])
	}
	return v.Value[i]
}

func (c Control) put(v *elemValue, i, raw int) {
	if c.Kind == Choice {
		v.items()[i] = uint32(raw)
		return
	}
	v.Value[i] = raw
}
