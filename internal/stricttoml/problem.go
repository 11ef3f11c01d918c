package stricttoml

import (
	"fmt"
	"strings"
)

// MaxProblems is how many problems are listed; the rest is only counted.
const MaxProblems = 20

// Position is a place in a file. Line and Column count from 1; the column
// counts characters. A zero Line means the whole file.
type Position struct {
	File         string
	Line, Column int
}

// String returns file:line:column.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong with a file.
type Problem struct {
	Position
	Key  string // path of the key, as in button[1].name; empty: the file or its syntax
	What string // what is wrong; what to do
}

func (p Problem) Error() string {
	if p.Key == "" {
		return fmt.Sprintf("%v: %s", p.Position, p.What)
	}
	return fmt.Sprintf("%v: %s: %s", p.Position, p.Key, p.What)
}

// Problems are all that is wrong with a file, in its order.
type Problems struct {
	List []Problem // at most MaxProblems
	More int       // how many were left out
}

// Error returns one problem a line.
func (p *Problems) Error() string {
	var b strings.Builder
	for i, q := range p.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(q.Error())
	}
	if p.More > 0 {
		fmt.Fprintf(&b, "\n... and %d more", p.More)
	}
	return b.String()
}

// Unwrap gives the single problems to errors.As.
func (p *Problems) Unwrap() []error {
	errs := make([]error, len(p.List))
	for i, q := range p.List {
		errs[i] = q
	}
	return errs
}
