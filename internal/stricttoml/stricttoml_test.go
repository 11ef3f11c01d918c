package stricttoml

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

type place struct {
	Chip string `toml:"chip"`
}

type item struct {
	Name string `toml:"name"`
	place
	Sub []place `toml:"sub"`
}

type document struct {
	Text  string        `toml:"text"`
	Yes   bool          `toml:"yes"`
	Count int           `toml:"count"`
	Ratio float64       `toml:"ratio"`
	Time  time.Duration `toml:"ring_time"`
	Words []string      `toml:"words"`
	Items []item        `toml:"item"`
	Table place         `toml:"table"`
	Skip  string        `toml:"-"`
}

func TestDecode(t *testing.T) {
	var got document
	got.Skip, got.Count = "kept", 7
	d := Decode("f", []byte("\ufefftext = 'a'\nyes = true\nratio = 3\nring_time = \"1.5s\"\nwords = ['x', \"y\"]\n"+
		"[[item]]\nname = \"one\"\nchip = \"c\"\n[[item.sub]]\nchip = \"d\"\n[[item]]\n[table]\nchip = \"e\"\n"), &got)
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	want := document{
		Text: "a", Yes: true, Count: 7, Ratio: 3, Time: 1500 * time.Millisecond, Words: []string{"x", "y"},
		Items: []item{{Name: "one", place: place{"c"}, Sub: []place{{"d"}}}, {}},
		Table: place{"e"}, Skip: "kept",
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestProblems(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"near", "tetx = 'a'", "f:1:1: tetx: there is no such key; did you mean text?"},
		{"elsewhere", "chip = 'a'", "f:1:1: chip: there is no such key; it belongs in [[item.sub]] or [[item]] or [table]"},
		{"nowhere", "[table]\n  wonder = 1", "f:2:3: table.wonder: there is no such key; remove it, or use one of: chip"},
		{"case counts", "Text = 'a'", "f:1:1: Text: there is no such key; did you mean text?"},
		{"quoted", `"a.b\n" = 1`, `f:1:1: "a.b\n": there is no such key; remove it, or use one of: count, item, ratio, ring_time, table, text, words, yes`},
		{"text", "text = 5", `f:1:1: text: 5 is not a text; write it in quotes: "..."`},
		{"bool", "yes = 'true'", `f:1:1: yes: "true" is not true or false; write true or false, without quotes`},
		{"int", "count = 1.5", "f:1:1: count: 1.5 is not a whole number that fits; write it without quotes and without a point: 42"},
		{"large int", "count = 5000000000", "f:1:1: count: 5000000000 is not a whole number that fits; write it without quotes and without a point: 42"},
		{"float", "ratio = 'x'", `f:1:1: ratio: "x" is not a number; write it without quotes: 42 or 4.2`},
		{"time", "ring_time = 60", `f:1:1: ring_time: 60 is not a time; write it as in "1.5s", "200ms" or "1m30s"`},
		{"bad time", "ring_time = '60'", `f:1:1: ring_time: "60" is not a time; write it as in "1.5s", "200ms" or "1m30s"`},
		{"list", "words = 'a'", `f:1:1: words: "a" is not a list; write it in brackets: [..., ...]`},
		{"element", "words = [\n  'a', # [\n  2]", `f:3:3: words[1]: 2 is not a text; write it in quotes: "..."`},
		{"table for list", "[item]\nname = 'a'", "f:1:2: item: a table is not a list; write each entry below a line [[...]] with its name in double brackets"},
		{"list for table", "[[table]]\nchip = 'a'", "f:1:3: table: a list is not a table; write its keys below a line [...] with its name in brackets"},
		{"in the second", "[[item]]\nname = 'a'\n[[item]]\nname = 'b'\n[[item.sub]]\n[[item.sub]]\nfoo = 1", "f:7:1: item[1].sub[1].foo: there is no such key; remove it, or use one of: chip"},
		{"inline", "table = { chip = 'a', chop = 'é' }\n", "f:1:23: table.chop: there is no such key; did you mean chip?"},
		{"escapes", `table = { chip = "\"}", chop = 1 }`, "f:1:25: table.chop: there is no such key; did you mean chip?"},
		{"columns are characters", "table = { chip = 'éé', chop = '' }\n", "f:1:24: table.chop: there is no such key; did you mean chip?"},
		{"long strings", "text = \"\"\"\ncount = [\n\\\"\"\"\"\"\nyes = 1", "f:4:1: yes: 1 is not true or false; write true or false, without quotes"},
		{"order", "yes = 1\ntext = 1", "f:1:1: yes: 1 is not true or false; write true or false, without quotes\n" + `f:2:1: text: 1 is not a text; write it in quotes: "..."`},
		{"syntax", "yes = true\ntext = a\n", `f:2:8: not TOML: expected value but found "a" instead; correct the line, strings stand in quotes`},
		{"twice", "yes = true\nyes = true\n", "f:2:1: not TOML: Key 'yes' has already been defined.; correct the line, strings stand in quotes"},
		{"not text", "text = '\xff'", "f: the file is not UTF-8 text; save it as UTF-8"},
		{"too large", "#" + strings.Repeat("\n", MaxSize), "f: the file has 262145 bytes, over the limit of 262144; is it the right file?"},
		{"long line", "\n#" + strings.Repeat("x", maxLine), "f:2:1: the line has 4097 bytes, over the limit of 4096; break it up"},
		{"long key", "a" + strings.Repeat(".a", maxDots+1), "f:1:1: the line has 257 dots, over the limit of 256; break it up"},
		{"brackets", "words = [\n" + strings.Repeat("[\n", maxBrackets), "f:4097:1: over 4096 lists and tables; is it the right file?"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Decode("f", []byte(test.text), new(document)).Err()
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range MaxProblems + 5 {
		fmt.Fprintf(&b, "wonder%d = 1\n", i)
	}
	err := Decode("f", []byte(b.String()), new(document)).Err()
	var all *Problems
	if !errors.As(err, &all) || len(all.List) != MaxProblems || all.More != 5 || !strings.HasSuffix(err.Error(), "\n... and 5 more") {
		t.Errorf("got %v", err)
	}
	var one Problem
	if !errors.As(err, &one) || one.Key != "wonder0" || one.Line != 1 {
		t.Errorf("first problem is %+v", one)
	}
}

func TestPos(t *testing.T) {
	d := Decode("f", []byte("[[item]]\nname = 'a'\n\n[[item]]\n sub = [{chip = 'x'}, {}]\n[table]\n"), new(document))
	for key, want := range map[string]string{
		"item":                "f:1:3",
		"item[0]":             "f:1:3",
		"item[0].name":        "f:2:1",
		"item[0].chip":        "f:1:3", // not there: the table around it
		"item[1]":             "f:4:3",
		"item[1].sub[0].chip": "f:5:10",
		"item[1].sub[1]":      "f:5:23",
		"table.chip":          "f:6:2",
		"nothing":             "f",
		"":                    "f",
	} {
		if got := d.Pos(key).String(); got != want {
			t.Errorf("%s is at %s, want %s", key, got, want)
		}
	}
	if !d.Has("item[0].name") || d.Has("item[0].chip") {
		t.Error("Has is wrong")
	}
	d.Problem("text", "first")
	d.Problem("text", "second")
	if got := d.Err().Error(); got != "f: text: first" || !d.Bad("text") {
		t.Errorf("got %q, want the first problem of a key only", got)
	}
}

// FuzzDecode holds that every key that the TOML library finds has a position,
// and that no document is decoded partly in silence.
func FuzzDecode(f *testing.F) {
	f.Add("text = 'a'\n[table]\nchip.x = 1 # c\n[[item]]\n[item.a]\n[[item.sub]]\nchip = \"\"\"\n\"x\"\"\"\"\n")
	f.Add("words = [1, [2, {a.b = 3, 'c' = '''x'''}], # ]\n]\n\"q\\u0041\".z = 1979-05-27 07:32:00")
	f.Add("a = {\n x = 1,\n}\nb = [[]]\n[[c]]\n[[c.d]]\n[c.d.e]\n f = nan")
	f.Fuzz(func(t *testing.T, text string) {
		d := Decode("f", []byte(text), new(document))
		err := d.Err()
		if d.Broken() {
			if err == nil {
				t.Fatal("broken without an error")
			}
			return
		}
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err != nil {
			t.Fatalf("the library refuses what was accepted: %v", err)
		}
		// The library (1.6.0) lifts a table with an empty key out of nested arrays.
		if !strings.Contains(text, "''") && !strings.Contains(text, `""`) {
			known(t, d, "", tree)
		}
		if err == nil {
			return
		}
		for _, p := range err.(*Problems).List {
			if p.Line < 1 || p.Column < 1 || p.Line > 1+strings.Count(text, "\n") || p.Key == "" || p.What == "" {
				t.Fatalf("a problem without a place: %+v", p)
			}
		}
	})
}

func known(t *testing.T, d *Doc, path string, x any) {
	if path != "" && !d.Has(path) {
		t.Fatalf("%s has no position", path)
	}
	switch x := x.(type) {
	case map[string]any:
		for k, v := range x {
			known(t, d, join(path, k), v)
		}
	case []map[string]any:
		for i, v := range x {
			known(t, d, element(path, i), v)
		}
	case []any:
		for i, v := range x {
			known(t, d, element(path, i), v)
		}
	}
}
