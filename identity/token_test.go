package identity

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestToken(t *testing.T) {
	h := newHouse(t)
	got, err := h.verifier.VerifyToken(h.door.token)
	if err != nil {
		t.Fatal(err)
	}
	want := Claims{
		Service: "home", User: "door", Device: "front", Key: h.door.key.Public(),
		Issued: built, Expires: built.Add(24 * time.Hour), ID: got.ID,
	}
	if diff := cmp.Diff(want, got); diff != "" || !ValidID(got.ID) {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	described, err := Describe(h.door.token)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Unverified(want), described); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}

	longest := strings.Repeat("x", maxID)
	token := h.issue(t, Address{Service: longest, User: longest, Device: longest}, h.door.key, built, time.Hour)
	wide, err := NewVerifier([]ed25519.PublicKey{h.authority.Key.Public()}, []string{"home", longest}, h.floor)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wide.VerifyToken(token); err != nil {
		t.Errorf("longest ids, %d bytes: %v", len(token), err)
	}
}

// An authority is trusted for its service, and moves the clock for no other.
func TestTokenForAnotherService(t *testing.T) {
	h := newHouse(t)
	issued := built.Add(time.Hour)
	foreign := h.issue(t, Address{Service: "bank", User: "door", Device: "front"}, h.door.key, issued, 24*time.Hour)
	_, err := h.verifier.VerifyToken(foreign)
	if !errors.Is(err, ErrToken) || !strings.Contains(err.Error(), `"bank"`) {
		t.Errorf("got %v, want a refusal that names the service", err)
	}
	if now := h.floor.Now(); !now.Before(issued) {
		t.Errorf("a refused token moved the clock to %v", now)
	}
}

// What other issuers may add is no reason to refuse a token.
func TestTokenOfAnotherIssuer(t *testing.T) {
	h := newHouse(t)
	claims := claimsOf(h.door.addr, h.door.key).with("iss", "https://example.org").with("nbf", built.AddDate(50, 0, 0).Unix()).
		with("exp", float64(built.Add(time.Hour).Unix())+0.5)
	token := forge(dict{"alg": "EdDSA", "typ": "JWT", "kid": "k1"}, claims, signWith(h.authority.Key))
	if _, err := h.verifier.VerifyToken(token); err != nil {
		t.Error(err)
	}
}

