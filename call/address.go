package call

import "strings"

// Address names who a message is from or for. A user's devices are reached
// together with Device and Session empty; a process of one device is reached
// with all four.
type Address struct {
	Service string `json:"service"`
	User    string `json:"user"`
	Device  string `json:"device,omitempty"`
	Session string `json:"session,omitempty"` // a process's life
}

// String is service/user/device/session, as far as set.
func (a Address) String() string {
	return strings.TrimRight(a.Service+"/"+a.User+"/"+a.Device+"/"+a.Session, "/")
}

// sameDevice reports whether a and b are of one device, whatever their sessions.
func (a Address) sameDevice(b Address) bool {
	return a.UserAddress() == b.UserAddress() && a.Device == b.Device
}

// UserAddress is the address of all devices of a's user.
func (a Address) UserAddress() Address { return Address{Service: a.Service, User: a.User} }

const maxID = 64

// ValidID reports whether s is 1 to 64 characters of a-z A-Z 0-9 . _ -. The names
// that file systems keep for themselves, "." and "..", are no ids, so that an id
// as a file's name stays in its folder.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > maxID || s == "." || s == ".." {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
