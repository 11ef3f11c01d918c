package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	home            = "internal/mutants"
	equivalentsFile = home + "/equivalent.txt"
	patchesDir      = home + "/patches"
)

func main() {
	pattern := flag.String("run", "", "only mutants whose name matches this regular expression")
	tests := flag.String("tests", "", "only tests whose name matches: quicker, and more survive")
	list := flag.Bool("list", false, "print the mutants and leave")
	flag.Parse()
	only, err := regexp.Compile(*pattern)
	with, err2 := regexp.Compile(*tests)
	if err = errors.Join(err, err2); err == nil {
		err = logic(only, with, *list)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tally is what the mutants came to.
type tally struct {
	mu         sync.Mutex
	tried      int
	stopped    int
	known      int
	survivors  []string
	wrong      []string          // equivalents that a test catches
	equivalent map[string]string // name to reason
}

func (t *tally) add(name, at string, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tried++
	_, known := t.equivalent[name]
	switch {
	case o == caught && known:
		t.wrong = append(t.wrong, name)
	case o == caught:
	case o == stopped:
		t.stopped++
	case known:
		t.known++
	default:
		how := "no test noticed"
		if o == unreached {
			how = "no test reaches it"
		}
		t.survivors = append(t.survivors, name)
		fmt.Printf("survived: %s\n\t%s, %s\n", name, at, how)
	}
	if t.tried%100 == 0 {
		fmt.Printf("mutants: %d tried, %d survived\n", t.tried, len(t.survivors))
	}
}

func logic(only, with *regexp.Regexp, list bool) error {
	began := time.Now()
	t := &tally{}
	var err error
	if t.equivalent, err = equivalents(equivalentsFile); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	names := map[string]bool{}
	for _, target := range targets {
		b, err := build(target, tmp)
		if err != nil {
			return err
		}
		var chosen []mutant
		for _, m := range b.mutants {
			names[m.name] = true
			if only.MatchString(m.name) {
				chosen = append(chosen, m)
			}
		}
		if list {
			for _, m := range chosen {
				fmt.Printf("%s\t%s\n", m.at, m.name)
			}
			continue
		}
		if len(chosen) == 0 {
			continue
		}
		if err := b.reach(tmp, with); err != nil {
			return err
		}
		fmt.Printf("mutants: %s: %d of %d, %v to prepare\n", target.dir, len(chosen), len(b.mutants), time.Since(began).Round(time.Second))
		each(len(chosen), func(i int) error {
			t.add(chosen[i].name, chosen[i].at, b.try(chosen[i]))
			return nil
		})
	}
	bad := t.patched(only, list, tmp, names)
	if list {
		return bad
	}
	for name := range t.equivalent {
		if !names[name] {
			t.wrong = append(t.wrong, name+"\n\tnames no mutant")
		}
	}
	return errors.Join(bad, t.report(time.Since(began)))
}

// patched tries the patches, one after the other: go test uses what processors
// there are.
func (t *tally) patched(only *regexp.Regexp, list bool, tmp string, names map[string]bool) error {
	all, err := patches(patchesDir)
	for _, p := range all {
		name := "patch " + filepath.Base(p.path)
		names[name] = true
		if !only.MatchString(name) {
			continue
		}
		if list {
			fmt.Printf("%s\t%s\n", name, p.by())
			continue
		}
		o, e := p.try(tmp)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		t.add(name, p.path, o)
	}
	return err
}

func (t *tally) report(took time.Duration) error {
	slices.Sort(t.wrong)
	for _, s := range t.wrong {
		fmt.Printf("wrong in %s: %s\n", equivalentsFile, s)
	}
	fmt.Printf("mutants: %d caught of %d (%d of them by stopping a test that did not end), %d equivalent, %d survived; %v\n",
		t.tried-t.known-len(t.survivors), t.tried, t.stopped, t.known, len(t.survivors), took.Round(time.Second))
	if len(t.survivors) > 0 || len(t.wrong) > 0 {
		return errors.New("mutants: write a test for each survivor, or say in " + equivalentsFile + " why none is possible")
	}
	return nil
}

// equivalents reads the mutants that no test can notice: a line with the name,
// and after it one or more indented lines with the reason.
func equivalents(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, name := map[string]string{}, ""
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		switch line := s.Text(); {
		case strings.TrimSpace(line) == "" || line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if name == "" {
				return nil, fmt.Errorf("mutants: %s:%d: a reason before any mutant", path, n)
			}
			m[name] += strings.TrimSpace(line) + " "
		default:
			name = line
			m[name] = ""
		}
	}
	for name, why := range m {
		if why == "" {
			return nil, fmt.Errorf("mutants: %s: no reason for %s", path, name)
		}
	}
	return m, s.Err()
}
