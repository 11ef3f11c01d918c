// Package config reads the configuration file of a station.
//
// It is strict: an unknown key, a wrong type or an impossible value is an
// error that names file, line, column and key, and says what to do; all of a
// file's errors (20 at most) come at once. It looks at the file alone: whether
// a line exists on the board is asked later, by who has the board's profile,
// with [Config.Errorf] for an error at the right place.
//
//	file ──▶ syntax ──▶ keys and types ──▶ values, and what they say together ──▶ *Config
//	         (toml)     (internal/stricttoml)  (check.go)
//
// The annotated example is sample.toml; it shows every key with its default,
// and a test holds it to that.
package config
