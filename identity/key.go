package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"intercom/internal/durable"
)

// Key is the Ed25519 private key of a device or of an authority. Printing or
// logging it, in any way, shows the thumbprint of its public half. The zero
// Key is refused wherever a key is needed. A Key may be copied and used from
// any goroutine.
type Key struct {
	// A function, so that printing a struct with a Key in an unexported field
	// shows an address: there fmt calls no method of Key, and it would follow
	// a pointer (for %s, into the struct behind it).
	secret func() ed25519.PrivateKey
}

func newKey(private ed25519.PrivateKey) Key {
	return Key{func() ed25519.PrivateKey { return private }}
}

// GenerateKey makes a new key in memory only.
func GenerateKey() (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("identity: make key: %w", err)
	}
	return newKey(private), nil
}

// CreateKey makes a new key and stores it at path: PKCS#8 in PEM (RFC 5958,
// RFC 8410), mode 0600, whole or not at all. It never replaces a file: the
// error is then fs.ErrExist.
func CreateKey(path string) (Key, error) {
	key, err := GenerateKey()
	if err != nil {
		return Key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.secret())
	if err != nil {
		return Key{}, fmt.Errorf("identity: create key %s: %w", path, err)
	}
	err = durable.Create(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return Key{}, fmt.Errorf("identity: create key %s: a file is there already and is never overwritten; "+
			"to use a new key, move it away first and ask for a new access token: %w", path, fs.ErrExist)
	}
	if err != nil {
		return Key{}, fmt.Errorf("identity: create key %s: %w", path, err)
	}
	return key, nil
}

// LoadKey reads a key that CreateKey, or `openssl genpkey -algorithm ed25519`,
// has stored. It refuses a file that the file's group or others may read,
// write or run, and says what to do about each kind of failure.
func LoadKey(path string) (Key, error) {
	data, mode, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("identity: load key %s: there is none; \"intercom key make\" makes one: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return Key{}, fmt.Errorf("identity: load key %s: %w", path, err)
	}
	if mode&0o077 != 0 {
		return Key{}, fmt.Errorf("identity: load key %s: its mode is %04o, so others than its owner may use the key; "+
			"run: chmod 600 %s", path, mode, path)
	}
	key, err := parseKey(data)
	if err != nil {
		return Key{}, fmt.Errorf("identity: load key %s: %w", path, err)
	}
	return key, nil
}

func parseKey(data []byte) (Key, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return Key{}, errors.New("found no PEM block; want an Ed25519 private key (PKCS#8)")
	}
	if block.Type != "PRIVATE KEY" {
		return Key{}, fmt.Errorf("found a PEM block of type %.40q; want \"PRIVATE KEY\" with an Ed25519 key (PKCS#8)", block.Type)
	}
	if strings.TrimSpace(string(rest)) != "" {
		return Key{}, errors.New("found more after the first PEM block; want one key and nothing else")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, errors.New("found a damaged private key; want an Ed25519 key (PKCS#8)")
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, fmt.Errorf("found a key of type %T; want an Ed25519 key", parsed)
	}
	return newKey(private), nil
}

// Public is the key's public half, nil for the zero Key.
func (k Key) Public() ed25519.PublicKey {
	if k.secret == nil {
		return nil
	}
	return k.secret().Public().(ed25519.PublicKey)
}

// Thumbprint names the key: Thumbprint of its public half. It is "" for the
// zero Key.
func (k Key) Thumbprint() string {
	if k.secret == nil {
		return ""
	}
	return Thumbprint(k.Public())
}

// String is the thumbprint.
func (k Key) String() string { return k.Thumbprint() }

// Format prints the thumbprint for every verb: none prints the secret.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.Thumbprint()) }

// LogValue logs the thumbprint.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.Thumbprint()) }

// usable reports whether key has the right length and is none of the weak
// (low-order) points, for which anyone can make signatures.
func usable(key ed25519.PublicKey) bool {
	_, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	return err == nil
}

// Thumbprint is the JWK thumbprint of a public key (RFC 7638 section 3, RFC
// 8037 section 2): SHA-256, base64url, 43 characters.
func Thumbprint(key ed25519.PublicKey) string {
	encode := base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + encode(key) + `"}`))
	return encode(sum[:])
}
