package identity

import (
	"container/list"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

// MaxToken is the largest access token, in bytes. One with the longest ids is
// about 800; the rest is room for an authority's own claims.
const MaxToken = 2 << 10

const (
	maxCached = 256 // verified tokens: more than the devices of one house
	maxJTI    = 128 // bytes; a UUID has 36

	// maxTime is the last second of the year 9999, which RFC 3339 can write.
	maxTime = 253402300799
)

// Claims is what an authority says in an access token: until Expires, who
// signs with Key is this device of this user. Claims from a Verifier are
// verified.
type Claims struct {
	Service, User, Device string
	Key                   ed25519.PublicKey
	Issued, Expires       time.Time
	ID                    string
}

// Verifier checks access tokens and opens envelopes. Any goroutine may use it.
type Verifier struct {
	authorities []ed25519.PublicKey
	services    []string // that they may sign for
	floor       *Floor

	mu     sync.Mutex
	cached map[string]*list.Element // by token
	recent list.List                // of cacheEntry, latest use first
}

type cacheEntry struct {
	token  string
	claims Claims
}

// NewVerifier makes a Verifier that trusts tokens signed by any of 1 to
// MaxAuthorities keys, for the given services only, and checks their expiry
// against floor. An authority can sign anything: what it says of a service that
// nobody trusts it with here is refused.
func NewVerifier(authorities []ed25519.PublicKey, services []string, floor *Floor) (*Verifier, error) {
	if err := checkAuthorities(authorities); err != nil {
		return nil, fmt.Errorf("identity: make verifier: %w", err)
	}
	if len(services) == 0 {
		return nil, errors.New("identity: make verifier: no service that the authorities may sign for")
	}
	for _, service := range services {
		if err := validID("service", service); err != nil {
			return nil, fmt.Errorf("identity: make verifier: %w", err)
		}
	}
	if floor == nil {
		return nil, errors.New("identity: make verifier: no clock floor")
	}
	return &Verifier{
		authorities: slices.Clone(authorities),
		services:    slices.Clone(services),
		floor:       floor,
		cached:      make(map[string]*list.Element),
	}, nil
}

// VerifyToken returns the claims of a token that a known authority signed,
// that is complete, for a service that it may sign for, and that has not expired
// at the clock floor; the error is
// ErrToken or ErrExpired. Neither iat nor nbf refuses a token, since a board
// without a clock boots in 1970; iat moves the floor forward.
func (v *Verifier) VerifyToken(token string) (Claims, error) {
	claims, err := v.verifyToken(token)
	if err != nil {
		return Claims{}, fmt.Errorf("identity: %w", err)
	}
	return claims, nil
}

func (v *Verifier) verifyToken(token string) (Claims, error) {
	claims, ok := v.lookUp(token)
	if !ok {
		parsed, err := parseToken(token)
		if err != nil {
			return Claims{}, err
		}
		payload, err := v.authenticate(parsed)
		if err != nil {
			return Claims{}, err
		}
		claims, err = parseClaims(payload)
		if err != nil {
			return Claims{}, err
		}
		if !slices.Contains(v.services, claims.Service) {
			return Claims{}, fmt.Errorf("%w: it is for service %q, and the authorities known here may sign for %q only",
				ErrToken, claims.Service, v.services)
		}
		v.floor.NoteTrusted(claims.Issued)
		v.remember(token, claims)
	}
	if now := v.floor.Now(); !now.Before(claims.Expires) {
		return Claims{}, fmt.Errorf("%w: token %.128q of %s/%s/%s ended %s, it is %s or later; issue a new one",
			ErrExpired, claims.ID, claims.Service, claims.User, claims.Device,
			claims.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return claims, nil
}

// VerifyOwn checks at start that a station's own token is valid and is for
// this station: its key and its service, user and device. The error says which
// claim does not match.
func (v *Verifier) VerifyOwn(token string, key Key, own Address) (Claims, error) {
	claims, err := v.verifyToken(token)
	if err != nil {
		return Claims{}, fmt.Errorf("identity: own token: %w", err)
	}
	for _, c := range []struct{ name, got, want string }{
		{"sub (service)", claims.Service, own.Service},
		{"uid (user)", claims.User, own.User},
		{"dev (device)", claims.Device, own.Device},
		{"cnf (key)", Thumbprint(claims.Key), key.Thumbprint()},
	} {
		if c.got != c.want {
			return Claims{}, fmt.Errorf("identity: own token: %w: claim %s is %q, this station's is %q; "+
				"put its own token here or issue a new one", ErrToken, c.name, c.got, c.want)
		}
	}
	return claims, nil
}

// Unverified is what a token claims; anyone may have written it.
type Unverified Claims

// Describe decodes a token for a person to look at. It checks no signature and
// no expiry: never decide anything by it.
func Describe(token string) (Unverified, error) {
	parsed, err := parseToken(token)
	if err != nil {
		return Unverified{}, fmt.Errorf("identity: describe token: %w", err)
	}
	claims, err := parseClaims(parsed.jws.UnsafePayloadWithoutVerification())
	if err != nil {
		return Unverified{}, fmt.Errorf("identity: describe token: %w", err)
	}
	return Unverified(claims), nil
}

func parseToken(token string) (unverified, error) {
	parsed, err := parseCompact(token, MaxToken, typToken)
	if err != nil {
		return unverified{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return parsed, nil
}

func (v *Verifier) authenticate(parsed unverified) ([]byte, error) {
	for _, authority := range v.authorities {
		if payload, err := parsed.jws.Verify(authority); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("%w: %w: none of the %d authorities known here signed it",
		ErrToken, ErrSignature, len(v.authorities))
}

func parseClaims(payload []byte) (Claims, error) {
	var t tokenClaims
	// This decoder refuses repeated names, and names in the wrong case.
	if err := json.Unmarshal(payload, &t); err != nil {
		return Claims{}, fmt.Errorf("%w: %w: %.200s", ErrToken, ErrMalformed, err)
	}
	for _, id := range [][2]string{{"sub (service)", t.Service}, {"uid (user)", t.User}, {"dev (device)", t.Device}} {
		if err := validID("claim "+id[0], id[1]); err != nil {
			return Claims{}, fmt.Errorf("%w: %w: %w", ErrToken, ErrMalformed, err)
		}
	}
	if len(t.ID) == 0 || len(t.ID) > maxJTI {
		return Claims{}, fmt.Errorf("%w: %w: claim jti has %d bytes, want 1 to %d", ErrToken, ErrMalformed, len(t.ID), maxJTI)
	}
	if !validTime(t.Expires) || !validTime(t.Issued) {
		return Claims{}, fmt.Errorf("%w: %w: claims exp and iat are needed, in seconds since 1970", ErrToken, ErrMalformed)
	}
	if t.Confirm.JWK == nil {
		return Claims{}, fmt.Errorf("%w: %w: claim cnf.jwk is missing", ErrToken, ErrMalformed)
	}
	key, ok := t.Confirm.JWK.Key.(ed25519.PublicKey) // the decoder has refused weak ones
	if !ok {
		return Claims{}, fmt.Errorf("%w: %w: claim cnf.jwk is no usable Ed25519 public key", ErrToken, ErrMalformed)
	}
	return Claims{
		Service: t.Service, User: t.User, Device: t.Device,
		Key:    key,
		Issued: t.Issued.Time().UTC(), Expires: t.Expires.Time().UTC(),
		ID: t.ID,
	}, nil
}

func validTime(d *jwt.NumericDate) bool { return d != nil && *d > 0 && *d <= maxTime }

func (v *Verifier) lookUp(token string) (Claims, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e, ok := v.cached[token]
	if !ok {
		return Claims{}, false
	}
	v.recent.MoveToFront(e)
	return e.Value.(cacheEntry).claims, true
}

// remember keeps a token whose signature and claims were verified; its expiry
// is checked at each use.
func (v *Verifier) remember(token string, claims Claims) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.cached[token]; ok {
		return // another goroutine was quicker
	}
	v.cached[token] = v.recent.PushFront(cacheEntry{token, claims})
	if v.recent.Len() > maxCached {
		delete(v.cached, v.recent.Remove(v.recent.Back()).(cacheEntry).token)
	}
}
