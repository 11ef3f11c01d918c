package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// house is a broker and two stations, as processes of the real program from the files in /etc/intercom, on real
// lines and real sound devices, and what is around them.
type house struct {
	g      *guest
	broker *process
	door   *member
	indoor *member
}

// member is one station with its surroundings.
type member struct {
	*process
	*panel
	name string
	air  *air
	dir  string
}

const (
	configDir = "/etc/intercom"
	startTime = 20 * time.Second
)

var (
	doorButtons   = []string{"BELL"}
	doorLamps     = []string{"CALL-LAMP", "OPEN-LAMP", "FAULT-LAMP", "STRIKE"}
	indoorButtons = []string{"ACCEPT", "END", "MUTE", "OPEN"}
	indoorLamps   = []string{"CALL-LAMP", "MUTE-LAMP", "OPEN-LAMP", "FAULT-LAMP"}
)

// newHouse wires the boards and makes the keys; nothing of the program runs yet.
func (g *guest) newHouse() (*house, error) {
	if err := g.openHardware(); err != nil {
		return nil, err
	}
	if err := hardwareFirst(); err != nil {
		return nil, err
	}
	h := &house{g: g}
	authority := "/tmp/authority.key"
	if _, err := command("key", "make", authority); err != nil {
		return nil, err
	}
	var err error
	if h.door, err = g.newMember("door", "Door", "front-door", authority, doorButtons, doorLamps); err != nil {
		return nil, err
	}
	h.indoor, err = g.newMember("indoor", "Indoor", "home", authority, indoorButtons, indoorLamps)
	return h, err
}

// inHouse does something in a house and closes it.
func (g *guest) inHouse(do func(*house) error) error {
	h, err := g.newHouse()
	if err != nil {
		return err
	}
	return errors.Join(do(h), h.close())
}

func (g *guest) newMember(name, card, user, authority string, buttons, lamps []string) (m *member, err error) {
	m = &member{name: name, dir: filepath.Join("/tmp", name)}
	if err := m.identity(authority, user); err != nil {
		return nil, err
	}
	cfg, err := os.ReadFile(filepath.Join(configDir, name+".toml"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(m.dir, "station.toml"), cfg, 0o600); err != nil {
		return nil, err
	}
	if m.panel, err = newPanel("lab-"+name, buttons, lamps); err != nil {
		return nil, err
	}
	m.air, err = openAir(card)
	return m, err
}

// identity makes the station's folder, key and token.
func (m *member) identity(authority, user string) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	key := filepath.Join(m.dir, "device.key")
	for _, args := range [][]string{
		{"key", "make", key},
		{"key", "authority", authority, filepath.Join(m.dir, "authority.pub")},
		{"token", "issue", "--authority", authority, "--key", key, "--service", "lab", "--user", user, "--device", m.name,
			"--out", filepath.Join(m.dir, "device.token")},
	} {
		if _, err := command(args...); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) startBroker() (err error) {
	if h.broker, err = start("broker", "broker", "--listen", "127.0.0.1:1883"); err != nil {
		return err
	}
	line, err := h.broker.out.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "mqtt://") {
		return fmt.Errorf("the broker did not start: %q, %v%s", line, err, h.broker.said)
	}
	return nil
}

func (m *member) start() (err error) {
	m.process, err = start(m.name, "run", "--config", filepath.Join(m.dir, "station.toml"))
	return err
}

func (m *member) status() (status, error) {
	st, _, err := readStatus(filepath.Join(m.dir, "state", "status.sock"))
	return st, err
}

// ready waits until the station is connected.
func (m *member) ready() error {
	err := poll(startTime, func() error {
		select {
		case <-m.done:
			return fmt.Errorf("it ended: %v: %s", m.err, m.said)
		default:
		}
		st, err := m.status()
		if err == nil && !st.Connected {
			err = errors.New("not connected")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("the %s station is not ready: %w: %s", m.name, err, m.said)
	}
	return nil
}

// stage waits for a stage of the present call.
func (m *member) stage(name string) (at time.Duration, err error) {
	err = poll(startTime, func() error {
		st, err := m.status()
		if err != nil {
			return err
		}
		if st.Call == nil {
			return fmt.Errorf("no %s at the %s station: it has no call: %s", name, m.name, m.said)
		}
		var ok bool
		if at, ok = stageAt(st.Call.Stages, name); !ok {
			return fmt.Errorf("no %s at the %s station, which is %s: %s", name, m.name, st.State, m.said)
		}
		return nil
	})
	return at, err
}

// idle waits until there is no call and the call lamp is dark.
func (m *member) idle() error {
	dark := monotonic()
	return poll(startTime, func() error {
		st, err := m.status()
		if err != nil {
			return err
		}
		if m.on("CALL-LAMP") || st.State != "idle" {
			dark = monotonic()
		}
		if monotonic()-dark < 1500*time.Millisecond {
			return fmt.Errorf("the %s station is %s", m.name, st.State)
		}
		return nil
	})
}

// start starts all in the usual order and waits until they are connected.
func (h *house) start() error { return h.open(h.indoor, h.door) }

// open starts the broker and these stations, and waits for each until it is connected.
func (h *house) open(members ...*member) error {
	if err := h.startBroker(); err != nil {
		return err
	}
	for _, m := range members {
		if err := m.start(); err != nil {
			return err
		}
		if err := m.ready(); err != nil {
			return err
		}
	}
	return nil
}

// connected starts all and makes a call.
func (h *house) connected() error {
	if err := h.start(); err != nil {
		return err
	}
	if err := h.connect(); err != nil {
		return err
	}
	return h.markXruns("before")
}

// connect rings at the door and accepts indoors.
func (h *house) connect() error {
	if _, err := h.door.press("BELL", tap); err != nil {
		return err
	}
	ring, err := h.indoor.stage("ring_sample")
	if err != nil {
		return err
	}
	h.g.mark("ring_sample", ring)
	time.Sleep(pause)
	accept, err := h.indoor.press("ACCEPT", tap)
	if err != nil {
		return err
	}
	h.g.mark("accept", accept)
	for _, m := range []*member{h.door, h.indoor} {
		if _, err := m.stage("first_voice"); err != nil {
			return err
		}
	}
	return nil
}

// rest waits until both stations are idle.
func (h *house) rest() error {
	for _, m := range []*member{h.door, h.indoor} {
		if err := m.idle(); err != nil {
			return err
		}
	}
	return nil
}

// close stops all and keeps recordings, lamp logs and what the programs said.
func (h *house) close() error {
	var errs []error
	for _, m := range []*member{h.door, h.indoor} {
		if m == nil || m.process == nil {
			continue
		}
		if err := m.end(10 * time.Second); err != nil {
			errs = append(errs, fmt.Errorf("stop the %s station: %w: %s", m.name, err, m.said))
		}
		h.g.keep(m.name+".log", []byte(m.said.String()))
	}
	if h.broker != nil {
		errs = append(errs, h.broker.end(10*time.Second))
	}
	for _, m := range []*member{h.door, h.indoor} {
		if m == nil || m.air == nil {
			continue
		}
		errs = append(errs, m.air.close())
		h.g.keep(m.name+"-lamps.json", m.panel.close())
		h.g.keep(m.name+"-speaker.wav", wav(m.air.heard))
		h.g.mark(m.name+"_speaker_began", m.air.began)
	}
	return errors.Join(errs...)
}
