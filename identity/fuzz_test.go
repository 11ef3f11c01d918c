package identity

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func FuzzOpen(f *testing.F) {
	h := newHouse(f)
	sealed, err := h.door.sealer.Seal(h.message())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte("a.b.c"))
	f.Add([]byte(h.door.token))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := h.verifier.Open(data)
		if err != nil {
			if Kind(err) == "" {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		// Who has no key can only repeat what was signed.
		if e.ID != "m1" || e.From != h.door.addr {
			t.Errorf("opened a forgery: %+v", e)
		}
	})
}

// FuzzPayload signs what it is given: the sender is known, but may be hostile.
func FuzzPayload(f *testing.F) {
	h := newHouse(f)
	f.Add(forgeText(payloadOf(h.door.addr, h.phone.addr)))
	f.Add(`{"v":2}`)
	f.Fuzz(func(t *testing.T, payload string) {
		header := dict{"alg": "EdDSA", "typ": typEnvelope, "tok": h.door.token}
		e, err := h.verifier.Open([]byte(forge(header, payload, signWith(h.door.key))))
		if err != nil {
			if Kind(err) == "" {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if e.From.User != "door" || e.From.Device != "front" || e.V != Version || e.validate() != nil {
			t.Errorf("opened %+v", e)
		}
		if _, err := h.door.sealer.Seal(e); err != nil && Kind(err) != "oversized" {
			t.Errorf("what opens can not be sealed: %v", err)
		}
	})
}

func FuzzVerifyToken(f *testing.F) {
	h := newHouse(f)
	f.Add(h.door.token, forgeText(claimsOf(h.door.addr, h.door.key)))
	f.Fuzz(func(t *testing.T, token, payload string) {
		if c, err := h.verifier.VerifyToken(token); err == nil && c.User != "door" && c.User != "anna" {
			t.Errorf("verified a forgery: %+v", c)
		} else if err != nil && Kind(err) == "" {
			t.Errorf("an error of no kind: %v", err)
		}
		// What an authority may have signed must be complete.
		c, err := parseClaims([]byte(payload))
		if err != nil {
			if Kind(err) != "token" {
				t.Errorf("kind %q: %v", Kind(err), err)
			}
			return
		}
		if !ValidID(c.Service) || !ValidID(c.User) || !ValidID(c.Device) || c.ID == "" || !usable(c.Key) ||
			c.Expires.Year() > 9999 || c.Issued.IsZero() {
			t.Errorf("accepted %+v", c)
		}
	})
}

func FuzzKeyFiles(f *testing.F) {
	dir := f.TempDir()
	if _, err := CreateKey(filepath.Join(dir, "key")); err != nil {
		f.Fatal(err)
	}
	if err := WriteAuthority(filepath.Join(dir, "pub"), mustKey(f).Public(), mustKey(f).Public()); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"key", "pub"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		block, _ := pem.Decode(data)
		f.Add(block.Bytes)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// As a file, and as the DER inside a well-formed file.
		for _, data := range [][]byte{
			data,
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: data}),
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: data}),
		} {
			if key, err := parseKey(data); err == nil && !usable(key.Public()) {
				t.Error("accepted an unusable private key")
			}
			if keys, err := parseAuthorities(data); err == nil && checkAuthorities(keys) != nil {
				t.Error("accepted unusable authorities")
			}
		}
	})
}

func FuzzFloorFile(f *testing.F) {
	f.Add(string(formatFloor(built)))
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		got, err := parseFloor(line)
		if err == nil && string(formatFloor(got)) != line {
			t.Errorf("read %s from %q", got.Format(time.RFC3339Nano), line)
		}
	})
}
