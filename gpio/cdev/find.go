package cdev

import (
	"fmt"
	"strings"
)

// chip is what find needs of a chip.
type chip interface {
	label() string
	lines() int
	info(offset int) (Info, error)
}

// find returns the line at a place. unread says why other chips could not be
// looked at; nil if all could.
func find[C chip](chips []C, unread error, at Place) (C, Info, error) {
	var none C
	fail := func(what error, format string, a ...any) (C, Info, error) {
		err := fmt.Errorf("%w: %v: %s", what, at, fmt.Sprintf(format, a...))
		if unread != nil {
			err = fmt.Errorf("%w; %w", err, unread)
		}
		return none, Info{}, err
	}
	var of []C
	var labels []string
	for _, c := range chips {
		labels = append(labels, c.label())
		if c.label() == at.Chip {
			of = append(of, c)
		}
	}
	switch {
	case len(chips) == 0 && unread != nil:
		return none, Info{}, fmt.Errorf("%w: %v: %w", ErrNoChip, at, unread)
	case len(chips) == 0:
		return fail(ErrNoChip, "this machine has no GPIO chip, or its driver is not loaded")
	case len(of) == 0:
		return fail(ErrNoChip, "present: %s", strings.Join(labels, ", "))
	case at.Line != "":
		return findNamed(of, at, fail)
	case len(of) > 1:
		return fail(ErrNoLine, "%d chips have this label; give the line's name instead of its offset", len(of))
	case at.Offset < 0 || at.Offset >= of[0].lines():
		return fail(ErrNoLine, "the chip has lines 0 to %d", of[0].lines()-1)
	}
	i, err := of[0].info(at.Offset)
	if err != nil {
		return none, Info{}, fmt.Errorf("%v: read line information: %w", at, err)
	}
	return of[0], i, nil
}

// findNamed looks on all chips of one label, as some boards have two expanders
// of a kind. A name that is there twice is refused: it could open the wrong
// line.
func findNamed[C chip](of []C, at Place, fail func(error, string, ...any) (C, Info, error)) (C, Info, error) {
	var in C
	var found []Info
	var names []string
	for _, c := range of {
		for o := range c.lines() {
			i, err := c.info(o)
			if err != nil {
				return fail(err, "read line information")
			}
			if i.Name == at.Line {
				in, found = c, append(found, i)
			} else if i.Name != "" {
				names = append(names, i.Name)
			}
		}
	}
	switch {
	case len(found) == 1:
		return in, found[0], nil
	case len(found) > 1:
		return fail(ErrNoLine, "%d lines have this name; give an offset instead", len(found))
	case len(names) == 0:
		return fail(ErrNoLine, "the chip's lines have no names; give an offset, 0 to %d", of[0].lines()-1)
	}
	return fail(ErrNoLine, "present: %s", strings.Join(names, ", "))
}
