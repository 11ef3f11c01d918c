package identity

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAuthorityFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authority.pem")
	old, next := mustKey(t).Public(), mustKey(t).Public()
	for _, want := range [][]ed25519.PublicKey{{old}, {old, next}, {next}} {
		if err := WriteAuthority(path, want...); err != nil {
			t.Fatal(err)
		}
		got, err := LoadAuthorities(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("authorities (-want +got):\n%s", diff)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
	for _, mode := range []fs.FileMode{0o664, 0o646} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadAuthorities(path); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("mode %04o: %v, want the remedy chmod go-w", mode, err)
		}
	}
}

func TestAuthorityFileErrors(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "private")
	if _, err := CreateKey(private); err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(dir, "public")
	if err := WriteAuthority(public, mustKey(t).Public()); err != nil {
		t.Fatal(err)
	}
	one, _ := os.ReadFile(public)
	for name, c := range map[string]struct{ content, want string }{
		"empty":    {"", "no authority key"},
		"garbage":  {"hello", "not PEM"},
		"trailing": {string(one) + "hello", "after 1 keys"},
		"too many": {strings.Repeat(string(one), MaxAuthorities+1), "at most 8"},
		"other":    {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "CERTIFICATE"},
		"damaged":  {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "damaged"},
	} {
		path := filepath.Join(dir, "bad")
		if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadAuthorities(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %s", name, err, c.want)
		}
	}
	if _, err := LoadAuthorities(private); err == nil || !strings.Contains(err.Error(), "private key") {
		t.Errorf("private key: %v", err)
	}
	if _, err := LoadAuthorities(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := WriteAuthority(public); err == nil {
		t.Error("wrote no key at all")
	}
	if err := WriteAuthority(public, make(ed25519.PublicKey, 32)); err == nil {
		t.Error("wrote a weak key (all zero), with which anyone can sign")
	}
}

func TestIssueRefuses(t *testing.T) {
	good := TokenRequest{Service: "home", User: "anna", Device: "hall", Key: mustKey(t).Public(), Now: built, Lifetime: time.Hour}
	authority := Authority{mustKey(t)}
	if _, err := authority.Issue(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*TokenRequest){
		"no service":  func(r *TokenRequest) { r.Service = "" },
		"bad user":    func(r *TokenRequest) { r.User = "a/b" },
		"no device":   func(r *TokenRequest) { r.Device = "" },
		"no key":      func(r *TokenRequest) { r.Key = nil },
		"short key":   func(r *TokenRequest) { r.Key = r.Key[:31] },
		"weak key":    func(r *TokenRequest) { r.Key = make(ed25519.PublicKey, 32) },
		"no lifetime": func(r *TokenRequest) { r.Lifetime = 0 },
	} {
		bad := good
		edit(&bad)
		if _, err := authority.Issue(bad); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if _, err := (Authority{}).Issue(good); err == nil {
		t.Error("an authority without a key issued a token")
	}
}

// TestEnrol: what is made is what a station loads, and nothing is replaced.
func TestEnrol(t *testing.T) {
	authority := Authority{mustKey(t)}
	dir := filepath.Join(t.TempDir(), "kitchen")
	own := Address{Service: "home", User: "anna", Device: "kitchen"}
	r := TokenRequest{Service: own.Service, User: own.User, Device: own.Device, Now: built, Lifetime: time.Hour}
	if err := authority.Enrol(dir, r); err != nil {
		t.Fatal(err)
	}
	key, err := LoadKey(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := LoadAuthorities(filepath.Join(dir, AuthorityFile))
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(dir, TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(trusted, []string{"home"}, OpenFloor("", built, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.VerifyOwn(strings.TrimSpace(string(token)), key, own); err != nil {
		t.Error(err)
	}
	if err := authority.Enrol(dir, r); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again in the same folder: %v, want fs.ErrExist", err)
	}
}
