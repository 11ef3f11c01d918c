package identity

import (
	"fmt"
	"os"
	"path/filepath"

	"intercom/internal/durable"
)

// The files that Enrol makes.
const (
	KeyFile       = "device.key"
	TokenFile     = "device.token"
	AuthorityFile = "authority.pub"
)

// Enrol makes dir, which must not exist yet, with all that a device of the
// service needs: a new key, its token and the authority's public key. The
// request's Key is not used. It is for a house whose authority is on the same
// machine; elsewhere a device's key never leaves the device.
func (a Authority) Enrol(dir string, r TokenRequest) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("identity: enrol %s: %w", r.Device, err)
	}
	key, err := CreateKey(filepath.Join(dir, KeyFile))
	if err != nil {
		return err
	}
	r.Key = key.Public()
	token, err := a.Issue(r)
	if err != nil {
		return err
	}
	if err := durable.Create(filepath.Join(dir, TokenFile), []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("identity: enrol %s: %w", r.Device, err)
	}
	return WriteAuthority(filepath.Join(dir, AuthorityFile), a.Key.Public())
}
