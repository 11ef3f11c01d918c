package stricttoml

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
)

// maxShown bounds how much of a value an error repeats, in characters.
const maxShown = 40

// describe names a value as the person wrote it.
func describe(x any) string {
	switch x := x.(type) {
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	case string:
		if r := []rune(x); len(r) > maxShown {
			x = string(r[:maxShown]) + "..."
		}
		return fmt.Sprintf("%q", x)
	default:
		return fmt.Sprintf("%v", x)
	}
}

// example shows how a value of a type is written.
func example(v reflect.Value) string {
	if v.Type() == durationType {
		return `it as in "1.5s", "200ms" or "1m30s"`
	}
	switch v.Kind() {
	case reflect.String:
		return `it in quotes: "..."`
	case reflect.Bool:
		return "true or false, without quotes"
	case reflect.Int:
		return "it without quotes and without a point: 42"
	case reflect.Float64:
		return "it without quotes: 42 or 4.2"
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			return "each entry below a line [[...]] with its name in double brackets"
		}
		return "it in brackets: [..., ...]"
	case reflect.Struct:
		return "its keys below a line [...] with its name in brackets"
	}
	return "another value"
}

// advice says what may have been meant by an unknown key: a similar one of its
// table, the same one of another table, or one of those that there are.
func advice(key string, names []string, root reflect.Type) string {
	if best := Nearest(key, names); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	if tables := slices.Sorted(tablesWith(root, "", key)); len(tables) > 0 {
		return "it belongs in " + strings.Join(tables, " or ")
	}
	return "remove it, or use one of: " + strings.Join(names, ", ")
}

// Nearest returns the name that a misspelt one is most likely meant to be, or
// "" if none is near.
func Nearest(word string, names []string) string {
	best, least := "", min(2, len(word)/3)+1
	if len(word) > 64 {
		return ""
	}
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	for _, n := range names {
		if dist := distance(plain(word), plain(n)); dist < least {
			best, least = n, dist
		}
	}
	return best
}

// distance is the number of single-byte edits, or swaps of neighbours, that
// turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// tablesWith yields the headers of all tables below t that have a key.
func tablesWith(t reflect.Type, path, key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range reflect.VisibleFields(t) {
			tag := f.Tag.Get("toml")
			if tag == "" || tag == "-" {
				continue
			}
			if tag == key && path != "" && !yield(path) {
				return
			}
			sub, header := f.Type, "["+join(strings.Trim(path, "[]"), tag)+"]"
			if sub.Kind() == reflect.Slice {
				sub, header = sub.Elem(), "["+header+"]"
			}
			if sub.Kind() == reflect.Struct {
				for h := range tablesWith(sub, header, key) {
					if !yield(h) {
						return
					}
				}
			}
		}
	}
}
