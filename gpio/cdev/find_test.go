package cdev

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// fakeChip is a chip by its label, with its lines' names.
type fakeChip struct {
	name  string
	names []string
	err   error
}

func (c fakeChip) label() string { return c.name }
func (c fakeChip) lines() int    { return len(c.names) }
func (c fakeChip) info(o int) (Info, error) {
	return Info{Label: c.name, Offset: o, Name: c.names[o]}, c.err
}

func TestFind(t *testing.T) {
	broken := errors.New("broken")
	pi := fakeChip{name: "pinctrl-bcm2711", names: []string{"ID_SDA", "", "GPIO17"}}
	exp := fakeChip{name: "exp", names: []string{"A", "B"}}
	tests := []struct {
		name   string
		chips  []fakeChip
		unread error
		at     Place
		want   int // offset
		is     error
		says   string
	}{
		{"by name", []fakeChip{exp, pi}, nil, Place{Chip: "pinctrl-bcm2711", Line: "GPIO17"}, 2, nil, ""},
		{"by offset", []fakeChip{exp, pi}, nil, Place{Chip: "pinctrl-bcm2711", Offset: 1}, 1, nil, ""},
		{"on the second of a kind", []fakeChip{exp, {name: "exp", names: []string{"C"}}}, nil, Place{Chip: "exp", Line: "C"}, 0, nil, ""},
		{"another chip may be forbidden", []fakeChip{pi}, fs.ErrPermission, Place{Chip: "pinctrl-bcm2711", Offset: 1}, 1, nil, ""},
		{"no chip", nil, nil, Place{Chip: "exp", Line: "C"}, 0, ErrNoChip, "this machine has no GPIO chip"},
		{"no chip to be read", nil, fs.ErrPermission, Place{Chip: "exp", Line: "C"}, 0, fs.ErrPermission, "permission"},
		{"unknown chip", []fakeChip{exp, pi}, nil, Place{Chip: "pinctrl-rp1", Line: "GPIO17"}, 0, ErrNoChip, "present: exp, pinctrl-bcm2711"},
		{"unknown, or forbidden", []fakeChip{exp}, fs.ErrPermission, Place{Chip: "pinctrl-rp1", Line: "GPIO17"}, 0, fs.ErrPermission, "present: exp"},
		{"unknown line", []fakeChip{pi}, nil, Place{Chip: "pinctrl-bcm2711", Line: "GPIO99"}, 0, ErrNoLine, "present: ID_SDA, GPIO17"},
		{"no names", []fakeChip{{name: "exp", names: make([]string, 8)}}, nil, Place{Chip: "exp", Line: "C"}, 0, ErrNoLine, "give an offset, 0 to 7"},
		{"offset too high", []fakeChip{exp}, nil, Place{Chip: "exp", Offset: 2}, 0, ErrNoLine, "lines 0 to 1"},
		{"offset below 0", []fakeChip{exp}, nil, Place{Chip: "exp", Offset: -1}, 0, ErrNoLine, "lines 0 to 1"},
		{"which of two chips", []fakeChip{exp, exp}, nil, Place{Chip: "exp", Offset: 1}, 0, ErrNoLine, "2 chips have this label"},
		{"which of two lines", []fakeChip{exp, exp}, nil, Place{Chip: "exp", Line: "A"}, 0, ErrNoLine, "2 lines have this name"},
		{"can not be read", []fakeChip{{name: "exp", names: []string{"A"}, err: broken}}, nil, Place{Chip: "exp", Line: "A"}, 0, broken, "read line information"},
		{"can not be read by offset", []fakeChip{{name: "exp", names: []string{"A"}, err: broken}}, nil, Place{Chip: "exp"}, 0, broken, "read line information"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, i, err := find(test.chips, test.unread, test.at)
			if test.is == nil {
				if err != nil || i.Offset != test.want || c.name != test.at.Chip || c.names[i.Offset] != i.Name {
					t.Errorf("got %+v, %v; want offset %d", i, err, test.want)
				}
				return
			}
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v; want %v that says %q", err, test.is, test.says)
			}
		})
	}
}

// TestFindAgain finds each line of any set of chips by what find itself tells
// about it, or is told that the way is not unique.
func TestFindAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"", "A", "B", "C"})
		chips := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) fakeChip {
			return fakeChip{
				name:  rapid.SampledFrom([]string{"one", "two"}).Draw(t, "label"),
				names: rapid.SliceOfN(name, 1, 4).Draw(t, "names"),
			}
		}), 1, 3).Draw(t, "chips")
		for _, c := range chips {
			for o, name := range c.names {
				labels, names := 0, 0
				for _, d := range chips {
					if d.name == c.name {
						labels++
						for _, n := range d.names {
							if n == name {
								names++
							}
						}
					}
				}
				_, i, err := find(chips, nil, Place{Chip: c.name, Offset: o})
				if (err == nil) != (labels == 1) || err == nil && (i.Offset != o || i.Name != name) {
					t.Fatalf("offset %d of %s: got %+v, %v with %d chips of that label", o, c.name, i, err, labels)
				}
				if name == "" {
					continue
				}
				_, i, err = find(chips, nil, Place{Chip: c.name, Line: name})
				if (err == nil) != (names == 1) || err == nil && (i.Name != name || i.Label != c.name) {
					t.Fatalf("line %s of %s: got %+v, %v with %d lines of that name", name, c.name, i, err, names)
				}
			}
		}
	})
}
