package config

import "reflect"

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// walk appends the keys below a struct type, with [0] for a list of tables.
func walk(path string, t reflect.Type, out []string) []string {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("toml")
		if tag == "" || tag == "-" {
			continue
		}
		key, sub := path+tag, f.Type
		if sub.Kind() == reflect.Slice && sub.Elem().Kind() == reflect.Struct {
			key, sub = key+"[0]", sub.Elem()
		}
		if sub.Kind() == reflect.Struct {
			out = walk(key+".", sub, out)
		} else {
			out = append(out, key)
		}
	}
	return out
}
