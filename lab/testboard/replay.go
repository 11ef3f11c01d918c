package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
)

// replay wants two boots of the whole call to leave the same recordings and lamp logs, to the last bit: every sample
// of both loudspeakers, every change of a line with its nanosecond.
func replay(ctx context.Context, r *runner) error {
	for len(r.calls) < 2 {
		if _, err := r.callBoot(ctx); err != nil {
			return err
		}
	}
	r.compare(r.calls[0], r.calls[1])
	return nil
}

// evidenceFile reports whether a file must be the same in each boot.
func evidenceFile(name string) bool {
	return strings.HasSuffix(name, ".wav") || strings.HasSuffix(name, "-lamps.json")
}

func (r *runner) compare(first, second answer) {
	compared := 0
	for _, name := range sortedKeys(first.files) {
		if !evidenceFile(name) {
			continue
		}
		compared++
		a, b := first.files[name], second.files[name]
		sum := sha256.Sum256(a)
		at := 0
		for at < min(len(a), len(b)) && a[at] == b[at] {
			at++
		}
		if bytes.Equal(a, b) {
			r.check(name, true, "%d bytes the same, sha256 %x", len(a), sum[:8])
		} else {
			r.check(name, false, "%d and %d bytes, not the same from byte %d on", len(a), len(b), at)
		}
	}
	r.check("compared", compared == 4, "%d files, want 2 recordings and 2 lamp logs", compared)
}
