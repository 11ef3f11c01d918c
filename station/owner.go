package station

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"intercom/config"
	"intercom/identity"
)

// owner is who this station is: its key, its token, and whom it trusts.
type owner struct {
	floor    *identity.Floor
	key      identity.Key
	token    string
	until    time.Time // the token's end
	verifier *identity.Verifier
	sealer   *identity.Sealer
	self     identity.Address // the session is new for each process
}

// openOwner reads who this station is. The clock floor is the owner's from then on.
func openOwner(cfg *config.Config, floor *identity.Floor) (_ *owner, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, floor.Close())
		}
	}()
	me := &owner{floor: floor, self: identity.Address{
		Service: cfg.Station.Service, User: cfg.Station.User, Device: cfg.Station.Name, Session: identity.NewID(),
	}}
	if me.key, err = identity.LoadKey(cfg.Identity.Key); err != nil {
		return nil, fmt.Errorf("station: %w", err)
	}
	if me.token, err = readToken(cfg.Identity.Token); err != nil {
		return nil, err
	}
	authorities, err := identity.LoadAuthorities(cfg.Identity.Authority)
	if err != nil {
		return nil, fmt.Errorf("station: %w", err)
	}
	if err := me.prove(authorities, cfg); err != nil {
		return nil, err
	}
	return me, nil
}

// Close closes the clock floor. One that could not be stored was logged, and
// is no reason for a stop to fail.
func (o *owner) Close() error {
	_ = o.floor.Close()
	return nil
}

// prove checks that the token is for this station and this key, so that a
// wrong one is an error at start and not a silence when somebody rings.
func (o *owner) prove(authorities []ed25519.PublicKey, cfg *config.Config) (err error) {
	if o.verifier, err = identity.NewVerifier(authorities, []string{o.self.Service}, o.floor); err != nil {
		return fmt.Errorf("station: %w", err)
	}
	claims, err := o.verifier.VerifyOwn(o.token, o.key, o.self)
	if err != nil {
		late := ""
		if errors.Is(err, identity.ErrExpired) {
			late = fmt.Sprintf(", or, if it is not that late, delete %s (docs/operating.md, The clock)", floorPath(cfg))
		}
		return fmt.Errorf("station: access token %s: %w; ask the service for a token for %s/%s/%s with the key %s%s",
			cfg.Identity.Token, err, o.self.Service, o.self.User, o.self.Device, o.key.Thumbprint(), late)
	}
	o.until = claims.Expires
	if o.sealer, err = identity.NewSealer(o.key, o.token, o.self); err != nil {
		return fmt.Errorf("station: %w", err)
	}
	return nil
}

func readToken(path string) (string, error) {
	token, err := identity.LoadToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("station: access token: %w; ask the service for one for this device's key, and store it there", err)
	}
	if err != nil {
		return "", fmt.Errorf("station: access token: %w; correct token in [identity]", err)
	}
	return token, nil
}

func floorPath(cfg *config.Config) string { return filepath.Join(cfg.Station.StateDir, "clock-floor") }
