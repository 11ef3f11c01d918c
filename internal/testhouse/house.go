// Package testhouse is what tests of several packages need to be in a house: an
// authority with the devices that it admits, and mosquitto, the broker that is
// not ours.
package testhouse

import (
	"crypto/ed25519"
	"testing"
	"time"

	"intercom/identity"
)

// Service is that of every House.
const Service = "home"

// House is a service with its authority. A second one is a house of strangers.
type House struct {
	Authority identity.Authority
	Verifier  *identity.Verifier
}

// Device is one that a House admitted.
type Device struct {
	Address identity.Address
	Key     identity.Key
	Token   string
	Sealer  *identity.Sealer
}

// New makes a house.
func New(t testing.TB) House {
	t.Helper()
	key, err := identity.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	h := House{Authority: identity.Authority{Key: key}}
	h.Verifier = h.NewVerifier(t)
	return h
}

// NewVerifier makes a verifier with a clock of its own: that of one more
// process.
func (h House) NewVerifier(t testing.TB) *identity.Verifier {
	t.Helper()
	v, err := identity.NewVerifier([]ed25519.PublicKey{h.Authority.Key.Public()}, []string{Service}, identity.OpenFloor("", time.Now(), nil))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Admit makes a new key for a device, and a token of an hour for it.
func (h House) Admit(t testing.TB, a identity.Address) Device {
	t.Helper()
	key, err := identity.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	token, err := h.Authority.Issue(identity.TokenRequest{
		Service: a.Service, User: a.User, Device: a.Device, Key: key.Public(), Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := identity.NewSealer(key, token, a)
	if err != nil {
		t.Fatal(err)
	}
	return Device{a, key, token, s}
}
