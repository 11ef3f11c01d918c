package stricttoml

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// scanner finds where the keys of a document are, which the TOML library does
// not tell. It only ever sees documents that the library has accepted, so it
// steps over what it does not need and checks nothing; on anything else it
// ends early, and positions are missing. Its recursion is as deep as the
// document's inline tables and lists, which Decode bounds.
type scanner struct {
	s   string
	at  int
	pos map[string]int // path of each key -> byte offset
	len map[string]int // path of each array of tables -> elements so far
}

// keyOffsets returns the byte offset of every key and table header, by path.
func keyOffsets(doc string) map[string]int {
	sc := &scanner{s: doc, pos: make(map[string]int), len: make(map[string]int)}
	table := ""
	for {
		sc.skip(" \t\r\n")
		switch {
		case sc.at >= len(sc.s):
			return sc.pos
		case sc.s[sc.at] == '[':
			table = sc.header()
		default:
			if !sc.pair(table) {
				return sc.pos
			}
		}
		sc.skip(" \t\r")
	}
}

// header reads [a.b] or [[a.b]] and returns the path that keys below it are in.
func (sc *scanner) header() string {
	list := strings.HasPrefix(sc.s[sc.at:], "[[")
	sc.at++
	if list {
		sc.at++
	}
	sc.skip(" \t")
	start := sc.at
	path := ""
	for parts := sc.key(); len(parts) > 0; parts = parts[1:] {
		path = join(path, parts[0])
		if n := sc.len[path]; n > 0 && (len(parts) > 1 || !list) {
			path = element(path, n-1) // below the newest element
		}
		if list && len(parts) == 1 {
			sc.note(path, start)
			sc.len[path]++
			path = element(path, sc.len[path]-1)
		}
		sc.note(path, start)
	}
	for sc.at < len(sc.s) && sc.s[sc.at] == ']' {
		sc.at++
	}
	return path
}

// pair reads key = value.
func (sc *scanner) pair(table string) bool {
	start := sc.at
	parts := sc.key()
	sc.skip(" \t")
	if len(parts) == 0 || sc.at >= len(sc.s) || sc.s[sc.at] != '=' {
		return false
	}
	sc.at++
	path := table
	for _, p := range parts {
		path = join(path, p)
		sc.note(path, start)
	}
	sc.value(path)
	return true
}

// value steps over a value, and notes the keys and elements in it.
func (sc *scanner) value(path string) {
	sc.skip(" \t")
	if sc.at >= len(sc.s) {
		return
	}
	switch sc.s[sc.at] {
	case '"', '\'':
		sc.quoted()
	case '[':
		sc.inside(']', func(i int) bool {
			p := element(path, i)
			sc.note(p, sc.at)
			before := sc.at
			sc.value(p)
			return sc.at > before
		})
	case '{':
		sc.inside('}', func(int) bool { return sc.pair(path) })
	default: // number, boolean, date
		for sc.at < len(sc.s) && !strings.ContainsRune(",]}#\r\n", rune(sc.s[sc.at])) {
			sc.at++
		}
	}
}

// inside reads what stands between commas up to end.
func (sc *scanner) inside(end byte, item func(i int) bool) {
	sc.at++
	for i := 0; ; i++ {
		sc.skip(" \t\r\n,")
		if sc.at >= len(sc.s) {
			return
		}
		if sc.s[sc.at] == end {
			sc.at++
			return
		}
		if !item(i) {
			sc.at = len(sc.s)
			return
		}
	}
}

// key reads a dotted key.
func (sc *scanner) key() (parts []string) {
	for sc.at < len(sc.s) {
		sc.skip(" \t")
		start := sc.at
		switch {
		case sc.at >= len(sc.s):
			return nil
		case sc.s[sc.at] == '"' || sc.s[sc.at] == '\'':
			sc.quoted()
			parts = append(parts, unquote(sc.s[start:sc.at]))
		default:
			for sc.at < len(sc.s) && !strings.ContainsRune(" \t.=]\r\n", rune(sc.s[sc.at])) {
				sc.at++
			}
			parts = append(parts, sc.s[start:sc.at])
		}
		sc.skip(" \t")
		if sc.at >= len(sc.s) || sc.s[sc.at] != '.' {
			return parts
		}
		sc.at++
	}
	return parts
}

// quoted steps over a string of any of the four kinds.
func (sc *scanner) quoted() {
	q := sc.s[sc.at]
	end := string(q)
	if strings.HasPrefix(sc.s[sc.at:], strings.Repeat(end, 3)) {
		end = strings.Repeat(end, 3)
	}
	sc.at += len(end)
	for sc.at < len(sc.s) {
		switch {
		case q == '"' && sc.s[sc.at] == '\\':
			sc.at += 2
		case strings.HasPrefix(sc.s[sc.at:], end):
			sc.at += len(end)
			for len(end) == 3 && sc.at < len(sc.s) && sc.s[sc.at] == q {
				sc.at++ // up to two quotes may stand right before the end
			}
			return
		default:
			sc.at++
		}
	}
	sc.at = len(sc.s)
}

// skip steps over the given characters, and over comments.
func (sc *scanner) skip(chars string) {
	for sc.at < len(sc.s) {
		switch c := sc.s[sc.at]; {
		case c == '#':
			if n := strings.IndexByte(sc.s[sc.at:], '\n'); n >= 0 {
				sc.at += n
			} else {
				sc.at = len(sc.s)
			}
		case strings.IndexByte(chars, c) >= 0:
			sc.at++
		default:
			return
		}
	}
}

// note keeps the first place of a path.
func (sc *scanner) note(path string, at int) {
	if _, ok := sc.pos[path]; !ok {
		sc.pos[path] = at
	}
}

// unquote returns the text of a quoted key, by asking the library.
func unquote(s string) string {
	var v struct{ K string }
	if _, err := toml.Decode("k = "+s, &v); err != nil {
		return s
	}
	return v.K
}

// join appends a key to a path, quoted unless it is a bare one.
func join(path, key string) string {
	bare := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return !bare(r) }) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parent returns the path that a path is in; "" at the top.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
