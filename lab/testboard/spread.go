package main

import (
	"fmt"
	"slices"
	"strings"

	"intercom/lab/exchange"
)

// spread is how one figure of a case came out in all draws of it.
type spread struct {
	name string
	last exchange.Figure // for limit and unit
	got  []float64
}

func (r *runner) spread(name string, f exchange.Figure) {
	i := slices.IndexFunc(r.spreads, func(s *spread) bool { return s.name == name })
	if i < 0 {
		i = len(r.spreads)
		r.spreads = append(r.spreads, &spread{name: name})
	}
	s := r.spreads[i]
	s.last, s.got = f, append(s.got, f.Got)
}

// String gives the least, the middle and the most of them.
func (s *spread) String() string {
	got := slices.Sorted(slices.Values(s.got))
	n := len(got)
	return strings.TrimRight(fmt.Sprintf("%s: %.4g, %.4g, %.4g, at most %.4g %s", s.name, got[0], got[n/2], got[n-1], s.last.Limit, s.last.Unit), " ")
}
