package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"intercom/broker"
	"intercom/identity"
)

type brokerCmd struct {
	Listen     string `arg:"--listen" default:"127.0.0.1:1883" placeholder:"HOST:PORT" help:"where to listen; no host is every address of this machine, port 0 takes a free one"`
	Authority  string `arg:"--authority" placeholder:"FILE" help:"the service's public authority: only its devices may connect, each for itself. Without it everyone may, who can then disturb, but not ring, listen or open"`
	Service    string `arg:"--service" help:"with --authority: the service whose devices they are"`
	ClockFloor string `arg:"--clock-floor" placeholder:"FILE" help:"with --authority: where to keep the latest time that was sure, for a machine whose clock is wrong after a power cut"`
	TLSCert    string `arg:"--tls-cert" placeholder:"FILE" help:"certificate, PEM: stations then connect to mqtts://"`
	TLSKey     string `arg:"--tls-key" placeholder:"FILE" help:"its private key, PEM"`
}

// Run prints the address once it listens, and serves until SIGTERM or SIGINT.
func (b brokerCmd) Run(ctx context.Context, c console) (err error) {
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg := broker.Config{Listen: b.Listen, TLSCert: b.TLSCert, TLSKey: b.TLSKey, Log: log}
	switch {
	case !validListen(b.Listen):
		return usageError{fmt.Errorf("--listen is %q; want HOST:PORT, or :1883 for every address of this machine", b.Listen)}
	case (b.TLSCert == "") != (b.TLSKey == ""):
		return usageError{errors.New("--tls-cert and --tls-key go together; give both files, or none")}
	case (b.Authority == "") != (b.Service == ""):
		return usageError{errors.New("--authority and --service go together: whose devices to admit, and of which service")}
	case b.Authority == "" && b.ClockFloor != "":
		return usageError{errors.New("--clock-floor goes with --authority")}
	case b.Authority != "":
		floor := identity.OpenFloor(b.ClockFloor, c.build.Time, log)
		defer func() { err = errors.Join(err, floor.Close()) }()
		if cfg.Verifier, err = admit(b.Authority, b.Service, floor); err != nil {
			return fmt.Errorf("broker: %w", err)
		}
	}
	br, err := broker.Start(cfg)
	if err != nil {
		return err
	}
	scheme := "mqtt"
	if b.TLSCert != "" {
		scheme = "mqtts"
	}
	fmt.Fprintf(c.out, "%s://%s\n", scheme, br.Addr())
	<-ctx.Done()
	return br.Close()
}

func validListen(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return err == nil
}

// admit tells the devices of a service from all others.
func admit(authority, service string, floor *identity.Floor) (*identity.Verifier, error) {
	keys, err := identity.LoadAuthorities(authority)
	if err != nil {
		return nil, err
	}
	return identity.NewVerifier(keys, []string{service}, floor)
}
