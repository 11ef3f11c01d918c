package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercom/identity"
)

// TestTokenOfALateClock: a token counts from the clock, or from the build where
// the clock is behind that, and is good at a station of the same build.
func TestTokenOfALateClock(t *testing.T) {
	dir := t.TempDir()
	authority, err := identity.CreateKey(filepath.Join(dir, "authority.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.CreateKey(filepath.Join(dir, "device.key")); err != nil {
		t.Fatal(err)
	}
	built := time.Date(2100, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name             string
		clock, build, at time.Time
	}{
		{"a board in 1970", time.Unix(100, 0), built, built},
		{"an hour behind", built.Add(-time.Hour), built, built},
		{"a clock that goes right", built.AddDate(1, 0, 0), built, built.AddDate(1, 0, 0)},
		{"a build of unknown time", built, time.Time{}, built},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "device.token")
			code, _, errs := runAt(t, func() time.Time { return tc.clock }, build{Time: tc.build}, "token", "issue", "--lifetime", "30m",
				"--authority", filepath.Join(dir, "authority.key"), "--key", filepath.Join(dir, "device.key"),
				"--service", "house", "--user", "home", "--device", "kitchen", "--out", file)
			if code != exitOK {
				t.Fatal(errs)
			}
			token, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			floor := identity.OpenFloor("", tc.build, nil)
			verifier, err := identity.NewVerifier([]ed25519.PublicKey{authority.Public()}, []string{"house"}, floor)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := verifier.VerifyToken(strings.TrimSpace(string(token)))
			if err != nil || !claims.Issued.Equal(tc.at) || !claims.Expires.Equal(tc.at.Add(30*time.Minute)) {
				t.Errorf("issued %v, ends %v, %v; want it to count from %v", claims.Issued, claims.Expires, err, tc.at)
			}
		})
	}
}

// TestDemoOfALateClock: the house works on a machine whose clock is far behind
// the program's build.
func TestDemoOfALateClock(t *testing.T) {
	b := build{Time: time.Now().AddDate(5, 0, 0).Truncate(time.Second)}
	t.Setenv(builtAt, b.Time.Format(time.RFC3339))
	if code, out, errs := runAt(t, time.Now, b, "demo", "--once", "--json"); code != exitOK {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
}
