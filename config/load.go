package config

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"

	"intercom/internal/durable"
	"intercom/internal/stricttoml"
)

// Position is a place in the configuration file.
type Position = stricttoml.Position

// Problem is one thing that is wrong with the file. errors.As finds the first.
type Problem = stricttoml.Problem

// Problems are all that is wrong with the file: the error of Parse and Load.
type Problems = stricttoml.Problems

// source is the file that a Config was read from.
type source struct{ *stricttoml.Doc }

// Load reads a configuration file. Its error is one of the file system, or a
// *Problems.
func Load(path string) (*Config, error) {
	f, err := durable.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w; give the path of a station's configuration file that this user may read", err)
	}
	defer f.Close()
	// One byte over the limit is enough for Parse to refuse it.
	data, err := io.ReadAll(io.LimitReader(f, stricttoml.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("config: read: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the text of a configuration file. name is its path: it stands in
// errors, and relative paths in the file start from its folder. The error is a
// *Problems.
func Parse(name string, data []byte) (*Config, error) {
	c := defaults()
	c.doc.Doc = stricttoml.Decode(name, data, c)
	if !c.doc.Broken() {
		c.check()
	}
	if err := c.doc.Err(); err != nil {
		return nil, err
	}
	c.resolve(filepath.Dir(name))
	c.checkSockets()
	if err := c.doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Pos returns where the file has a key, as in "button[1].name"; if it does
// not have it, where the table around it is.
func (c *Config) Pos(key string) Position {
	if c.doc.Doc == nil {
		return Position{}
	}
	return c.doc.Pos(key)
}

// Errorf returns a Problem with a key, in the form of the errors of Parse:
// for checks that need more than the file.
func (c *Config) Errorf(key, format string, args ...any) error {
	return Problem{Position: c.Pos(key), Key: key, What: fmt.Sprintf(format, args...)}
}

// resolve fills in what follows from other keys, once all is known to be good.
func (c *Config) resolve(dir string) {
	c.Broker.URL = withPort(c.Broker.URL)
	if c.Station.Kind == Door {
		var callees []string
		for _, b := range c.Buttons {
			for _, u := range b.Users() {
				if !slices.Contains(callees, u) {
					callees = append(callees, u)
				}
			}
		}
		if !c.doc.Has("door.open_users") {
			c.Door.OpenUsers = callees
		}
		if !c.doc.Has("door.listen_users") {
			c.Door.ListenUsers = slices.Clone(callees)
		}
	}
	at := func(base string, paths ...*string) {
		for _, p := range paths {
			if *p != "" && !filepath.IsAbs(*p) {
				*p = filepath.Join(base, *p)
			}
		}
	}
	at(dir, &c.Station.StateDir, &c.Identity.Key, &c.Identity.Token, &c.Identity.Authority,
		&c.Broker.CA, &c.Board.ProfileDir, &c.Board.Watchdog, &c.Board.Simulated.Socket, &c.Sound.MessagesDir, &c.Status.Socket)
	for i := range c.Network.TURN {
		at(dir, &c.Network.TURN[i].PasswordFile)
	}
	if c.Status.Socket == "" {
		c.Status.Socket = filepath.Join(c.Station.StateDir, "status.sock")
	}
	if c.Board.Simulated.Socket == "" && c.Board.Profile == profileSimulated {
		c.Board.Simulated.Socket = filepath.Join(c.Station.StateDir, "board.sock")
	}
}

// withPort adds the scheme's port to a broker's URL that has none. The ports
// are IANA's (mqtt 1883, secure-mqtt 8883).
func withPort(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Port() != "" {
		return s
	}
	port := "1883"
	if u.Scheme == "mqtts" {
		port = "8883"
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	return u.String()
}
