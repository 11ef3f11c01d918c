package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"intercom/internal/durable"
)

// MaxAuthorities is the most keys in an authority file: the one in use and
// those before and after it while keys are rolled over, with room to spare.
const MaxAuthorities = 8

// Authority signs access tokens. Its key is kept off the stations; they hold
// its public half only (WriteAuthority, LoadAuthorities).
type Authority struct{ Key Key }

// TokenRequest says for whom a token is. All fields are needed, but Now.
type TokenRequest struct {
	Service, User, Device string
	Key                   ed25519.PublicKey // the device's
	Now                   time.Time         // time of issue; zero means time.Now()
	Lifetime              time.Duration     // at least a second
}

// tokenClaims is the payload of an access token: RFC 7519, with the device's
// key as confirmation (RFC 7800 section 3.2).
type tokenClaims struct {
	Service string           `json:"sub"`
	User    string           `json:"uid"`
	Device  string           `json:"dev"`
	Confirm confirmation     `json:"cnf"`
	Expires *jwt.NumericDate `json:"exp"`
	Issued  *jwt.NumericDate `json:"iat"`
	ID      string           `json:"jti"`
}

type confirmation struct {
	JWK *jose.JSONWebKey `json:"jwk"`
}

// Issue returns an access token: a JWT, EdDSA, that binds the device's key to
// service, user and device until Now + Lifetime, in whole seconds.
func (a Authority) Issue(r TokenRequest) (string, error) {
	token, err := a.issue(r)
	if err != nil {
		return "", fmt.Errorf("identity: issue token for %s/%s/%s: %w", r.Service, r.User, r.Device, err)
	}
	return token, nil
}

func (a Authority) issue(r TokenRequest) (string, error) {
	if a.Key.secret == nil {
		return "", errors.New("the authority has no key")
	}
	for _, id := range [][2]string{{"service", r.Service}, {"user", r.User}, {"device", r.Device}} {
		if err := validID(id[0], id[1]); err != nil {
			return "", err
		}
	}
	if !usable(r.Key) {
		return "", errors.New("the device's key is no usable Ed25519 public key")
	}
	if r.Lifetime < time.Second {
		return "", fmt.Errorf("lifetime %v is under a second", r.Lifetime)
	}
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	payload, err := json.Marshal(tokenClaims{
		Service: r.Service, User: r.User, Device: r.Device,
		Confirm: confirmation{&jose.JSONWebKey{Key: r.Key}},
		Expires: jwt.NewNumericDate(r.Now.Add(r.Lifetime)),
		Issued:  jwt.NewNumericDate(r.Now),
		ID:      NewID(),
	})
	if err != nil {
		return "", err
	}
	signer, err := newSigner(a.Key, typToken, nil)
	if err != nil {
		return "", err
	}
	return signCompact(signer, payload)
}

// WriteAuthority stores public authority keys at path, for LoadAuthorities:
// PEM, mode 0644, in place of what was there. To roll keys over, write the old
// and the new one until no token of the old one is in use.
func WriteAuthority(path string, keys ...ed25519.PublicKey) error {
	if err := checkAuthorities(keys); err != nil {
		return fmt.Errorf("identity: write authority %s: %w", path, err)
	}
	var out bytes.Buffer
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return fmt.Errorf("identity: write authority %s: %w", path, err)
		}
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	if err := durable.Replace(path, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("identity: write authority %s: %w", path, err)
	}
	return nil
}

// LoadAuthorities reads 1 to MaxAuthorities public keys in PEM. Whoever may
// write this file may admit any device, so it refuses one that its group or
// others may write.
func LoadAuthorities(path string) ([]ed25519.PublicKey, error) {
	data, mode, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("identity: load authority %s: there is none; "+
			"copy the public authority file of your service here: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: load authority %s: %w", path, err)
	}
	if mode&0o022 != 0 {
		return nil, fmt.Errorf("identity: load authority %s: its mode is %04o, so others than its owner may change whom to trust; "+
			"run: chmod go-w %s", path, mode, path)
	}
	keys, err := parseAuthorities(data)
	if err != nil {
		return nil, fmt.Errorf("identity: load authority %s: %w", path, err)
	}
	return keys, nil
}

func parseAuthorities(data []byte) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("found something that is not PEM after %d keys; want Ed25519 public keys only", len(keys))
		}
		data = rest
		if block.Type == "PRIVATE KEY" {
			return nil, errors.New("found a private key; an authority's private key does not belong on a station: put its public file here")
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("found a PEM block of type %.40q; want \"PUBLIC KEY\"", block.Type)
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("key %d is damaged; want an Ed25519 public key", len(keys)+1)
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("key %d is of type %T; want an Ed25519 public key", len(keys)+1, parsed)
		}
		keys = append(keys, key)
	}
	return keys, checkAuthorities(keys)
}

func checkAuthorities(keys []ed25519.PublicKey) error {
	if len(keys) == 0 {
		return errors.New("no authority key; want 1 or more Ed25519 public keys")
	}
	if len(keys) > MaxAuthorities {
		return fmt.Errorf("%d authority keys; at most %d are allowed", len(keys), MaxAuthorities)
	}
	for i, key := range keys {
		if !usable(key) {
			return fmt.Errorf("authority key %d is no usable Ed25519 public key", i+1)
		}
	}
	return nil
}
