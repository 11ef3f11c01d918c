package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
)

// maxReplays bounds the boots: on a very busy host QEMU now and then delivers a timer a few instructions later.
const maxReplays = 4

// replay wants two boots of the whole call to leave the same recordings and lamp logs, to the last bit: every sample
// of both loudspeakers, every change of a line with its nanosecond. A boot that is like none before it is told, and
// tried again.
func replay(ctx context.Context, r *runner) error {
	for {
		if _, err := r.callBoot(ctx); err != nil {
			return err
		}
		last := len(r.calls) - 1
		for _, before := range r.calls[:last] {
			if same(before, r.calls[last]) || last+1 >= maxReplays {
				return r.compare(before, r.calls[last])
			}
		}
		if last > 0 {
			r.tell("boot %d is like none before it: another", last+1)
		}
	}
}

// evidenceFile reports whether a file must be the same in each boot.
func evidenceFile(name string) bool {
	return strings.HasSuffix(name, ".wav") || strings.HasSuffix(name, "-lamps.json")
}

func same(a, b answer) bool {
	for name, data := range a.files {
		if evidenceFile(name) && !bytes.Equal(data, b.files[name]) {
			return false
		}
	}
	return true
}

func (r *runner) compare(first, second answer) error {
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
	return nil
}
