package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.key")
	made, err := CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %04o, want 0600", got)
	}
	read, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if !read.Public().Equal(made.Public()) {
		t.Error("the key read is not the key made")
	}

	before, _ := os.ReadFile(path)
	if _, err := CreateKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second CreateKey: %v, want fs.ErrExist", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("second CreateKey changed the file")
	}
	left, _ := os.ReadDir(filepath.Dir(path))
	if len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
}

func TestLoadKeyModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.key")
	if _, err := CreateKey(path); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true,
		0o640: false, 0o604: false, 0o620: false, 0o602: false, 0o610: false, 0o644: false,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKey(path)
		if ok && err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if !ok && (err == nil || !strings.Contains(err.Error(), "chmod 600 "+path)) {
			t.Errorf("mode %04o: %v, want the remedy chmod 600", mode, err)
		}
	}
}

func TestLoadKeyErrors(t *testing.T) {
	dir := t.TempDir()
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, _ := x509.MarshalPKCS8PrivateKey(ec)
	key := mustKey(t)
	der, _ := x509.MarshalPKCS8PrivateKey(key.secret())
	pub, _ := x509.MarshalPKIXPublicKey(key.Public())

	for name, c := range map[string]struct{ content, want string }{
		"empty":       {"", "no PEM block"},
		"not PEM":     {"hello", "no PEM block"},
		"public half": {encode("PUBLIC KEY", pub), `"PUBLIC KEY"`},
		"encrypted":   {encode("ENCRYPTED PRIVATE KEY", der), `"ENCRYPTED PRIVATE KEY"`},
		"EC":          {encode("PRIVATE KEY", ecDER), "*ecdsa.PrivateKey"},
		"truncated":   {encode("PRIVATE KEY", der[:len(der)-1]), "damaged"},
		"two keys":    {encode("PRIVATE KEY", der) + encode("PRIVATE KEY", der), "more after the first"},
		"huge":        {strings.Repeat("x", maxFile+1), "larger than"},
	} {
		path := filepath.Join(dir, "key")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %s", name, err, c.want)
		}
	}
	_, err = LoadKey(filepath.Join(dir, "none"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "intercom key make") {
		t.Errorf("missing: %v", err)
	}
	if _, err = LoadKey(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestThumbprint(t *testing.T) {
	// The key and its thumbprint in RFC 8037 appendix A.3.
	public, _ := hex.DecodeString("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if got, want := Thumbprint(ed25519.PublicKey(public)), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKeyShowsNoSecret(t *testing.T) {
	key := mustKey(t)
	type holder struct{ key Key }
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
		fmt.Fprintf(&out, verb+"\n", key)
		fmt.Fprintf(&out, verb+"\n", &key)
		fmt.Fprintf(&out, verb+"\n", holder{key})
		fmt.Fprintf(&out, verb+"\n", Authority{key})
		fmt.Fprintf(&out, verb+"\n", []Key{key})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", key, "holder", holder{key}, "authority", Authority{key})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", key, "authority", Authority{key})
	text, _ := json.Marshal(Authority{key})
	out.Write(text)

	seed := key.secret().Seed()
	decimal := strings.Trim(fmt.Sprint(seed[:4]), "[]")
	for _, secret := range []string{hex.EncodeToString(seed[:4]), strings.ToUpper(hex.EncodeToString(seed[:4])), decimal, b64(seed[:6])} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the secret is shown as %s", secret)
		}
	}
	if got := fmt.Sprintf("%d %v", key, key); got != key.Thumbprint()+" "+key.Thumbprint() {
		t.Errorf("printed %q, want the thumbprint", got)
	}
	if got := fmt.Sprint(Key{}); got != "" {
		t.Errorf("the zero Key prints %q", got)
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, "A.b_c-9": true, strings.Repeat("x", 64): true, NewID(): true,
		"": false, ".": false, "..": false, "...": true, strings.Repeat("x", 65): false, "a b": false, "a/b": false, "a+": false, "#": false, "é": false, "a\x00": false,
	} {
		if got := ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v, want %v", id, got, want)
		}
	}
	if a, b := NewID(), NewID(); a == b || len(a) != 32 {
		t.Errorf("NewID: %s, then %s", a, b)
	}
}
