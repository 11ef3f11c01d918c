package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// target is a package whose mutants are generated.
type target struct {
	dir    string
	files  []string // globs: mutated as a whole
	consts []string // only their constants
	pkg    string
}

var targets = []target{
	{dir: "call", pkg: "call", files: []string{"step*.go"}, consts: []string{"types.go"}},
}

// limit is how long one mutant's tests may run: they take a second or two, but
// a mutant may run for ever. Most of the time of a whole run went into waiting
// for those; so tests get no more than many times what they took without a
// mutant, on this machine, as busy as it is. A process that grows without end is
// stopped, too.
const (
	limit      = 40 * time.Second
	leastLimit = 8 * time.Second
	manyTimes  = 10
	dataMemory = 1_500_000 // KiB
)

// patience is how long these tests may run.
func (b *built) patience(tests []string) time.Duration {
	d := leastLimit
	for _, t := range tests {
		took, known := b.took[t]
		if !known {
			return limit
		}
		d += manyTimes * took
	}
	return min(d, limit)
}

// built is a package's test binary with every mutant in it.
type built struct {
	target
	binary  string
	mutants []mutant
	tests   map[int][]string // who reaches a mutant
	took    map[string]time.Duration
	widest  string
}

// build instruments a package and compiles its tests.
func build(t target, tmp string) (*built, error) {
	p := &plan{names: map[string]int{}, constants: map[string]constant{}, used: map[int]bool{}}
	overlay := map[string]string{}
	add := func(path string, data []byte) error {
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		to := filepath.Join(tmp, t.pkg+"_"+filepath.Base(path))
		overlay[abs] = to
		return os.WriteFile(to, data, 0o600)
	}
	consts, err := sources(t.dir, t.consts)
	if err != nil {
		return nil, err
	}
	files, err := sources(t.dir, t.files)
	if err != nil {
		return nil, err
	}
	for _, s := range consts {
		if err := p.declare(s.path, s.text, false); err != nil {
			return nil, err
		}
	}
	for _, s := range files {
		if err := p.declare(s.path, s.text, true); err != nil {
			return nil, err
		}
	}
	for _, s := range files {
		out, err := p.instrument(s.path, s.text)
		if err != nil {
			return nil, err
		}
		if err := add(s.path, out); err != nil {
			return nil, err
		}
	}
	if err := add(filepath.Join(t.dir, "mutant_support.go"), fmt.Appendf(nil, support, t.pkg, len(p.mutants))); err != nil {
		return nil, err
	}
	list := filepath.Join(tmp, t.pkg+".json")
	if err := writeOverlay(list, overlay); err != nil {
		return nil, err
	}
	b := &built{target: t, binary: filepath.Join(tmp, t.pkg+".test"), mutants: p.all(), tests: map[int][]string{}, took: map[string]time.Duration{}}
	if out, err := exec.Command("go", "test", "-c", "-overlay", list, "-o", b.binary, "./"+t.dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mutants: compile %s: %w\n%s", t.dir, err, out)
	}
	return b, nil
}

type source struct {
	path string
	text []byte
}

