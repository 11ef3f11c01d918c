package mqttpush

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"intercom/call"
)

// presenceQuiet is how long after its answer to a subscription a broker is
// listened to: retained messages follow at once (MQTT 3.1.1, 3.3.1.3).
const presenceQuiet = 500 * time.Millisecond

// subscribeTries is how often a broker is asked that refuses a subscription.
const subscribeTries = 3

// Probe is what one look at the broker found.
type Probe struct {
	// Online are the devices that are connected, by user, sorted.
	Online map[string][]string
	// Hidden are the users whose presence the broker does not show to this
	// device. That is no fault: only a user's own devices need it.
	Hidden []string
}

var errHidden = errors.New("the broker ended the connection at a subscription")

// Look connects once, as Transport does, with the access token and the
// subscriptions of this device but without telling anybody, asks which devices
// of some users are there, and disconnects. Its error says what a Transport
// would go on failing with. cfg.Self needs a session of its own.
func Look(ctx context.Context, cfg Config, users []string) (Probe, error) {
	addr, tlsConfig, err := cfg.check()
	if err != nil {
		return Probe{}, err
	}
	// No goroutine of a Transport runs: nothing is sent, and what comes is counted.
	t := &Transport{cfg: cfg, addr: addr, tls: tlsConfig, topics: topicsOf(cfg.Self), in: make(chan []byte)}
	l, err := t.connect(ctx, 1)
	if err != nil {
		return Probe{}, fmt.Errorf("mqttpush: %w", err)
	}
	defer func() {
		l.client.Disconnect(uint(quitTime.Milliseconds()))
		l.conn.Close()
	}()
	p := Probe{Online: map[string][]string{}}
	for i, user := range users {
		devices, shown, err := l.devices(ctx, cfg.Self.Service, user)
		switch {
		case errors.Is(err, errHidden): // by ending the connection
			p.Hidden = append(p.Hidden, users[i:]...)
			return p, nil
		case err != nil:
			return p, fmt.Errorf("mqttpush: look for devices of %s: %w", user, err)
		case shown:
			p.Online[user] = devices
		default:
			p.Hidden = append(p.Hidden, user)
		}
	}
	return p, nil
}

// devices asks for the presence of a user's devices.
func (l *link) devices(ctx context.Context, service, user string) (devices []string, shown bool, err error) {
	if !call.ValidID(user) {
		return nil, false, fmt.Errorf("%w: %q", ErrAddress, user)
	}
	prefix := root + service + "/" + user + "/"
	filter := prefix + "+/+/presence"
	found := make(chan string, 64)
	collect := func(_ mqtt.Client, m mqtt.Message) {
		var body presenceBody
		device, _, _ := strings.Cut(strings.TrimPrefix(m.Topic(), prefix), "/")
		if len(m.Payload()) > maxPresence || json.Unmarshal(m.Payload(), &body) != nil || !body.Online {
			return
		}
		select {
		case found <- device:
		default: // more than a user has
		}
	}
	for tries := 1; ; tries++ {
		token := l.client.Subscribe(filter, qos, collect)
		select {
		case <-token.Done():
		case <-l.lost():
			return nil, false, errHidden
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
		if code := token.(*mqtt.SubscribeToken).Result()[filter]; token.Error() == nil && code <= 2 {
			break
		}
		// mochi refuses a packet id that it uses itself just now for a message to us (MQTT counts the two apart, 2.3.1).
		if tries == subscribeTries {
			return nil, false, nil
		}
	}
	quiet := time.NewTimer(presenceQuiet)
	defer quiet.Stop()
	for {
		select {
		case d := <-found:
			if !slices.Contains(devices, d) {
				devices = append(devices, d)
			}
		case <-quiet.C:
			slices.Sort(devices)
			return devices, true, nil
		case <-l.lost():
			return nil, false, l.conn.cause()
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}
