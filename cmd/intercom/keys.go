package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"intercom/identity"
	"intercom/internal/durable"
)

type keyCmd struct {
	Make      *keyMakeCmd      `arg:"subcommand" help:"Make a private key: of a device, or of the service's authority."`
	Show      *keyShowCmd      `arg:"subcommand" help:"Show a key's thumbprint."`
	Authority *keyAuthorityCmd `arg:"subcommand" help:"Write the public half of an authority's key, for the devices."`
}

type keyMakeCmd struct {
	Out string `arg:"positional" placeholder:"FILE" default:"device.key" help:"the new file; an existing one is never overwritten"`
}

// Run makes a key.
func (r keyMakeCmd) Run(_ context.Context, c console) error {
	k, err := identity.CreateKey(r.Out)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s: new Ed25519 key %s\n", r.Out, k.Thumbprint())
	return nil
}

type keyShowCmd struct {
	File string `arg:"positional" placeholder:"FILE" default:"device.key" help:"the key's file"`
}

// Run shows a key's thumbprint, never the key.
func (r keyShowCmd) Run(_ context.Context, c console) error {
	k, err := identity.LoadKey(r.File)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, k.Thumbprint())
	return nil
}

type keyAuthorityCmd struct {
	Key string `arg:"positional,required" placeholder:"KEY" help:"the authority's private key"`
	Out string `arg:"positional" placeholder:"FILE" default:"authority.pub" help:"the new file"`
}

// Run writes the public key.
func (r keyAuthorityCmd) Run(_ context.Context, c console) error {
	k, err := identity.LoadKey(r.Key)
	if err != nil {
		return err
	}
	if err := identity.WriteAuthority(r.Out, k.Public()); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s: public key %s\n", r.Out, k.Thumbprint())
	return nil
}

type tokenCmd struct {
	Issue *tokenIssueCmd `arg:"subcommand" help:"Issue an access token for a device, with the authority's key."`
	Show  *tokenShowCmd  `arg:"subcommand" help:"Show what a token says, without checking who signed it."`
}

type tokenIssueCmd struct {
	Authority string        `arg:"--authority,required" help:"the authority's private key"`
	Key       string        `arg:"--key,required" help:"the device's private key"`
	Service   string        `arg:"--service,required" help:"service id"`
	User      string        `arg:"--user,required" help:"user id"`
	Device    string        `arg:"--device,required" help:"device id: the station's name"`
	Lifetime  time.Duration `arg:"--lifetime" placeholder:"TIME" default:"8760h" help:"how long it is good"`
	Out       string        `arg:"--out" default:"device.token" placeholder:"FILE" help:"the new file"`
}

// Run issues a token.
func (r tokenIssueCmd) Run(_ context.Context, c console) error {
	authority, err := identity.LoadKey(r.Authority)
	if err != nil {
		return err
	}
	key, err := identity.LoadKey(r.Key)
	if err != nil {
		return err
	}
	token, err := identity.Authority{Key: authority}.Issue(identity.TokenRequest{
		Service: r.Service, User: r.User, Device: r.Device, Key: key.Public(), Now: c.issueTime(), Lifetime: r.Lifetime,
	})
	if err != nil {
		return usageError{err}
	}
	if err := durable.Replace(r.Out, []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	fmt.Fprintf(c.out, "%s: token of %s/%s/%s for %v\n", r.Out, r.Service, r.User, r.Device, r.Lifetime)
	return nil
}

type tokenShowCmd struct {
	File string `arg:"positional" placeholder:"FILE" default:"device.token" help:"the token's file"`
}

// Run shows a token's claims.
func (r tokenShowCmd) Run(_ context.Context, c console) error {
	token, err := identity.LoadToken(r.File)
	if err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	claims, err := identity.Describe(token)
	if err != nil {
		return fmt.Errorf("%s: %w", r.File, err)
	}
	fmt.Fprintln(c.out, "not verified:")
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(claims)
}
