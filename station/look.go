package station

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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

// stateRoom is what a state folder should have free, in bytes: a dozen times what is kept there.
const stateRoom = 256 << 10

// CheckState says why nothing could be kept in the state folder, which it does not make.
func CheckState(cfg *config.Config) error {
	up := cfg.Station.StateDir
	info, err := os.Stat(up)
	for ; errors.Is(err, fs.ErrNotExist) && up != filepath.Dir(up); info, err = os.Stat(up) { // it would be made
		if _, err := os.Lstat(up); err == nil {
			break // a link to nowhere
		}
		up = filepath.Dir(up)
	}
	var disk unix.Statfs_t
	switch denied := unix.Access(up, unix.W_OK|unix.X_OK); {
	case err != nil:
	case !info.IsDir():
		err = &fs.PathError{Op: "use", Path: up, Err: syscall.ENOTDIR}
	case denied != nil:
		err = &fs.PathError{Op: "write into", Path: up, Err: denied}
	case unix.Statfs(up, &disk) == nil && disk.Bavail*uint64(disk.Bsize) < stateRoom:
		err = &fs.PathError{Op: "write into", Path: up, Err: syscall.ENOSPC}
	}
	if err != nil {
		return fmt.Errorf("station: state folder: %w; let this user write it, make room, or correct state_dir in [station]", err)
	}
	return nil
}
