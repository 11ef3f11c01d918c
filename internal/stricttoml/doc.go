// Package stricttoml decodes TOML that people write, and tells them everything
// that is wrong with it in one go, each with the file, line and column:
//
//	station.toml:12:1: call.ring_tmie: there is no such key; did you mean ring_time?
//
// It is BurntSushi/toml for the language, with three things of its own: a
// decoder into structs that refuses unknown keys and wrong types instead of
// stopping at the first, the position of every key (elements of lists
// included: button[1].name), and a bounded list of problems that the caller
// adds its own checks to. It is no general decoder: it knows the few Go types
// that the configuration and the board profiles use.
package stricttoml
