package stricttoml

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// Bounds of a document. Nothing that a person writes comes near.
const (
	MaxSize     = 256 << 10 // bytes
	maxLine     = 4 << 10   // bytes
	maxDots     = 256       // in one line; bounds the parts of a dotted key, whose cost grows with their square
	maxBrackets = 4096      // opening ones, of all kinds; bounds the depth of recursion
)

// Doc is a decoded document, with its problems.
type Doc struct {
	name     string
	text     string
	offsets  map[string]int
	problems []Problem
	bad      map[string]bool // keys that have a problem
	more     int
	broken   bool
}

// Decode reads data, called name in its errors, into the struct that into
// points to. Fields that the document does not name keep their value. Fields
// are named by their toml tag. It knows string, bool, int and float kinds,
// time.Duration (written as a string, "60s"), structs (embedded ones too), and slices of
// all of these.
//
// Everything wrong is in Doc.Err. If the syntax is, nothing was decoded, and
// Broken is true.
func Decode(name string, data []byte, into any) *Doc {
	d := &Doc{name: name, text: string(data), bad: make(map[string]bool)}
	if !d.bounded() {
		d.broken = true
		return d
	}
	var tree map[string]any
	if _, err := toml.Decode(d.text, &tree); err != nil {
		d.broken = true
		d.syntax(err)
		return d
	}
	d.offsets = keyOffsets(d.text)
	d.table("", tree, reflect.ValueOf(into).Elem(), reflect.TypeOf(into).Elem())
	return d
}

// Broken reports that the document could not be read at all: checks of its
// values are of no use.
func (d *Doc) Broken() bool { return d.broken }

// Has reports whether the document names a key.
func (d *Doc) Has(key string) bool { _, ok := d.offsets[key]; return ok }

// Pos returns the place of a key, or, if the document does not name it, of the
// nearest table around it that it does.
func (d *Doc) Pos(key string) Position {
	for ; key != ""; key = parent(key) {
		if at, ok := d.offsets[key]; ok {
			return d.at(at)
		}
	}
	return Position{File: d.name}
}

// Problem adds a problem with a key. The first one of a key is kept, as those
// after it often follow from it.
func (d *Doc) Problem(key, format string, args ...any) {
	if d.bad[key] {
		return
	}
	d.bad[key] = true
	if len(d.problems) == MaxProblems {
		d.more++ // and no time is spent on it
		return
	}
	d.problems = append(d.problems, Problem{Position: d.Pos(key), Key: key, What: fmt.Sprintf(format, args...)})
}

// Bad reports whether a key has a problem already.
func (d *Doc) Bad(key string) bool { return d.bad[key] }

// Err returns the problems in the order of the file, as a *Problems, or nil.
func (d *Doc) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	p := &Problems{List: slices.Clone(d.problems), More: d.more}
	slices.SortStableFunc(p.List, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return p
}

// bounded checks what must hold before the library may see the document.
func (d *Doc) bounded() bool {
	whole := Problem{Position: Position{File: d.name}}
	switch {
	case len(d.text) > MaxSize:
		whole.What = fmt.Sprintf("the file has %d bytes, over the limit of %d; is it the right file?", len(d.text), MaxSize)
	case !utf8.ValidString(d.text):
		whole.What = "the file is not UTF-8 text; save it as UTF-8"
	}
	if whole.What != "" {
		d.problems = append(d.problems, whole)
		return false
	}
	d.text = strings.TrimPrefix(d.text, "\ufeff")
	line, brackets := 1, 0
	for l := range strings.Lines(d.text) {
		brackets += strings.Count(l, "[") + strings.Count(l, "{")
		what := ""
		if len(l) > maxLine {
			what = fmt.Sprintf("the line has %d bytes, over the limit of %d; break it up", len(l), maxLine)
		} else if n := strings.Count(l, "."); n > maxDots {
			what = fmt.Sprintf("the line has %d dots, over the limit of %d; break it up", n, maxDots)
		} else if brackets > maxBrackets {
			what = fmt.Sprintf("over %d lists and tables; is it the right file?", maxBrackets)
		}
		if what != "" {
			d.problems = append(d.problems, Problem{Position: Position{d.name, line, 1}, What: what})
			return false
		}
		line++
	}
	return true
}

// syntax adds the library's error.
func (d *Doc) syntax(err error) {
	p := Problem{Position: Position{File: d.name}, What: err.Error()}
	if pe, ok := err.(toml.ParseError); ok {
		p.Position = d.at(min(max(pe.Position.Start, 0), len(d.text)))
		p.What = pe.Message
		if pe.Position.Line > 0 && p.Line != pe.Position.Line {
			p.Line, p.Column = pe.Position.Line, 1
		}
	}
	p.What = "not TOML: " + p.What + "; correct the line, strings stand in quotes"
	d.problems = append(d.problems, p)
}

// at turns a byte offset into a place.
func (d *Doc) at(offset int) Position {
	before := d.text[:offset]
	return Position{
		File:   d.name,
		Line:   1 + strings.Count(before, "\n"),
		Column: 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]),
	}
}

// table decodes a table into a struct. root is the type of the whole document,
// to look for keys that stand in the wrong table.
func (d *Doc) table(path string, tree map[string]any, v reflect.Value, root reflect.Type) {
	fields := make(map[string][]int)
	for _, f := range reflect.VisibleFields(v.Type()) {
		if tag := f.Tag.Get("toml"); tag != "" && tag != "-" {
			fields[tag] = f.Index
		}
	}
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		p := join(path, key)
		index, ok := fields[key]
		if !ok {
			d.Problem(p, "there is no such key; %s", advice(key, slices.Sorted(maps.Keys(fields)), root))
			continue
		}
		d.value(p, tree[key], v.FieldByIndex(index), root)
	}
}

var durationType = reflect.TypeFor[time.Duration]()

// value decodes one value, or adds what is wrong with it.
func (d *Doc) value(path string, x any, v reflect.Value, root reflect.Type) {
	wrong := func(want string) { d.Problem(path, "%s is not %s; write %s", describe(x), want, example(v)) }
	if v.Type() == durationType {
		s, ok := x.(string)
		if t, err := time.ParseDuration(s); ok && err == nil {
			v.SetInt(int64(t))
		} else {
			wrong("a time")
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if s, ok := x.(string); ok {
			v.SetString(s)
		} else {
			wrong("a text")
		}
	case reflect.Bool:
		if b, ok := x.(bool); ok {
			v.SetBool(b)
		} else {
			wrong("true or false")
		}
	case reflect.Int:
		if n, ok := x.(int64); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			v.SetInt(n)
		} else {
			wrong("a whole number that fits")
		}
	case reflect.Float64:
		switch n := x.(type) {
		case float64:
			v.SetFloat(n)
		case int64:
			v.SetFloat(float64(n))
		default:
			wrong("a number")
		}
	case reflect.Struct:
		if t, ok := x.(map[string]any); ok {
			d.table(path, t, v, root)
		} else {
			wrong("a table")
		}
	case reflect.Slice:
		d.list(path, x, v, root, wrong)
	default:
		d.Problem(path, "can not be decoded into %v; this is a bug", v.Type())
	}
}

// list decodes an array, or an array of tables.
func (d *Doc) list(path string, x any, v reflect.Value, root reflect.Type, wrong func(string)) {
	items := reflect.ValueOf(x)
	if !items.IsValid() || items.Kind() != reflect.Slice {
		wrong("a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), items.Len(), items.Len())
	for i := range items.Len() {
		d.value(element(path, i), items.Index(i).Interface(), out.Index(i), root)
	}
	v.Set(out)
}
