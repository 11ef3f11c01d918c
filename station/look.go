package station

import (
	"context"
	"fmt"
	"time"

	"intercom/call"
	"intercom/config"
	"intercom/identity"
	"intercom/mqttpush"
)

// CheckKeys reads the key, the access token and the authority, and says until
// when the token holds. It stores nothing. The error is the one that Run would
// give.
func CheckKeys(cfg *config.Config, build time.Time) (until time.Time, err error) {
	me, err := openOwner(cfg, identity.ReadFloor(floorPath(cfg), build))
	if err != nil {
		return time.Time{}, err
	}
	defer me.Close()
	claims, err := identity.Describe(me.token)
	if err != nil {
		return time.Time{}, fmt.Errorf("station: %w", err)
	}
	return claims.Expires, nil
}

// LookAtBroker connects once as this device does, without disturbing a station
// that runs, and says which devices of some users are there. See
// mqttpush.Look.
func LookAtBroker(ctx context.Context, cfg *config.Config, build time.Time, users []string) (mqttpush.Probe, error) {
	me, err := openOwner(cfg, identity.ReadFloor(floorPath(cfg), build))
	if err != nil {
		return mqttpush.Probe{}, err
	}
	defer me.Close()
	p, err := mqttpush.Look(ctx, mqttpush.Config{
		URL: cfg.Broker.URL, CAFile: cfg.Broker.CA, Now: me.floor.Now, Self: call.Address(me.self),
		KeepAlive: cfg.Broker.KeepAlive, ConnectTimeout: cfg.Broker.ConnectTimeout, Sealer: me.sealer,
	}, users)
	if err != nil {
		return p, fmt.Errorf("station: broker: %w", err)
	}
	return p, nil
}