// sources reads the files of a folder that match, but for tests.
func sources(dir string, globs []string) (list []source, err error) {
	for _, g := range globs {
		paths, err := filepath.Glob(filepath.Join(dir, g))
		if err != nil || len(paths) == 0 {
			return nil, fmt.Errorf("mutants: no file %s in %s (run this from the top of the tree): %w", g, dir, err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			list = append(list, source{path, text})
		}
	}
	return list, nil
}

func writeOverlay(path string, replace map[string]string) error {
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// run runs tests of the binary with one mutant on (0: none).
func (b *built) run(patience time.Duration, tests []string, id int, env ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pattern := "^(" + strings.Join(tests, "|") + ")$"
	// the shell is there for its ulimit only
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -d "$1"; shift; exec "$@"`, "sh", strconv.Itoa(dataMemory),
		b.binary, "-test.failfast", "-test.short", "-test.run", pattern)
	cmd.Dir = b.dir
	cmd.Env = append(append(os.Environ(), "MUTANT="+strconv.Itoa(id), "RAPID_NOFAILFILE=1"), env...)
	// some tests start processes, which must go with a test that is stopped, or fails
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of the group; mostly nothing
	}
	if ctx.Err() != nil {
		err = errTooLong
	}
	return string(out), err
}

var errTooLong = errors.New("took too long")

// reach runs each test that matches once with no mutant, and notes what it reaches.
func (b *built) reach(tmp string, with *regexp.Regexp) error {
	cmd := exec.Command(b.binary, "-test.list", ".")
	cmd.Dir = b.dir
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var tests []string
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); with.MatchString(name) && (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz")) {
			tests = append(tests, name)
		}
	}
	var mu sync.Mutex
	defer b.findWidest()
	return each(len(tests), func(i int) error {
		log := filepath.Join(tmp, b.pkg+"_"+tests[i])
		began := time.Now()
		if out, err := b.run(limit, tests[i:i+1], 0, "MUTANT_REACHED="+log); err != nil {
			return fmt.Errorf("mutants: %s fails without any mutant: %w\n%s", tests[i], err, out)
		}
		data, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		b.took[tests[i]] = time.Since(began)
		for line := range strings.Lines(string(data)) {
			if id, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
				b.tests[id] = append(b.tests[id], tests[i])
			}
		}
		return nil
	})
}

// outcome is what became of a mutant.
type outcome int

const (
	caught outcome = iota
	stopped
	unnoticed
	unreached
)

// try runs the tests that reach a mutant: first the one that reaches most of
// them all, then the quick half of the others, then the rest.
func (b *built) try(m mutant) outcome {
	tests := slices.Clone(b.tests[m.id])
	if len(tests) == 0 {
		return unreached
	}
	slices.SortFunc(tests, func(x, y string) int { return cmp.Compare(b.took[x], b.took[y]) })
	if i := slices.Index(tests, b.widest); i > 0 {
		tests = slices.Insert(slices.Delete(tests, i, i+1), 0, b.widest)
	}
	half := 1 + len(tests)/2
	for _, part := range [][]string{tests[:1], tests[1:min(half, len(tests))], tests[min(half, len(tests)):]} {
		if len(part) == 0 {
			continue
		}
		run := func(patience time.Duration, id int) error {
			_, err := b.run(patience, part, id)
			return err
		}
		if o := decide(b.patience(part), m.id, run); o != unnoticed {
			return o
		}
	}
	return unnoticed
}

// decide says what became of a mutant by running tests with it on. That they did
// not end counts only if they end without it in that time, here and now: else it
// is the machine that is slow, and they get more. A mutant that can not be told
// from a slow machine is one that nobody noticed.
func decide(patience time.Duration, id int, run func(patience time.Duration, id int) error) outcome {
	for most := 8 * patience; patience <= most; patience *= 2 {
		switch err := run(patience, id); {
		case err == nil:
			return unnoticed
		case !errors.Is(err, errTooLong):
			return caught
		case run(patience, 0) == nil:
			return stopped
		}
	}
	return unnoticed
}

// findWidest is the test that reaches most mutants for its time, of those that
// reach nearly as many as any.
func (b *built) findWidest() {
	n := map[string]int{}
	most := 0
	for _, tests := range b.tests {
		for _, t := range tests {
			n[t]++
			most = max(most, n[t])
		}
	}
	for t := range n {
		if 10*n[t] >= 9*most && (b.widest == "" || b.took[t] < b.took[b.widest]) {
			b.widest = t
		}
	}
}

// each calls f for 0 to n-1 on as many processors as there are; the first
// error.
func each(n int, f func(int) error) error {
	var wg sync.WaitGroup
	next := make(chan int)
	errs := make(chan error, n)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					errs <- err
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	close(errs)
	return <-errs
}
