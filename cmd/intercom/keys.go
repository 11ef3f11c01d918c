package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"intercom/identity"
)

type keyCmd struct {
	Make      keyMakeCmd      `cmd:"" help:"Make a private key: of a device, or of the service's authority."`
	Show      keyShowCmd      `cmd:"" help:"Show a key's thumbprint."`
	Authority keyAuthorityCmd `cmd:"" help:"Write the public half of an authority's key, for the devices."`
}

type keyMakeCmd struct {
	Out string `arg:"" default:"device.key" help:"The new file; an existing one is never overwritten (default ${default})." type:"path"`
}

// Run makes a key.
func (r keyMakeCmd) Run(c console) error {
	k, err := identity.CreateKey(r.Out)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s: new Ed25519 key %s\n", r.Out, k.Thumbprint())
	return nil
}

type keyShowCmd struct {
	File string `arg:"" default:"device.key" help:"The key's file (default ${default})." type:"path"`
}

// Run shows a key's thumbprint, never the key.
func (r keyShowCmd) Run(c console) error {
	k, err := identity.LoadKey(r.File)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, k.Thumbprint())
	return nil
}

type keyAuthorityCmd struct {
	Key string `arg:"" help:"The authority's private key." type:"path"`
	Out string `arg:"" default:"authority.pub" help:"The new file (default ${default})." type:"path"`
}

// Run writes the public key.
func (r keyAuthorityCmd) Run(c console) error {
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
	Issue tokenIssueCmd `cmd:"" help:"Issue an access token for a device, with the authority's key."`
	Show  tokenShowCmd  `cmd:"" help:"Show what a token says, without checking who signed it."`
}

type tokenIssueCmd struct {
	Authority string        `required:"" placeholder:"FILE" help:"The authority's private key." type:"path"`
	Key       string        `required:"" placeholder:"FILE" help:"The device's private key." type:"path"`
	Service   string        `required:"" help:"Service id."`
	User      string        `required:"" help:"User id."`
	Device    string        `required:"" help:"Device id: the station's name."`
	Lifetime  time.Duration `default:"8760h" help:"How long it is good (default ${default})."`
	Out       string        `default:"device.token" placeholder:"FILE" help:"The new file (default ${default})." type:"path"`
}

// Run issues a token.
func (r tokenIssueCmd) Run(c console) error {
	authority, err := identity.LoadKey(r.Authority)
	if err != nil {
		return err
	}
	key, err := identity.LoadKey(r.Key)
	if err != nil {
		return err
	}
	token, err := identity.Authority{Key: authority}.Issue(identity.TokenRequest{
		Service: r.Service, User: r.User, Device: r.Device, Key: key.Public(), Now: time.Now(), Lifetime: r.Lifetime,
	})
	if err != nil {
		return usageError{err}
	}
	if err := writeFile(r.Out, []byte(token+"\n")); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s: token of %s/%s/%s for %v\n", r.Out, r.Service, r.User, r.Device, r.Lifetime)
	return nil
}

type tokenShowCmd struct {
	File string `arg:"" default:"device.token" help:"The token's file (default ${default})." type:"path"`
}

// Run shows a token's claims.
func (r tokenShowCmd) Run(c console) error {
	data, err := os.ReadFile(r.File)
	if err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	claims, err := identity.Describe(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("%s: %w", r.File, err)
	}
	fmt.Fprintln(c.out, "not verified:")
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(claims)
}
