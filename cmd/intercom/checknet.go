package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"intercom/config"
)

// broker tries the network alone: names, routes, firewalls.
func (d *diagnosis) broker(ctx context.Context) {
	const step = "broker"
	u, err := url.Parse(d.cfg.Broker.URL)
	if err != nil {
		d.fail(step, err) // config has checked it
		return
	}
	if err := d.dial(ctx, u.Host); err != nil {
		d.add(step, stateFailed, fmt.Sprintf("%s: %v", d.cfg.Broker.URL, err),
			"start the broker (intercom broker, or mosquitto), correct url in [broker], or look at the network between")
		return
	}
	d.ok(step, "%s listens", u.Host)
}

// soonExpired is when a token's end is worth a word.
const soonExpired = 14 * 24 * time.Hour

func (d *diagnosis) keys(context.Context) {
	const step = "keys"
	until, err := d.machine.keys(d.cfg)
	if err != nil {
		d.fail(step, err)
		return
	}
	d.ok(step, "the key, its access token and the authority belong together")
	if now, _ := d.time(); until.Sub(now) < soonExpired {
		d.add(step, stateWarning, "the access token expires on "+until.UTC().Format(time.RFC3339), "ask the service for a new one")
	}
}

// clock warns only: nothing that keeps people out depends on it (tokens expire
// by a clock floor).
func (d *diagnosis) clock(context.Context) {
	const step = "clock"
	now, synchronised := d.time()
	what := "it shows " + now.UTC().Format(time.RFC3339)
	remedy := "let it be set by the network: sudo timedatectl set-ntp true, and look at timedatectl timesync-status"
	switch {
	case now.Before(d.build):
		d.add(step, stateWarning, what+", a time before this program was built", remedy+". Until then quiet hours do not hold, and times in records are wrong")
	case !synchronised:
		d.add(step, stateWarning, what+", and is not synchronised", remedy)
	default:
		d.ok(step, "%s, synchronised", what)
	}
}

// callees are the users that this station's buttons ring.
func (d *diagnosis) callees() []string {
	var users []string
	for _, b := range d.cfg.Buttons {
		if b.Action == config.ActionCall || b.LongPress == config.ActionCall {
			users = append(users, b.Users()...)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// lookTime bounds the look at a broker.
const lookTime = 20 * time.Second

func (d *diagnosis) login(ctx context.Context) {
	const step = "login"
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	probe, err := d.look(ctx, d.cfg, d.callees())
	if err != nil {
		d.fail(step, err)
		return
	}
	d.probe = probe
	d.ok(step, "the broker lets this device in")
}

// peer says whether those are there whom the buttons ring.
func (d *diagnosis) peer(context.Context) {
	const step = "peer"
	users := d.callees()
	if len(users) == 0 {
		d.skip(step, "no button of this station rings anybody")
		return
	}
	for _, u := range users {
		devices := d.probe.Online[u]
		switch {
		case slices.Contains(d.probe.Hidden, u):
			d.ok(step, "%s: the broker does not show other users' devices; ring to see", u)
		case len(devices) == 0:
			d.add(step, stateFailed, fmt.Sprintf("no device of %s is to be seen at this broker", u),
				fmt.Sprintf("start the station of user %q, and see that its service (%q) and broker are the same; if the broker has rules of its own, ring to see, or let this device read intercom/v1/%s/%s/+/+/presence",
					u, d.cfg.Station.Service, d.cfg.Station.Service, u))
		default:
			d.ok(step, "%s is there: %s", u, strings.Join(devices, ", "))
		}
	}
}