func TestTokenForgeries(t *testing.T) {
	h := newHouse(t)
	var (
		header    = dict{"alg": "EdDSA", "typ": "JWT"}
		claims    = claimsOf(h.door.addr, h.door.key)
		authority = signWith(h.authority.Key)
		attacker  = mustKey(t)
		hs256     = func(input []byte) []byte {
			mac := hmac.New(sha256.New, h.authority.Key.Public())
			mac.Write(input)
			return mac.Sum(nil)
		}
		nothing = func([]byte) []byte { return nil }
	)
	if _, err := h.verifier.VerifyToken(forge(header, claims, authority)); err != nil {
		t.Fatal("the token that the forgeries start from: ", err)
	}
	genuine := strings.Split(h.door.token, ".")
	edited := b64([]byte(strings.Replace(forgeText(claims), "door", "anna", 1)))
	privateJWK := jwkOf(h.door.key).with("d", b64(h.door.key.secret().Seed()))

	for name, token := range map[string]string{
		"empty":                      "",
		"no JWS":                     "hello",
		"two parts":                  genuine[0] + "." + genuine[1],
		"alg none":                   forge(header.with("alg", "none"), claims, nothing),
		"alg None":                   forge(header.with("alg", "None"), claims, nothing),
		"no alg":                     forge(header.without("alg"), claims, authority),
		"alg twice":                  forge(`{"alg":"none","alg":"EdDSA","typ":"JWT"}`, claims, authority),
		"no signature":               forge(header, claims, nothing),
		"HS256 with the public key":  forge(header.with("alg", "HS256"), claims, hs256),
		"EdDSA with an HMAC":         forge(header, claims, hs256),
		"another authority":          forge(header, claims, signWith(attacker)),
		"signed by the device":       forge(header, claims, signWith(h.door.key)),
		"embedded key":               forge(header.with("jwk", jwkOf(attacker)), claims, signWith(attacker)),
		"embedded key, genuine":      forge(header.with("jwk", jwkOf(h.authority.Key)), claims, authority),
		"key by URL":                 forge(header.with("jku", "https://example.org"), claims, authority),
		"crit":                       forge(header.with("crit", []string{"exp"}).with("exp", 1), claims, authority),
		"crit b64":                   forge(header.with("crit", []string{"b64"}).with("b64", false), claims, authority),
		"b64":                        forge(header.with("b64", false), claims, authority),
		"typ of an envelope":         forge(header.with("typ", typEnvelope), claims, authority),
		"no typ":                     forge(header.without("typ"), claims, authority),
		"edited payload":             genuine[0] + "." + edited + "." + genuine[2],
		"another token's signature":  strings.Join(append(genuine[:2:2], strings.Split(h.phone.token, ".")[2]), "."),
		"line break":                 h.door.token[:10] + "\n" + h.door.token[10:],
		"padding":                    h.door.token + "==",
		"no sub":                     forge(header, claims.without("sub"), authority),
		"no uid":                     forge(header, claims.without("uid"), authority),
		"no dev":                     forge(header, claims.without("dev"), authority),
		"no exp":                     forge(header, claims.without("exp"), authority),
		"no iat":                     forge(header, claims.without("iat"), authority),
		"no jti":                     forge(header, claims.without("jti"), authority),
		"no cnf":                     forge(header, claims.without("cnf"), authority),
		"empty cnf":                  forge(header, claims.with("cnf", dict{}), authority),
		"cnf by thumbprint":          forge(header, claims.with("cnf", dict{"jkt": "x"}), authority),
		"cnf with a symmetric key":   forge(header, claims.with("cnf", dict{"jwk": dict{"kty": "oct", "k": "AAAA"}}), authority),
		"cnf with a private key":     forge(header, claims.with("cnf", dict{"jwk": privateJWK}), authority),
		"cnf with a weak key":        forge(header, claims.with("cnf", dict{"jwk": jwkOf(attacker).with("x", b64(make([]byte, 32)))}), authority),
		"exp is text":                forge(header, claims.with("exp", "never"), authority),
		"exp is null":                forge(header, claims.with("exp", nil), authority),
		"exp is huge":                forge(header, claims.with("exp", 1e300), authority),
		"exp is after the year 9999": forge(header, claims.with("exp", maxTime+1), authority),
		"exp is 0":                   forge(header, claims.with("exp", 0), authority),
		"iat is negative":            forge(header, claims.with("iat", -1), authority),
		"uid is no id":               forge(header, claims.with("uid", "a/b"), authority),
		"dev is too long":            forge(header, claims.with("dev", strings.Repeat("x", maxID+1)), authority),
		"jti is too long":            forge(header, claims.with("jti", strings.Repeat("x", maxJTI+1)), authority),
		"uid twice":                  forge(header, `{"uid":"anna",`+forgeText(claims)[1:], authority),
		"UID":                        forge(header, claims.without("uid").with("UID", "door"), authority),
		"trailing JSON":              forge(header, forgeText(claims)+"{}", authority),
		"too large":                  forge(header, claims.with("x", strings.Repeat("x", MaxToken)), authority),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.verifier.VerifyToken(token)
			wantKind(t, err, "token")
			if _, err := h.verifier.VerifyToken(token); err == nil {
				t.Error("accepted the second time")
			}
		})
	}
}

