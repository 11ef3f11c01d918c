package main

import (
	"regexp"
	"strings"
)

var resultLine = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): (\S+) \((.*)\)$`)

// judgeGoTests prints a line for each test that has no tests below it. A test that was skipped fails: this board is
// what it was waiting for.
func (r *runner) judgeGoTests(output string, exit int) {
	type result struct{ word, name, took string }
	var results []result
	parent := map[string]bool{}
	for line := range strings.Lines(output) {
		m := resultLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		results = append(results, result{m[1], m[2], m[3]})
		for name := m[2]; ; {
			i := strings.LastIndexByte(name, '/')
			if i < 0 {
				break
			}
			name = name[:i]
			parent[name] = true
		}
	}
	failed := false
	for _, t := range results {
		if parent[t.name] && t.word == "PASS" {
			continue
		}
		ok := t.word == "PASS"
		failed = failed || !ok
		r.check(t.name, ok, "%s, %s", strings.ToLower(t.word), t.took)
	}
	if len(results) == 0 || exit != 0 || failed {
		r.check("test binary", exit == 0 && len(results) > 0 && !failed, "%d tests, exit status %d\n%s", len(results), exit, output)
	}
}
