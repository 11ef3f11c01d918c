package identity

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// maxID is the longest service, user, device, session, call or message id, in
// characters (the call model's rule for ids).
const maxID = 64

// Address names a party of a call. Session is one life of the device's
// process, so that two processes of one board are told apart.
type Address struct {
	Service string `json:"service"`
	User    string `json:"user"`
	Device  string `json:"device,omitempty"`
	Session string `json:"session,omitempty"`
}

// Validate returns an error that names the first part that is no valid id.
// All four parts are needed: this is the address of a sender.
func (a Address) Validate() error {
	if err := a.ValidateUser(); err != nil {
		return err
	}
	if err := validID("device", a.Device); err != nil {
		return err
	}
	return validID("session", a.Session)
}

// ValidateUser is Validate for an addressee, who may be a whole user (no
// device, no session) or any process of one device (no session).
func (a Address) ValidateUser() error {
	if err := validID("service", a.Service); err != nil {
		return err
	}
	if err := validID("user", a.User); err != nil {
		return err
	}
	if a.Device == "" && a.Session != "" {
		return fmt.Errorf("session %.80q without a device", a.Session)
	}
	if a.Device != "" {
		if err := validID("device", a.Device); err != nil {
			return err
		}
	}
	if a.Session != "" {
		return validID("session", a.Session)
	}
	return nil
}

// String is service/user/device/session, for logs; parts left out are left out.
func (a Address) String() string {
	s := a.Service + "/" + a.User
	if a.Device != "" {
		s += "/" + a.Device
	}
	if a.Session != "" {
		s += "/" + a.Session
	}
	return s
}

// ValidID reports whether s is 1 to 64 characters of a-z A-Z 0-9 . _ -. The names
// that file systems keep for themselves, "." and "..", are no ids, so that an id
// as a file's name stays in its folder.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > maxID || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

func validID(what, s string) error {
	if !ValidID(s) {
		return fmt.Errorf("%s %.80q is no id: an id is 1 to 64 characters of a-z A-Z 0-9 . _ - (not . or ..)", what, s)
	}
	return nil
}

// NewID returns a fresh id of 128 random bits as 32 lower-case hex digits: for
// messages, calls, sessions, tokens and nonces.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}
