package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// patch is a mutant made by hand: a unified diff, after a line
//
//	test: ./alsa -run TestXrun
//
// that gives go test's arguments, or after a line
//
//	board: alsa
//
// that names a case of make test-board.
type patch struct {
	path  string
	test  []string
	board string
	files []string // that the diff changes
}

func patches(dir string) ([]patch, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var list []patch
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		p := patch{path: path}
		for line := range strings.Lines(string(data)) {
			if t, ok := strings.CutPrefix(line, "test:"); ok && p.test == nil {
				p.test = strings.Fields(t)
			}
			if c, ok := strings.CutPrefix(line, "board:"); ok {
				p.board = strings.TrimSpace(c)
			}
			if name, ok := strings.CutPrefix(line, "+++ b/"); ok {
				p.files = append(p.files, strings.TrimSpace(name))
			}
		}
		if len(p.test) == 0 == (p.board == "") || len(p.files) == 0 {
			return nil, fmt.Errorf("mutants: %s: want a line \"test: PACKAGE -run NAME\" or \"board: CASE\", and a diff with \"+++ b/FILE\" lines", path)
		}
		list = append(list, p)
	}
	return list, nil
}

// try applies the patch to copies, and runs its test over them. The error is
// that of a patch that does not apply, compile or find its test.
func (p patch) try(tmp string) (outcome, error) {
	dir, err := os.MkdirTemp(tmp, "patch")
	if err != nil {
		return 0, err
	}
	overlay := map[string]string{}
	for _, f := range p.files {
		data, err := os.ReadFile(f)
		if err != nil {
			return 0, fmt.Errorf("mutants: %s: %w", p.path, err)
		}
		to := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return 0, err
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			return 0, err
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return 0, err
		}
		overlay[abs] = to
	}
	diff, err := filepath.Abs(p.path)
	if err != nil {
		return 0, err
	}
	apply := exec.Command("git", "apply", diff)
	apply.Dir = dir
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+tmp) // the copies are in no repository
	if out, err := apply.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("mutants: %s does not apply to the code of today, make it anew: %w\n%s", p.path, err, out)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := writeOverlay(list, overlay); err != nil {
		return 0, err
	}
	if p.board != "" {
		return p.onBoard(list)
	}
	out, err := exec.Command("go", append([]string{"test", "-overlay", list, "-count=1", "-failfast", "-timeout", "120s"}, p.test...)...).CombinedOutput()
	var exit *exec.ExitError
	switch text := string(out); {
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return 0, fmt.Errorf("mutants: %s does not compile:\n%s", p.path, text)
	case strings.Contains(text, "no tests to run") || strings.Contains(text, "no test files"):
		return 0, fmt.Errorf("mutants: %s: %q runs no test", p.path, strings.Join(p.test, " "))
	case err == nil:
		return unnoticed, nil
	case errors.As(err, &exit):
		return caught, nil
	}
	return 0, err
}

// onBoard runs a case of make test-board over the copies. Only failed checks say that the mutant was noticed.
func (p patch) onBoard(overlay string) (outcome, error) {
	out, err := exec.Command("go", "run", "./lab/testboard", "-case", p.board, "-overlay", overlay).CombinedOutput()
	switch {
	case err == nil:
		return unnoticed, nil
	case strings.Contains(string(out), "test-board: FAILED"):
		return caught, nil
	}
	return 0, fmt.Errorf("mutants: %s: make test-board CASE=%s: %w\n%s", p.path, p.board, err, out)
}

// by says what must notice the mutant.
func (p patch) by() string {
	if p.board != "" {
		return "board: " + p.board
	}
	return "test: " + strings.Join(p.test, " ")
}
