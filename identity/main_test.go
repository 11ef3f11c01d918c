package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// built is the build time in these tests: what every clock starts from.
var built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// house is one service with two devices, and whoever checks what they send.
type house struct {
	authority   Authority
	floor       *Floor
	verifier    *Verifier
	door, phone party
}

type party struct {
	addr   Address
	key    Key
	token  string
	sealer *Sealer
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{authority: Authority{mustKey(t)}, floor: OpenFloor("", built, nil)}
	var err error
	if h.verifier, err = NewVerifier([]ed25519.PublicKey{h.authority.Key.Public()}, []string{"home"}, h.floor); err != nil {
		t.Fatal(err)
	}
	h.door = h.newParty(t, Address{"home", "door", "front", "s1"})
	h.phone = h.newParty(t, Address{"home", "anna", "hall", "s2"})
	return h
}

func (h *house) newParty(t testing.TB, addr Address) party {
	t.Helper()
	p := party{addr: addr, key: mustKey(t)}
	p.token = h.issue(t, addr, p.key, built, 24*time.Hour)
	var err error
	if p.sealer, err = NewSealer(p.key, p.token, addr); err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *house) issue(t testing.TB, addr Address, key Key, now time.Time, lifetime time.Duration) string {
	t.Helper()
	token, err := h.authority.Issue(TokenRequest{
		Service: addr.Service, User: addr.User, Device: addr.Device,
		Key: key.Public(), Now: now, Lifetime: lifetime,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (h *house) message() Envelope {
	return Envelope{
		ID: "m1", Call: "c1", Type: "accept", Bind: "n1", To: h.phone.addr,
		Body: json.RawMessage(`{"sdp":"v=0"}`),
	}
}

func mustKey(t testing.TB) Key {
	t.Helper()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// dict is a JSON object that a forger edits.
type dict map[string]any

func (d dict) with(name string, value any) dict {
	d = maps.Clone(d)
	d[name] = value
	return d
}

func (d dict) without(name string) dict {
	d = maps.Clone(d)
	delete(d, name)
	return d
}

// forge writes a compact JWS by hand, so that a test can write what the
// package itself never would. Header and payload are JSON text or a dict.
func forge(header, payload any, sign func(input []byte) []byte) string {
	text := func(v any) []byte {
		if s, ok := v.(string); ok {
			return []byte(s)
		}
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return b
	}
	input := b64(text(header)) + "." + b64(text(payload))
	return input + "." + b64(sign([]byte(input)))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func signWith(key Key) func([]byte) []byte {
	return func(input []byte) []byte { return ed25519.Sign(key.secret(), input) }
}

func jwkOf(key Key) dict {
	return dict{"kty": "OKP", "crv": "Ed25519", "x": b64(key.Public())}
}

func claimsOf(addr Address, key Key) dict {
	return dict{
		"sub": addr.Service, "uid": addr.User, "dev": addr.Device, "jti": "t1",
		"iat": built.Unix(), "exp": built.Add(24 * time.Hour).Unix(),
		"cnf": dict{"jwk": jwkOf(key)},
	}
}

func payloadOf(from, to Address) dict {
	return dict{
		"v": 1, "id": "m1", "call": "c1", "type": "accept", "from": from, "to": to,
		"bind": "n1", "body": dict{"sdp": "v=0"},
	}
}

func wantKind(t *testing.T, err error, want string) {
	t.Helper()
	if got := Kind(err); got != want || err == nil {
		t.Errorf("kind %q, want %q; error: %v", got, want, err)
	}
}

func forgeText(d dict) string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(b)
}
