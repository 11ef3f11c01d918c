// Command testboard runs the tests of `make test-board`: it builds the virtual board (an unchanged Debian arm64
// kernel in QEMU), boots it for each case in virtual time, and judges what the board sends back. It prints one line
// a check and ends with 1 if one failed. See lab/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"intercom/lab/exchange"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "test-board:", err)
		os.Exit(1)
	}
}

var errFailed = errors.New("FAILED")

func run(ctx context.Context) error {
	var (
		only    = flag.String("case", "", "run these cases only: `name,name`")
		full    = flag.Bool("full", false, "run the long cases too")
		keep    = flag.String("out", "", "keep recordings, lamp logs and consoles in this `folder`")
		tags    = flag.String("tags", "nolibopusfile", "build `tags`")
		overlay = flag.String("overlay", "", "build with go's -overlay `file`")
		list    = flag.Bool("list", false, "list the cases")
		draws   = flag.Int("variants", 1, "run each case `N` times, each a draw of its own; print what failed, and how figures spread")
	)
	flag.Parse()
	if *list {
		for _, c := range cases {
			fmt.Printf("%-12s %s\n", c.name, c.about)
		}
		return nil
	}
	chosen, err := choose(*only, *full)
	if err != nil {
		return err
	}
	if *draws < 1 {
		return fmt.Errorf("-variants %d: want 1 or more", *draws)
	}
	kernel, err := makeKernel(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "intercom-board-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := &runner{
		build:  builder{dir: filepath.Join(work, "bin"), tags: *tags, overlay: *overlay, built: map[string]string{}},
		kernel: kernel, work: work, keep: *keep, draws: *draws,
	}
	if err := os.Mkdir(r.build.dir, 0o755); err != nil {
		return err
	}
	return r.all(ctx, chosen)
}

func choose(only string, full bool) ([]testCase, error) {
	var chosen []testCase
	var names []string
	wanted := strings.Split(only, ",")
	for _, c := range cases {
		names = append(names, c.name)
		if slices.Contains(wanted, c.name) || only == "" && !c.byName && (full || !c.long) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 || only != "" && len(chosen) != len(wanted) {
		return nil, fmt.Errorf("no case %q; there are %s", only, strings.Join(names, ", "))
	}
	return chosen, nil
}

// runner runs cases and counts their checks.
type runner struct {
	build  builder
	kernel string
	work   string // a temporary folder
	keep   string // the folder for what is kept, or ""
	draws  int    // of each case; over one, passed checks are not printed

	name           string // of the case that runs, and its variant
	variant        int    // which draw of it; 0 is the one that a run without variants has
	boots          int    // of that case
	passed, failed int
	calls          []answer // of the whole call, for the replay
	spreads        []*spread
}

func (r *runner) all(ctx context.Context, chosen []testCase) error {
	start := time.Now()
	for _, c := range chosen {
		r.spreads = nil
		for r.variant = range r.draws {
			if err := r.once(ctx, c); err != nil {
				return err
			}
		}
		for _, s := range r.spreads {
			if r.draws > 1 {
				fmt.Printf("%4d %-12s %v\n", len(s.got), c.name, s)
			}
		}
	}
	fmt.Printf("%d checks passed, %d failed, %.0f s\n", r.passed, r.failed, time.Since(start).Seconds())
	if r.failed > 0 {
		return errFailed
	}
	return nil
}

// once runs one draw of a case.
func (r *runner) once(ctx context.Context, c testCase) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	began, before := time.Now(), r.passed+r.failed
	r.name, r.boots = c.name, 0
	if r.draws > 1 {
		r.name, r.calls = fmt.Sprintf("%s.%d", c.name, r.variant), nil
	}
	if err := c.run(ctx, r); errors.Is(err, errBuild) {
		return err
	} else if err != nil {
		r.check("case", false, "%v", err)
	}
	if r.passed+r.failed == before && !c.byName {
		r.check("case", false, "checked nothing")
	}
	fmt.Printf("     %-12s %.0f s, %d boots\n", r.name, time.Since(began).Seconds(), r.boots)
	return nil
}

// check notes one finding.
func (r *runner) check(name string, ok bool, format string, args ...any) {
	r.note(exchange.Check{Name: name, OK: ok, Detail: fmt.Sprintf(format, args...)})
}

// measure notes one that has a limit, and may want something else too.
func (r *runner) measure(name string, f exchange.Figure, also bool, format string, args ...any) {
	r.note(exchange.Check{Name: name, OK: also && f.OK(), Detail: fmt.Sprintf(format, args...), Figure: &f})
}

// note prints one line; of several draws only what failed.
func (r *runner) note(c exchange.Check) {
	word := "ok  "
	if c.OK {
		r.passed++
	} else {
		r.failed++
		word = "FAIL"
	}
	if c.Figure != nil {
		r.spread(c.Name, *c.Figure)
	}
	if !c.OK || r.draws == 1 {
		fmt.Println(strings.TrimRight(fmt.Sprintf("%s %-12s %s: %s", word, r.name, c.Name, c.Detail), ": "))
	}
}

// boot boots the board once and prints what it checked itself.
func (r *runner) boot(ctx context.Context, b boot) (answer, error) {
	guest, err := r.build.guest(ctx)
	if err != nil {
		return answer{}, err
	}
	if b.spec.Cards == nil {
		b.spec.Cards = []string{"Door", "Indoor"}
	}
	if b.spec.Deadline == 0 {
		b.spec.Deadline = 2 * time.Minute
	}
	if b.limit == 0 {
		b.limit = 30 * time.Minute // a host may be busy
	}
	b.variant = r.variant
	r.boots++
	folder := fmt.Sprintf("%s-%d", r.name, r.boots)
	a, err := b.run(ctx, filepath.Join(r.work, folder), r.kernel, guest)
	if keepErr := r.keepFiles(folder, a); keepErr != nil {
		err = errors.Join(err, keepErr)
	}
	for _, c := range a.report.Checks {
		r.note(c)
	}
	return a, err
}

// keepFiles copies what the board sent, and its console, to the folder that was asked for.
func (r *runner) keepFiles(folder string, a answer) error {
	if r.keep == "" {
		return nil
	}
	to := filepath.Join(r.keep, folder)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if data, err := os.ReadFile(filepath.Join(r.work, folder, "console.log")); err == nil {
		if err := os.WriteFile(filepath.Join(to, "console.log"), data, 0o644); err != nil {
			return err
		}
	}
	for name, data := range a.files {
		if err := os.WriteFile(filepath.Join(to, filepath.Base(name)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// goTests runs the tests of a package that need the board's kernel: those whose name begins with TestKernel.
func (r *runner) goTests(ctx context.Context, pkg string, b boot, env ...string) error {
	bin, err := r.build.test(ctx, pkg)
	if err != nil {
		return err
	}
	b.spec = exchange.Spec{Case: "gotest", Args: []string{"-test.v", "-test.run=^TestKernel", "-test.timeout=100s"}, Env: env}
	b.programs = map[string]string{"bin/test": bin}
	a, err := r.boot(ctx, b)
	if err != nil {
		return err
	}
	r.judgeGoTests(string(a.files[exchange.OutputFile]), a.report.Exit)
	return nil
}
