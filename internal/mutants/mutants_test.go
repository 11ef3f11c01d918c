package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A package with a gap in its tests for each kind of mutant that has one here.
const (
	lockSource = `package lock

import "time"

const (
	first = 3
	limit = 2 * time.Second
)

type lock struct{ open, dirty bool; n int }

type event struct{ kind int; late bool }

func (l *lock) on(e event) bool {
	if l.open && e.late {
		return false
	}
	switch e.kind {
	case first:
		l.open = true
		l.dirty = true
	case 4, 5:
		l.n++
	default:
		return false
	}
	return true
}

func late(d time.Duration) bool { return d > limit }
`
	lockTest = `package lock

import (
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	var l lock
	if !l.on(event{kind: 3}) || !l.open || l.on(event{kind: 9}) || !l.on(event{kind: 4}) || l.n != 1 {
		t.Fatal(l)
	}
	for l.n != 1 {
	}
}

func TestLate(t *testing.T) {
	if late(2*time.Second) || !late(2*time.Second+1) {
		t.Fatal()
	}
}
`
	goodPatch = `test: . -run TestLock
--- a/lock.go
+++ b/lock.go
@@ -18,7 +18,7 @@
 	}
 	switch e.kind {
 	case first:
-		l.open = true
+		l.open = false
 		l.dirty = true
 	case 4, 5:
 		l.n++
`
)

func lockPackage(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module lock\n\ngo 1.26.0\n", "lock.go": lockSource, "lock_test.go": lockTest, "p/good.patch": goodPatch,
		"p/gap.patch":   strings.ReplaceAll(goodPatch, "TestLock", "TestLate"),
		"p/stale.patch": strings.ReplaceAll(goodPatch, "dirty", "clean"),
		"p/wrong.patch": strings.ReplaceAll(goodPatch, "= false", "= nothing"),
		"p/none.patch":  strings.ReplaceAll(goodPatch, "TestLock", "TestOfNoName"),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestGenerated(t *testing.T) {
	lockPackage(t)
	tmp := t.TempDir()
	b, err := build(target{dir: ".", pkg: "lock", files: []string{"lock.go"}}, tmp)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.reach(tmp, regexp.MustCompile("")); err != nil {
		t.Fatal(err)
	}
	got := map[outcome][]string{}
	for _, m := range b.mutants {
		o := b.try(m)
		got[o] = append(got[o], m.name)
	}
	for _, o := range slices.Collect(maps.Keys(got)) {
		slices.Sort(got[o])
	}
	want := map[outcome][]string{
		caught: {
			"lock.go : double `limit = 2 * time.Second`",
			"lock.go : halve `limit = 2 * time.Second`",
			"lock.go : one less `first = 3`",
			"lock.go : one more `first = 3`",
			"lock.go late: move the bound `d > limit`",
			"lock.go on/4, 5: delete `l.n++`",
			"lock.go on/default: do not, of the block `return false`",
			"lock.go on/default: turn round, of the block `return false`",
			"lock.go on/first: delete `l.open = true`",
			"lock.go on: negate `l.open && e.late`",
			"lock.go on: not this case `4`",
			"lock.go on: not this case `first`",
			"lock.go on: turn round, of ...ty = true case 4, 5: l.n++ default: return false } `return true`",
			"lock.go on: without `e.late`",
		},
		unnoticed: {"lock.go on/first: delete `l.dirty = true`", "lock.go on: not this case `5`", "lock.go on: without `l.open`"},
		unreached: {
			"lock.go on: do not, of if l.open && e.late `return false`",
			"lock.go on: turn round, of if l.open && e.late `return false`",
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mutants (-want +got):\n%s", d)
	}
}

func TestPatches(t *testing.T) {
	lockPackage(t)
	all, err := patches("p")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range all {
		o, err := p.try(t.TempDir())
		text := map[outcome]string{caught: "caught", unnoticed: "unnoticed"}[o]
		if err != nil {
			text = strings.SplitN(err.Error(), ":", 3)[1]
			if strings.Contains(err.Error(), "does not apply") {
				text = "does not apply"
			} else if strings.Contains(err.Error(), "does not compile") {
				text = "does not compile"
			} else if strings.Contains(err.Error(), "runs no test") {
				text = "runs no test"
			}
		}
		got[filepath.Base(p.path)] = text
	}
	want := map[string]string{"good.patch": "caught", "gap.patch": "unnoticed", "stale.patch": "does not apply", "wrong.patch": "does not compile", "none.patch": "runs no test"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := os.WriteFile("p/empty.patch", []byte("--- a/lock.go\n+++ b/lock.go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := patches("p"); err == nil {
		t.Error("a patch that names no test was taken")
	}
}

// A test that does not end is a catch only where it ends without the mutant.
func TestDecide(t *testing.T) {
	const took = time.Second // without a mutant
	for _, tt := range []struct {
		name          string
		with, without time.Duration // that the tests take
		err           error
		want          outcome
	}{
		{"fails", took, took, errors.New("exit status 1"), caught},
		{"passes", took, took, nil, unnoticed},
		{"hangs", time.Hour, took, nil, stopped},
		{"a busy machine, and it fails", 3 * took, 3 * took, errors.New("exit status 1"), caught},
		{"a busy machine, and it passes", 3 * took, 3 * took, nil, unnoticed},
		{"a busy machine, and it hangs", time.Hour, 3 * took, nil, stopped},
		{"a machine that stands still", time.Hour, time.Hour, nil, unnoticed},
	} {
		got := decide(took, 7, func(patience time.Duration, id int) error {
			takes, err := tt.without, error(nil)
			if id == 7 {
				takes, err = tt.with, tt.err
			}
			if takes > patience {
				return errTooLong
			}
			return err
		})
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestTally(t *testing.T) {
	path := filepath.Join(t.TempDir(), "e.txt")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# why\n\na b\n\tsince it\n\tis so\nc\n\talso\n")
	eq, err := equivalents(path)
	if err != nil || eq["a b"] != "since it is so " || len(eq) != 2 {
		t.Fatalf("%v, %v", eq, err)
	}
	for _, bad := range []string{"a\n", " reason\n"} {
		write(bad)
		if _, err := equivalents(path); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, tt := range []struct {
		name string
		o    outcome
		fail bool
	}{{"x", caught, false}, {"x", stopped, false}, {"x", unnoticed, true}, {"x", unreached, true}, {"c", unnoticed, false}, {"c", caught, true}} {
		r := &tally{equivalent: eq}
		r.add(tt.name, "f:1", tt.o)
		if err := r.report(0); (err != nil) != tt.fail {
			t.Errorf("%s %d: %v", tt.name, tt.o, err)
		}
	}
}