func TestTokenRollOver(t *testing.T) {
	h := newHouse(t)
	next := Authority{mustKey(t)}
	both, err := NewVerifier([]ed25519.PublicKey{next.Key.Public(), h.authority.Key.Public()}, []string{"home"}, h.floor)
	if err != nil {
		t.Fatal(err)
	}
	token, err := next.Issue(TokenRequest{Service: "home", User: "anna", Device: "hall", Key: h.phone.key.Public(), Now: built, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{h.phone.token, token} {
		if _, err := both.VerifyToken(token); err != nil {
			t.Error(err)
		}
	}
	_, err = h.verifier.VerifyToken(token)
	wantKind(t, err, "token")
}

func TestNewVerifierRefuses(t *testing.T) {
	h := newHouse(t)
	good := []ed25519.PublicKey{h.authority.Key.Public()}
	for name, err := range map[string]error{
		"no key":      second(NewVerifier(nil, []string{"home"}, h.floor)),
		"bad key":     second(NewVerifier([]ed25519.PublicKey{nil}, []string{"home"}, h.floor)),
		"no floor":    second(NewVerifier(good, []string{"home"}, nil)),
		"no service":  second(NewVerifier(good, nil, h.floor)),
		"bad service": second(NewVerifier(good, []string{".."}, h.floor)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second(_ *Verifier, err error) error { return err }

func TestVerifyOwn(t *testing.T) {
	h := newHouse(t)
	if _, err := h.verifier.VerifyOwn(h.door.token, h.door.key, h.door.addr); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		key  Key
		addr Address
	}{
		"sub (service)": {h.door.key, Address{Service: "other", User: "door", Device: "front"}},
		"uid (user)":    {h.door.key, Address{Service: "home", User: "anna", Device: "front"}},
		"dev (device)":  {h.door.key, Address{Service: "home", User: "door", Device: "back"}},
		"cnf (key)":     {h.phone.key, h.door.addr},
	} {
		_, err := h.verifier.VerifyOwn(h.door.token, c.key, c.addr)
		wantKind(t, err, "token")
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want it to name %s", err, want)
		}
	}
	_, err := h.verifier.VerifyOwn(h.door.token, Key{}, h.door.addr)
	wantKind(t, err, "token")
	h.floor.NoteTrusted(built.AddDate(1, 0, 0))
	_, err = h.verifier.VerifyOwn(h.door.token, h.door.key, h.door.addr)
	wantKind(t, err, "expired")
}

func TestTokenExpiry(t *testing.T) {
	h := newHouse(t)
	// A frozen floor: run time stands still.
	h.floor.src.elapsed = func() time.Duration { return 0 }
	h.floor.src.system = func() (time.Time, bool) { return time.Time{}, false }
	end := built.Add(24 * time.Hour)

	h.floor.NoteTrusted(end.Add(-time.Second))
	for range 2 { // the second time from the cache
		if _, err := h.verifier.VerifyToken(h.door.token); err != nil {
			t.Errorf("a second before the end: %v", err)
		}
	}
	h.floor.NoteTrusted(end)
	for range 2 {
		_, err := h.verifier.VerifyToken(h.door.token)
		wantKind(t, err, "expired")
	}
}

// A later token shows that it is at least its time of issue.
func TestTokenMovesFloor(t *testing.T) {
	h := newHouse(t)
	late := h.issue(t, h.phone.addr, h.phone.key, built.Add(48*time.Hour), time.Hour)
	attacker := &house{authority: Authority{mustKey(t)}}
	future := attacker.issue(t, h.phone.addr, h.phone.key, built.AddDate(9, 0, 0), time.Hour)

	_, err := h.verifier.VerifyToken(future)
	wantKind(t, err, "token")
	if _, err := h.verifier.VerifyToken(h.door.token); err != nil {
		t.Errorf("a token that nobody known signed moved the floor: %v", err)
	}
	if _, err := h.verifier.VerifyToken(late); err != nil {
		t.Errorf("a token issued after the floor: %v", err)
	}
	_, err = h.verifier.VerifyToken(h.door.token)
	wantKind(t, err, "expired")
}

func TestTokenCacheIsBounded(t *testing.T) {
	h := newHouse(t)
	tokens := make([]string, maxCached+1)
	for i := range tokens {
		tokens[i] = forge(dict{"alg": "EdDSA", "typ": "JWT"}, claimsOf(h.door.addr, h.door.key).with("jti", fmt.Sprint(i)), signWith(h.authority.Key))
	}
	verify := func(i int) {
		t.Helper()
		if _, err := h.verifier.VerifyToken(tokens[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxCached {
		verify(i)
	}
	verify(0)         // used again: now the second is the oldest
	verify(maxCached) // one too many
	v := h.verifier
	if len(v.cached) != maxCached || v.recent.Len() != maxCached {
		t.Fatalf("cache holds %d and lists %d tokens, want %d", len(v.cached), v.recent.Len(), maxCached)
	}
	_, first := v.cached[tokens[0]]
	_, oldest := v.cached[tokens[1]]
	if !first || oldest {
		t.Errorf("latest used is kept: %v, oldest is kept: %v", first, oldest)
	}
}
